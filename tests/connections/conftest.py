"""A repository of connections whose clock a test moves, and a token endpoint."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailnode.connections.endpoint import TokenEndpoint as ConsentPrompt
from mailnode.connections.repository import ConnectionRepository
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.tokens import TokenKeeper
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from support.token_endpoint import TokenEndpoint, token_endpoint

KEY = base64.b64encode(b"\1" * 32).decode()


class Clock:
    """The time of this moment, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self.stopped_at = 0

    def __call__(self) -> int:
        return (self.stopped_at or unix_ms()) + self.ahead_ms

    def stop(self) -> None:
        self.stopped_at = unix_ms()

    def move(self, seconds: float) -> None:
        self.ahead_ms += int(seconds * 1000)


class Process:
    """What one process has of a home."""

    def __init__(self, home: Path, clock: Clock, where: Path | str | None = None) -> None:
        self.database = Database.open(where or home / "mailnode.db")
        self.process = self.database.register(home / "workers")
        cipher = Cipher.open(home, KEY)
        self.keeper = TokenKeeper(self.database, cipher, self.process, ConsentPrompt(clock=clock), clock)
        self.repository = ConnectionRepository(self.database, cipher, self.keeper)

    async def token(self, name: str = "shop") -> str:
        """What a session would log in with."""
        login = (await self.repository.get(name)).login
        return await login.tokens.token()  # type: ignore[union-attr]

    async def renewed(self, refused: str, name: str = "shop") -> str:
        """What a session would try after a refusal."""
        login = (await self.repository.get(name)).login
        return await login.tokens.renewed(refused)  # type: ignore[union-attr]

    async def close(self) -> None:
        await self.keeper.close()
        self.process.close()
        self.database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Say where the database is: in the home, unless a test asks for `both`."""
    if getattr(request, "param", "sqlite") == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return tmp_path / "mailnode.db"


@pytest.fixture
async def one(tmp_path: Path, clock: Clock, where: Path | str) -> AsyncIterator[Process]:
    """A process at work."""
    process = Process(tmp_path, clock, where)
    yield process
    await process.close()


@pytest.fixture
async def other(one: Process, tmp_path: Path, clock: Clock, where: Path | str) -> AsyncIterator[Process]:
    """Another one on the same home (with locks and connections of its own, as another process has them)."""
    process = Process(tmp_path, clock, where)
    yield process
    await process.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[TokenEndpoint]:
    async with token_endpoint() as served:
        yield served
