"""Processes: run to the end with what they took, or kept running while something is measured."""

import json
import math
import os
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.002
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
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
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
    with started(command, environment) as process:
        wait_for(process, port)
        yield port


@contextmanager
def started(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    said: Path | None = None,
    errors: Path | None = None,
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a process running; what it says goes into files, if any. Its input is open until it is to end."""
    with ExitStack() as files:
        output = files.enter_context(said.open("wb")) if said else subprocess.DEVNULL
        with subprocess.Popen(
            command,
            cwd="/" if user else ROOT,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=files.enter_context(errors.open("wb")) if errors else None,
            env={**os.environ, **(environment or {})},
            user=user,
            group=user,
        ) as process:
            try:
                yield process
            finally:
                process.terminate()


def free_port() -> int:
    """Find a port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a process listens."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"does not listen on port {port}: {process.args!r}")


class TooLate(SystemExit):
    """What was waited for has not come."""


def wait_until(counted: Callable[[], int], count: int, *processes: subprocess.Popen[bytes]) -> None:
    """Wait until so many have been counted, as long as these processes live and the count grows."""
    end, last = time.monotonic() + PATIENCE_SECONDS, 0
    while (now := counted()) < count:
        for process in processes:
            if process.poll() is not None:
                raise SystemExit(f"ended with {process.returncode}: {process.args!r}")
        if now > last:
            end, last = time.monotonic() + PATIENCE_SECONDS, now
        if time.monotonic() > end:
            raise TooLate(f"{now} of {count} have come")
        time.sleep(LOOK_SECONDS)


class Answering:
    """A process that answers each line of its input by a line of JSON, and says one by itself when it is ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def hear(self) -> Any:
        """Wait for what it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"ended with {self._process.wait()}: {self._process.args!r}")
        return json.loads(line)

    def ask(self, line: str = "") -> Any:
        """Say a line, and wait for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.hear()


@contextmanager
def answering(
    command: Sequence[str], environment: Mapping[str, str] | None = None, root: Path = ROOT
) -> Iterator[Answering]:
    """Keep such a process running; it ends with its input."""
    with subprocess.Popen(
        command,
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    ) as process:
        yield Answering(process)


def cpu_seconds(*pids: int) -> float:
    """Give the CPU, user and system, of processes and all that descend from them; NaN where there is no /proc."""
    if not Path("/proc/self/stat").exists():
        return math.nan
    ticks: dict[int, int] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may have ended by now
            # After the name: state, parent, ...; the fields 14 to 17 of proc(5) count ended children too.
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            ticks[pid] = sum(map(int, fields[11:15]))
            children[int(fields[1])].append(pid)
    family = [*pids]
    for one in family:
        family += children[one]
    return sum(ticks.get(one, 0) for one in family) / os.sysconf("SC_CLK_TCK")
