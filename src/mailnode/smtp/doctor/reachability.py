"""Every address of a host, each tried and timed; a mail is content with the first one that takes it."""

import asyncio
import errno
import os
import socket
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from mailnode.errors import ConnectFailed, ErrorCode
from mailnode.smtp.connect import Address, attempt, resolve
from mailnode.smtp.doctor.finding import Record, Step
from mailnode.smtp.proxy import Proxy
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream

_SILENCE = "no answer"
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


@dataclass(slots=True)
class _Try:
    """One address, and what came of it."""

    address: Address
    ms: float = 0.0
    sock: socket.socket | None = None
    why_not: str = ""
    is_no_way: bool = False

    @property
    def name(self) -> str:
        return _name(self.address)

    async def go(self, seconds: float) -> None:
        """Connect, or learn why not."""
        began = monotonic()
        try:
            async with asyncio.timeout(seconds):
                self.sock = await attempt(self.address)
        except TimeoutError:
            self.why_not = _SILENCE
        except OSError as error:
            self.why_not = os.strerror(error.errno).lower() if error.errno else str(error)
            self.is_no_way = error.errno in _NO_WAY
        self.ms = (monotonic() - began) * 1000


async def knock(server: ServerSettings, record: Record) -> Stream:
    """Resolve the host, connect to all its addresses at once, and go on with the first that takes it.

    Through a proxy there is one connection, since the proxy resolves. What is found is noted, a failure too, before it
    is raised (ConnectFailed).
    """
    if server.proxy is not None:
        return await _through(server.proxy, server, record)
    try:
        addresses = await resolve(server)
        if not addresses:
            raise _failed(server, [])
    except ConnectFailed as error:
        _note(record, "resolve", error)
        raise
    record.note("resolve", "ok", ", ".join(map(_name, addresses)))
    tries = [_Try(address) for address in addresses]
    try:
        await asyncio.gather(*(one.go(server.deadlines.connect) for one in tries))
        chosen = _judge(tries, server, record)
        sock, chosen.sock = chosen.sock, None
        assert sock
        return await Stream.over(sock)
    finally:
        for one in tries:
            if one.sock is not None:
                one.sock.close()


async def _through(proxy: Proxy, server: ServerSettings, record: Record) -> Stream:
    record.note("resolve", "skipped", f"the proxy {proxy.address} resolves the host, not this machine")
    try:
        stream = await Stream.open(server)
    except ConnectFailed as error:
        _note(record, "connect", error)
        raise
    record.note("connect", "ok", f"through the proxy {proxy.address}")
    return stream


def _judge(tries: Sequence[_Try], server: ServerSettings, record: Record) -> _Try:
    """Note who took the connection and who did not; give the first who did."""
    good = [one for one in tries if one.sock is not None]
    dead: defaultdict[str, list[_Try]] = defaultdict(list)
    for one in tries:
        if one.sock is None:
            dead[one.why_not].append(one)
    if not good:
        error = _failed(server, list(dead))
        _note(record, "connect", error)
        raise error
    is_one = len(tries) == 1  # whose time is that of the step
    record.note("connect", "ok", ", ".join(one.name if is_one else f"{one.name} ({one.ms:.0f} ms)" for one in good))
    for why, ones in dead.items():
        names = ", ".join(one.name for one in ones)
        hint = "mail takes the other addresses; have these repaired, or removed from the host's DNS entry"
        if all(one.is_no_way for one in ones):
            hint = "mail takes the other addresses; this machine has no way to these (IPv6, as a rule)"
        record.note("connect", "warning", f"{names}: {why}", hint=hint)
    return good[0]


def _note(record: Record, step: Step, error: ConnectFailed) -> None:
    record.note(step, "failed", error.message, hint=error.hint, code=error.code)


def _failed(server: ServerSettings, reasons: Sequence[str]) -> ConnectFailed:
    if reasons == [_SILENCE]:
        return ConnectFailed(
            f"{server.address} did not answer within {server.deadlines.connect:g} s",
            code=ErrorCode.TIMEOUT,
            hint="check host and port; many networks block outgoing mail ports (25 above all): try 587 or 465",
            transient=True,
        )
    return ConnectFailed(
        f"could not connect to {server.address}: {'; '.join(reasons) or 'it has no address'}",
        hint="check host and port (587 and 465 are usual), and that the server runs and no firewall stands between",
        transient=True,
    )


def _name(address: Address) -> str:
    return str(address[1][0])
