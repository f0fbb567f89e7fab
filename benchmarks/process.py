"""Processes: run to the end with what they took, or kept running while something is measured."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 60.0
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Ended(NamedTuple):
    """A process that has ended well: its output, seconds by the clock, seconds of CPU, most octets of memory."""

    output: str
    wall: float
    cpu: float
    peak: int


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Ended:
    """Run a process to its end; one that fails ends the benchmark with its words."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{Path(command[0]).name} ended with {process.returncode}: {' '.join(command)}\n{output}")
    return Ended(output, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * MAXRSS_UNIT)


@contextmanager
def serving(command: Sequence[str], port: int, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """Keep a server running, which listens on this port of loopback, and give the port."""
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
    ) as process:
        try:
            _wait_for(process, port)
            yield port
        finally:
            process.terminate()


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Keep a process running that listens nowhere; what it says is nobody's."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    ) as process:
        try:
            yield
        finally:
            process.terminate()


def free_port() -> int:
    """Find a port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"does not listen on port {port}: {process.args!r}")
