"""`serve` and a worker with homes of their own on one database, and what can be done to them from outside."""

import asyncio
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from support.daemon import free_ports

# As tests/support/command_with_short_timeouts.py, but for the file of that, which a full disk would not take.
_TESTS = Path(__file__).parents[1]
_HASTY = f"""
import sys
sys.path.insert(0, {str(_TESTS)!r})
from support.command_with_short_timeouts import be_hasty
be_hasty()
from mailnode.cli.main import main
main()
"""
IMPATIENT = ("-c", _HASTY)
START_SECONDS = 60.0
STOP_SECONDS = 120.0


@dataclass
class Member:
    """One of the processes: its name, what it is started with, and what it has said."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    said: list[bytes] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None
    _hearing: asyncio.Task[None] | None = None
    _begun: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Start it, until it is at work: what can't be loaded without descriptors is not what is tested."""
        self._begun.clear()
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, *IMPATIENT, *self.arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,  # a pipe: a file would be limited as the database is
            env={**os.environ, **self.environment},
        )
        self._hearing = asyncio.create_task(self._hear(self.process))
        begun = asyncio.create_task(self._begun.wait())
        await asyncio.wait({begun, self._hearing}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        assert self._begun.is_set(), f"{self.name} did not begin: {b''.join(self.said).decode()}"

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        async for line in process.stdout:
            self.said.append(time.strftime("%H:%M:%S ").encode() + line)
            if b"Press Ctrl-C to stop" in line:
                self._begun.set()

    async def stop(self) -> int:
        """End it as an operator does, and give its status."""
        assert self.process
        assert self._hearing
        assert self.is_up, f"{self.name} has ended with {self.process.returncode}: {b''.join(self.said).decode()}"
        self.process.terminate()
        status = await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        await self._hearing
        return status

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    async def kill(self) -> None:
        assert self.process
        assert self._hearing
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._hearing

    def limit(self, kind: int, most: int | None) -> None:
        """Give it this limit, or none that it has not had; what lives no more has none."""
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(self.pid, kind)
            resource.prlimit(self.pid, kind, (hard if most is None else most, hard))

    def highest_descriptor(self) -> int:
        return max(int(one) for one in os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 -- only the names

    def has_port(self, port: int) -> bool:
        """Whether a TCP port of this machine is a connection's end of this process."""
        inode = _inode_of(port)
        with suppress(OSError):
            for one in Path(f"/proc/{self.pid}/fd").iterdir():
                with suppress(OSError):
                    if str(one.readlink()) == f"socket:[{inode}]":
                        return True
        return False


def _inode_of(port: int) -> str:
    mark = f":{port:04X}"
    with Path("/proc/net/tcp").open() as table:
        for line in table:
            fields = line.split()
            if fields[1].endswith(mark):
                return fields[9]
    return ""


class Fleet:
    """The two processes, and the editor's address."""

    def __init__(self, folder: Path) -> None:
        port, inbox_port = free_ports(2)
        self.port = port
        serving = ("serve", "--port", str(port), "--inbox-port", str(inbox_port))
        self.serve = Member("serve", serving, {"MAILNODE_HOME": str(folder / "serve"), "MAILNODE_TOKEN": "t" * 32})
        self.worker = Member("worker", ("worker",), {"MAILNODE_HOME": str(folder / "worker")})

    @property
    def members(self) -> tuple[Member, Member]:
        return self.serve, self.worker

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        try:
            for one in self.members:
                await one.start()
            await self.ready()
            yield
        finally:
            for one in self.members:
                if one.is_up:
                    await one.kill()

    async def ready(self) -> None:
        """Wait until the editor says that all is well."""
        deadline = time.monotonic() + START_SECONDS
        async with self.client() as client:
            while True:
                with suppress(httpx2.TransportError):
                    if (await client.get("/health")).status_code == 200:
                        return
                assert self.serve.is_up, b"".join(self.serve.said).decode()
                assert time.monotonic() < deadline, b"".join(self.serve.said).decode()
                await asyncio.sleep(0.1)

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=60, trust_env=False)

    def who(self, port: int) -> str:
        """Tell whether a visitor is the editor's process."""
        return self.serve.name if self.serve.is_up and self.serve.has_port(port) else ""

    @asynccontextmanager
    async def idlers(self, count: int) -> AsyncIterator[None]:
        """Hold connections to the editor that say nothing."""
        held = []
        try:
            for _ in range(count):
                idler = socket.socket()
                idler.setblocking(False)
                held.append(idler)
                with suppress(BlockingIOError):
                    idler.connect(("127.0.0.1", self.port))
            yield
        finally:
            for idler in held:
                idler.close()
