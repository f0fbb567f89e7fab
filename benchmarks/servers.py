"""What the clients talk to: smtp-sink, and before it a TLS front or a long way."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

from benchmarks.peers import postfix_tool, postgres_programs, redis_server
from benchmarks.process import PATIENCE_SECONDS, free_port, serving, started, wait_for, wait_until

BACKLOG = 1000
_COUNT = re.compile(rb"mesg=(\d+)\s")
_COUNT_OCTETS = 200
_LOOK_SECONDS = 0.002


def sink_command(port: object, *options: str) -> list[str]:
    """Give the command line of smtp-sink, or of what stands in for it."""
    if postfix_tool("smtp-sink") is None:
        return ["python", "-m", "benchmarks.plain_sink", str(port), *options]
    # As root it wants to become somebody else.
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    return ["smtp-sink", *user, *options, f"127.0.0.1:{port}", str(BACKLOG)]


@contextmanager
def sink() -> Iterator[int]:
    """Run a server that takes all mail and forgets it."""
    port = free_port()
    tool = postfix_tool("smtp-sink")
    path, environment = tool or (sys.executable, {})
    with serving([path, *sink_command(port)[1:]], port, environment):
        yield port


class CountingSink(NamedTuple):
    """A sink that writes down how many messages it has taken."""

    port: int
    said: Path
    process: subprocess.Popen[bytes]

    def taken(self) -> int:
        """Give how many."""
        with self.said.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _COUNT_OCTETS))
            counts = _COUNT.findall(file.read())
        return int(counts[-1]) if counts else 0

    def wait(self, count: int, *processes: subprocess.Popen[bytes]) -> None:
        """Wait for the message of this number, as long as these processes live."""
        wait_until(self.taken, count, *processes)


@contextmanager
def counting_sink(folder: Path, port: int | None = None) -> Iterator[CountingSink]:
    """Run a sink that counts, on a port if one is given."""
    port = port or free_port()
    said = folder / "sink.out"
    tool = postfix_tool("smtp-sink")
    path, environment = tool or (sys.executable, {})
    command = [path, *sink_command(port, "-c")[1:]]
    with started(command, environment, said=said) as process:
        wait_for(process, port)
        yield CountingSink(port, said, process)


@contextmanager
def counting_plain_sink(folder: Path) -> Iterator[CountingSink]:
    """Run the sink that takes logins too, and counts."""
    port = free_port()
    said = folder / "sink.out"
    with started([sys.executable, "-m", "benchmarks.plain_sink", str(port), "-c"], said=said) as process:
        wait_for(process, port)
        yield CountingSink(port, said, process)


@contextmanager
def redis(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run a Redis that has each write on the disk before it answers."""
    port = free_port()
    options = f"--port {port} --bind 127.0.0.1 --appendonly yes --appendfsync always --dir {folder}"
    with started([str(redis_server()), *options.split(), "--save", ""]) as process:
        wait_for(process, port)
        yield port, process


class Postgres(NamedTuple):
    """A PostgreSQL of the run."""

    port: int
    process: subprocess.Popen[bytes]

    def fresh(self, name: str, template: str = "template1") -> str:
        """Make a database, and give its URL."""
        import psycopg

        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url(name)

    def drop(self, name: str) -> None:
        """Drop it, whoever still uses it."""
        import psycopg

        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def ask(self, name: str, question: LiteralString, values: Mapping[str, object] | None = None) -> tuple[Any, ...]:
        """Give the one row that answers."""
        import psycopg

        with psycopg.connect(self._url(name)) as connection:
            row = connection.execute(question, values).fetchone()
        assert row is not None
        return row

    def vacuum(self, name: str) -> None:
        """Clear the dead rows of a database away, which it is to do by itself otherwise."""
        import psycopg

        with psycopg.connect(self._url(name), autocommit=True) as connection:
            connection.execute("VACUUM")

    def wait_until_up(self) -> None:
        """Wait until it takes connections, which is a while after it listens."""
        import psycopg

        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            with suppress(psycopg.OperationalError), psycopg.connect(self._url("postgres")):
                return
            time.sleep(_LOOK_SECONDS)
        raise SystemExit("PostgreSQL does not come up")

    def _url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


@contextmanager
def postgres(*settings: str) -> Iterator[Postgres]:
    """Run a PostgreSQL with its own settings, but for these: each commit is on the disk before it is answered."""
    programs = postgres_programs()
    assert programs is not None
    # It takes no orders from root, and its user may not enter folders of root's.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="mailnode-bench"))
    port = free_port()
    try:
        if user:
            shutil.chown(folder, user, user)
        data = str(folder / "data")
        initdb = [str(programs / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"]
        subprocess.run(initdb, user=user, group=user, cwd="/", check=True, stdout=subprocess.DEVNULL)
        options = f"-D {data} -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        options += "".join(f" -c {setting}" for setting in settings)
        with started([str(programs / "postgres"), *options.split()], user=user, errors=folder / "log") as process:
            server = Postgres(port, process)
            wait_for(process, port)
            server.wait_until_up()
            yield server
            process.send_signal(signal.SIGINT)
            process.wait()
    finally:
        shutil.rmtree(folder)


@contextmanager
def far_sink(milliseconds: float) -> Iterator[int]:
    """Run a sink at the end of a long way: so many milliseconds there and back."""
    with ExitStack() as stack:
        behind = stack.enter_context(sink())
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.long_way", str(port), str(behind), str(milliseconds / 2)]
        yield stack.enter_context(serving(command, port))


@contextmanager
def tls_sink(directory: Path) -> Iterator[tuple[int, Path]]:
    """Run a sink behind TLS, and give its port and the certificate of its authority."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    ca, chain = directory / "ca.pem", directory / "server.pem"
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_and_cert_chain_pem.write_to_path(chain)
    with ExitStack() as stack:
        behind = stack.enter_context(sink())
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.tls_front", str(port), str(behind), str(chain)]
        yield stack.enter_context(serving(command, port)), ca
