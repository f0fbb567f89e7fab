"""A gate that knows one app and keeps what it takes: what the tests of the SMTP server have it ask."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mailnode.submission.doors import Doors
from mailnode.submission.gate import App, Reply, Submitted
from mailnode.submission.server import SubmissionServer
from mailnode.submission.session import Limits


class KeepingGate:
    """Lets `shop` in with `pencil`, and this user; refuses what `refusals` names."""

    def __init__(self) -> None:
        self.taken: list[Submitted] = []
        self.asked: list[str] = []
        self.refusals: dict[str, Reply] = {}
        self.errors: list[Exception] = []
        self.is_held = self.is_slow = False
        self.held = asyncio.Event()
        self.released = asyncio.Event()

    async def authenticate(self, login: str, password: str, peer: str) -> App | Reply:
        self.asked.append(f"{login} from {peer}")
        self._fail()
        if self.is_slow:
            await self.released.wait()
        known = (login, password) == ("shop", "pencil")
        return App("shop") if known else Reply(535, "5.7.8", "Error: authentication failed")

    async def peer_user(self, uid: int) -> App | Reply:
        return App("cron") if uid == os.getuid() else Reply(550, "5.7.1", "No app is for this user")

    async def may_send_from(self, app: App, reverse_path: str) -> Reply | None:
        return self.refusals.get(reverse_path)

    async def may_send_to(self, app: App, forward_path: str) -> Reply | None:
        return self.refusals.get(forward_path)

    async def take(self, app: App, submitted: Submitted) -> Reply:
        if self.is_held:
            self.held.set()
            await self.released.wait()
        self._fail()
        self.taken.append(submitted)
        return Reply(250, "2.0.0", f"Ok: queued as {len(self.taken)}")

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop()


@asynccontextmanager
async def listening(
    gate: KeepingGate | None = None, *, limits: Limits | None = None, **doors: Any
) -> AsyncIterator[SubmissionServer]:
    """Run a server at a free port of 127.0.0.1, or at these doors."""
    async with SubmissionServer(
        gate or KeepingGate(), Doors(**doors or {"port": 0}), name="mail.example", limits=limits
    ) as server:
        yield server
