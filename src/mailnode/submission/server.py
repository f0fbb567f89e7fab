"""The SMTP server for programs: where it listens, and how many clients it takes."""

import asyncio
import resource
import socket
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from mailnode.network_address import guest_of, host_and_port, is_loopback, plain_address
from mailnode.submission import replies
from mailnode.submission.content import Memory
from mailnode.submission.doors import Doors, check_doors, peer_uid, ports, unix_socket
from mailnode.submission.gate import Gate
from mailnode.submission.protocol import SubmissionProtocol
from mailnode.submission.session import Limits, Session
from mailnode.supervision import Supervised

STOP_SECONDS = 8.0


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
        # The files that the process may have open are also those of the database and of servers.
        self._most = min(self._limits.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._memory = Memory(self._limits.memory_bytes)
        self._socket: Path | None = None
        self._listeners: dict[socket.socket, asyncio.Task[None]] = {}
        self._sessions: dict[asyncio.Task[None], Session] = {}
        self._counts = Counter[str]()
        # One app leaves room for the others.
        self._most_of_app = max(self._limits.connections_per_app * self._most // self._limits.connections, 1)
        self._of_apps = Counter[str]()

    async def __aenter__(self) -> Self:
        """Listen."""
        doors = self._doors
        try:
            if doors.port is not None:
                words = "STARTTLS" if doors.certificate else "clear text"
                self.port = await self._listen(doors.port, words, begins_with_tls=False)
            if doors.tls_port is not None:
                self.tls_port = await self._listen(doors.tls_port, "TLS", begins_with_tls=True)
            if doors.socket is not None:
                self._accept_from(unix_socket(doors.socket), begins_with_tls=False)
                self._socket = doors.socket
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
        while self._listeners:
            listener, task = self._listeners.popitem()
            task.cancel()
            await asyncio.wait({task})
            listener.close()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)
            self._socket = None
        for session in self._sessions.values():
            session.stop()
        if tasks := list(self._sessions):
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                self._sessions[task].abort()
            if late:
                await asyncio.wait(late)

    async def _listen(self, port: int, words: str, *, begins_with_tls: bool) -> int:
        for listener in await ports(self._doors.host, port):
            self._accept_from(listener, begins_with_tls=begins_with_tls)
            port = int(listener.getsockname()[1])
            self.addresses.append(f"{host_and_port(*listener.getsockname()[:2])} ({words})")
        return port

    def _accept_from(self, listener: socket.socket, *, begins_with_tls: bool) -> None:
        work = Supervised("the SMTP server").run(lambda: self._accept(listener, begins_with_tls=begins_with_tls))
        self._listeners[listener] = asyncio.get_running_loop().create_task(work)

    async def _accept(self, listener: socket.socket, *, begins_with_tls: bool) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, address = await loop.sock_accept(listener)
            sock.setblocking(False)
            try:
                uid = peer_uid(sock) if sock.family == socket.AF_UNIX else None
            except OSError:
                sock.close()  # it has left already
                continue
            peer = f"uid {uid}" if uid is not None else plain_address(str(address[0]))
            self._begin(sock, peer, uid=uid, begins_with_tls=begins_with_tls)

    def _begin(self, sock: socket.socket, peer: str, *, uid: int | None, begins_with_tls: bool) -> None:
        key = "" if uid is not None or is_loopback(peer) else guest_of(peer)
        if (key and self._counts[key] >= self._limits.connections_per_address) or not self._has_room():
            if not begins_with_tls:
                last = replies.TOO_MANY_CONNECTIONS
                with suppress(OSError):
                    sock.send(replies.lines_in_bytes(last.code, [f"{last.enhanced} {self._name} {last.text}"]))
            sock.close()
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
        admitted = list[str]()
        session = Session(
            sock,
            protocol,
            self._gate,
            self._limits,
            peer,
            admit=lambda app: self._admit(app, admitted),
            uid=uid,
            context=context,
            begins_with_tls=begins_with_tls,
        )
        task = session.start()
        self._sessions[task] = session
        self._counts[key] += 1
        task.add_done_callback(lambda _: self._forget(task, key, admitted))

    def _has_room(self) -> bool:
        """Whether one more client can be served, if need be in the place of the first that has not said who it is."""
        if len(self._sessions) < self._most:
            return True
        stranger = next((session for session in self._sessions.values() if session.is_idle_stranger), None)
        if stranger is not None:
            stranger.evict()
        return stranger is not None

    def _admit(self, app: str, admitted: list[str]) -> bool:
        if self._of_apps[app] >= self._most_of_app:
            return False
        self._of_apps[app] += 1
        admitted.append(app)
        return True

    def _forget(self, task: asyncio.Task[None], key: str, admitted: list[str]) -> None:
        del self._sessions[task]
        for counts, one in ((self._counts, key), *((self._of_apps, app) for app in admitted)):
            counts[one] -= 1
            if not counts[one]:
                del counts[one]
