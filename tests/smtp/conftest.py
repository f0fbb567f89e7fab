import asyncio
import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[int, Any]]]:
    """Let names resolve to what the test says; no resolver of this machine can be made to give several addresses."""
    known: dict[str, list[tuple[int, Any]]] = {}

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in known[host]]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return known


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes no connection and refuses none: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        while True:
            filler = socket.socket()
            filler.setblocking(False)
            fillers.append(filler)
            if filler.connect_ex(listener.getsockname()) == errno.EINPROGRESS and len(fillers) > 3:
                break
        yield int(listener.getsockname()[1])
        for filler in fillers:
            filler.close()
