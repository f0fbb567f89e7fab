"""Processes of Python that begin at once: each is forked from one that has loaded mailnode and what it uses.

To load them takes ten times as long as most commands take, and the suite starts a thousand. What a Python that was just
started loads, and whether each command can be loaded alone, is seen by `tests/cli/test_imports.py`.
"""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO

from support import fork_server
from support.fork_server import NUMBER

PIPE = asyncio.subprocess.PIPE
DEVNULL = asyncio.subprocess.DEVNULL

Stream = int | IO[bytes] | None


class Process:
    """A process, in the manner of `asyncio.subprocess.Process`."""

    def __init__(self, pid: int, told: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._loop.add_reader(told, self._end)

    def _end(self) -> None:
        self._loop.remove_reader(self._told)
        status = os.read(self._told, NUMBER.size)
        os.close(self._told)
        if status:
            (self.returncode,) = NUMBER.unpack(status)
        if self.stdin:
            self.stdin.close()
        self._ended.set()

    async def wait(self) -> int:
        """Wait until it ends, and give its status: minus the signal that ended it."""
        await self._ended.wait()
        assert self.returncode is not None, "the process that forks has died"
        return self.returncode

    async def communicate(self, said: bytes = b"") -> tuple[bytes, bytes]:
        """Say this, hear all, and wait until it ends."""
        stdout, stderr, _ = await asyncio.gather(_all_of(self.stdout), _all_of(self.stderr), self._tell(said))
        await self.wait()
        return stdout, stderr

    async def _tell(self, said: bytes) -> None:
        if self.stdin:
            try:
                self.stdin.write(said)
                await self.stdin.drain()
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has heard enough
            self.stdin.close()

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def python(
    *arguments: str | os.PathLike[str],
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    env: Mapping[str, str] | None = None,
) -> Process:
    """Start `python ARGUMENTS`, as `asyncio.create_subprocess_exec` does."""
    asked = json.dumps(
        {
            "arguments": [os.fspath(argument) for argument in arguments],
            "cwd": str(Path.cwd()),
            "env": dict(os.environ if env is None else env),
        }
    ).encode()
    ours: list[tuple[str, int]] = []
    theirs: list[int] = []
    opened: list[int] = []
    for number, (name, stream) in enumerate((("stdin", stdin), ("stdout", stdout), ("stderr", stderr))):
        if stream == PIPE:
            reads, writes = os.pipe()
            ours.append((name, reads if number else writes))
            opened.append(writes if number else reads)
        elif stream == DEVNULL:
            opened.append(os.open(os.devnull, os.O_RDWR))
        theirs.append(opened[-1] if stream in {PIPE, DEVNULL} else _file(number, stream))
    told, tells = os.pipe()
    try:
        await asyncio.to_thread(_ask, asked, [*theirs, tells])
    finally:
        for file in (*opened, tells):
            os.close(file)
    head = await asyncio.to_thread(os.read, told, NUMBER.size)
    assert head, "the process that forks has died"
    (pid,) = NUMBER.unpack(head)
    process = Process(pid, told)
    for name, file in ours:
        setattr(process, name, await (_writer(file) if name == "stdin" else _reader(file)))
    return process


def _file(number: int, stream: Stream) -> int:
    if stream is None:
        return number
    return stream if isinstance(stream, int) else stream.fileno()


_ONE_AT_A_TIME = threading.Lock()


def _ask(asked: bytes, files: list[int]) -> None:
    with _ONE_AT_A_TIME:
        server, _ = _server()
        socket.send_fds(server, [NUMBER.pack(len(asked))], files)
        server.sendall(asked)


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start what forks, once for all tests of this process; it ends when nobody holds the socket any more."""
    here, there = socket.socketpair()
    with there:
        command = (sys.executable, fork_server.__file__, str(there.fileno()))
        server = subprocess.Popen(command, pass_fds=[there.fileno()])
    atexit.register(_stop, here, server)
    return here, server


def _stop(here: socket.socket, server: subprocess.Popen[bytes]) -> None:
    here.close()
    server.wait(60)


async def _reader(file: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    pipe = os.fdopen(file, "rb", 0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _writer(file: int) -> asyncio.StreamWriter:
    loop, pipe = asyncio.get_running_loop(), os.fdopen(file, "wb", 0)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), pipe
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def _all_of(reader: asyncio.StreamReader | None) -> bytes:
    return b"" if reader is None else await reader.read()
