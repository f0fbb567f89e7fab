"""What the mail servers of the tests have in common: a folder, ports, a process that runs and ends."""

import asyncio
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

DEADLINE = 60.0
_PORTS = range(10_000, 32_768)


@contextmanager
def open_folder(name: str) -> Iterator[Path]:
    """Give a folder that others can reach: such daemons drop root, and pytest's folders are for root alone."""
    root = Path(tempfile.mkdtemp(prefix=f"mailnode-{name}-"))
    try:
        root.chmod(0o755)
        yield root
    finally:
        shutil.rmtree(root)


def run(*command: str, said: str = "") -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, input=said, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"


@contextmanager
def running(*command: str, port: int, said: Path, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a daemon that stays in the foreground until its port answers, and then end it; it logs to `said`."""
    with said.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        wait_for_port(port, lambda: said.read_text(errors="replace"), is_alive=lambda: process.poll() is None)
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE)


def free_ports(count: int) -> list[int]:
    """Give ports of 127.0.0.1 that nobody listens on, below those that clients are given as their own end."""
    tried = iter(random.SystemRandom().sample(_PORTS, len(_PORTS)))
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            port = next(tried)
            with suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
        return found


def wait_for_port(port: int, log: Callable[[], str], *, is_alive: Callable[[], bool] = lambda: True) -> None:
    """Wait until somebody listens; fail with the log when nobody does."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
        except ConnectionRefusedError:
            assert is_alive(), log()
            assert time.monotonic() < deadline, log()
            time.sleep(0.02)
        else:
            return


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so that nobody tells us of, like what a file holds."""
    async with asyncio.timeout(DEADLINE):
        while not is_so():  # noqa: ASYNC110 -- nobody tells us
            await asyncio.sleep(0.02)


async def until_settled(received: Callable[[], Counter[str] | None], count: int) -> Counter[str]:
    """Wait until a log has no mail half told (None) and `count` recipients at least, and give them."""
    found = received()
    try:
        async with asyncio.timeout(DEADLINE):
            while found is None or found.total() < count:
                await asyncio.sleep(0.05)
                found = received()
    except TimeoutError:
        assert found is not None, "the log still tells of mails that are under way"
    return found
