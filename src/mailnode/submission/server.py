"""The SMTP server for programs: where it listens, and how many clients it takes."""

import asyncio
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from types import TracebackType
from typing import Self

from mailnode.submission import replies
from mailnode.submission.content import Memory
from mailnode.submission.doors import Doors, check_doors, host_and_port, not_listening, unix_socket
from mailnode.submission.gate import Gate
from mailnode.submission.link import Link
from mailnode.submission.protocol import SubmissionProtocol
from mailnode.submission.session import Limits, Session

STOP_SECONDS = 8.0
_BACKLOG = 1024
_IPV6_SITE_BITS = 64  # one customer of a provider has as many addresses as it likes


class SubmissionServer:
    """Takes messages for as long as it is entered; `addresses` tells where, a line for each door.

    Leaving it stops: clients get the reply to what is under way, and then 421. What takes longer than `STOP_SECONDS` is
    cut off without a reply, so that the client sends it again.

    Raises:
        UsageError: when it is entered, and a port or the socket can't be used.
    """

    def __init__(self, gate: Gate, doors: Doors, *, name: str = "localhost", limits: Limits | None = None) -> None:
        """Listen nowhere yet; `name` is the host name that clients are told."""
        self.addresses: list[str] = []
        self.port = self.tls_port = 0
        self._gate = gate
        self._doors = check_doors(doors)
        self._certificate = doors.certificate
        self._name = name
        self._limits = limits or Limits()
        self._memory = Memory(self._limits.memory_bytes)
        self._socket: Path | None = None
        self._servers: list[asyncio.Server] = []
        self._sessions: dict[asyncio.Task[None], Session] = {}
        self._counts = Counter[str]()

    async def __aenter__(self) -> Self:
        """Listen."""
        doors = self._doors
        try:
            if doors.port is not None:
                self.port = await self._listen(doors.port, self._connected)
                words = "STARTTLS" if doors.certificate else "clear text"
                self.addresses.append(f"{host_and_port(doors.host, self.port)} ({words})")
            if doors.tls_port is not None:
                self.tls_port = await self._listen(doors.tls_port, self._connected_for_tls)
                self.addresses.append(f"{host_and_port(doors.host, self.tls_port)} (TLS)")
            if doors.socket is not None:
                await self._listen_locally(doors.socket)
                self.addresses.append(str(doors.socket))
        except BaseException:
            await self.stop(0)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Take no more clients, and let those that are there finish what is under way, for so long at most."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)
        tasks = list(self._sessions)
        for session in list(self._sessions.values()):
            session.stop()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                self._sessions[task].abort()
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _listen(self, port: int, connected: Callable[[Link], None]) -> int:
        loop = asyncio.get_running_loop()
        host = self._doors.host
        try:
            server = await loop.create_server(lambda: Link(connected), host, port, backlog=_BACKLOG)
        except (OSError, OverflowError) as error:
            raise not_listening(host_and_port(host, port), error) from None
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _listen_locally(self, path: Path) -> None:
        sock = unix_socket(path)
        self._socket = path
        loop = asyncio.get_running_loop()
        self._servers.append(
            await loop.create_unix_server(lambda: Link(self._connected_locally), sock=sock, backlog=_BACKLOG)
        )

    def _connected(self, link: Link) -> None:
        self._begin(link, link.address)

    def _connected_for_tls(self, link: Link) -> None:
        link.pause()
        self._begin(link, link.address, begins_with_tls=True)

    def _connected_locally(self, link: Link) -> None:
        try:
            uid = link.peer_uid()
        except OSError:  # it has left already
            link.abort()
            return
        self._begin(link, f"uid {uid}", uid=uid)

    def _begin(self, link: Link, peer: str, *, uid: int | None = None, begins_with_tls: bool = False) -> None:
        if not peer:  # it has left already
            link.abort()
            return
        key = _counted(peer) if uid is None else ""
        if (key and self._counts[key] >= self._limits.connections_per_address) or not self._has_room():
            if not begins_with_tls:
                last = replies.TOO_MANY_CONNECTIONS
                text = f"{last.enhanced} {self._name} {last.text}"
                link.write_now(replies.lines_in_bytes(last.code, [text]))
            link.close()
            return
        protocol = SubmissionProtocol(
            self._name,
            peer,
            self._memory,
            self._limits.protocol,
            is_private=begins_with_tls or not key,
            offers_tls=self._certificate is not None and not begins_with_tls and uid is None,
        )
        context = self._certificate.context if self._certificate else None
        session = Session(
            link, protocol, self._gate, self._limits, peer, uid=uid, context=context, begins_with_tls=begins_with_tls
        )
        task = asyncio.get_running_loop().create_task(session.run())
        self._sessions[task] = session
        self._counts[key] += 1
        task.add_done_callback(lambda _: self._forget(task, key))

    def _has_room(self) -> bool:
        """Whether one more client can be served, if need be in the place of the first that has not said who it is."""
        if len(self._sessions) < self._limits.connections:
            return True
        stranger = next((session for session in self._sessions.values() if session.is_idle_stranger), None)
        if stranger is not None:
            stranger.evict()
        return stranger is not None

    def _forget(self, task: asyncio.Task[None], key: str) -> None:
        del self._sessions[task]
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]


def _counted(address: str) -> str:
    """Give what connections are counted by; "" for this machine's, which are not."""
    ip = ip_address(address)
    if ip.is_loopback:
        return ""
    return str(ip_network((ip, _IPV6_SITE_BITS), strict=False)) if isinstance(ip, IPv6Address) else address
