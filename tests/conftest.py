import asyncio
import base64
import gc
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from mailnode.inbox.server import Inbox
from support.patient_loop import PatientLoop
from support.postfix import Postfix, running_postfix
from support.postgres import Postgres, running_postgres
from support.schema import know_by_heart

# How long an example takes is the machine's affair. The suite tries the same examples each time, so that a change is
# judged by what it changed; HYPOTHESIS_PROFILE=search tries others, and more, as `make fuzz` does.
settings.register_profile("mailnode", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "mailnode"))
know_by_heart()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home of its own, and nothing of what the environment says about mailnode."""
    for name in [name for name in os.environ if name.startswith("MAILNODE_") and name != "MAILNODE_TEST_REQUIRE"]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("MAILNODE_HOME", str(folder))
    return folder


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[Inbox]:
    """Run a server that keeps what it is sent."""
    async with Inbox(tmp_path / "inbox") as running:
        yield running


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Give a port of 127.0.0.1 that nobody listens on, and that nobody else is given meanwhile."""
    with socket.socket() as held:
        # A server of the test's own may still come to it.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """Run Debian's Postfix, once for all tests that ask for it."""
    with running_postfix() as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL server, once for all tests that ask for it."""
    with running_postgres() as running:
        yield running


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """Give the URL of a database of the test's own, which has the schema."""
    url = postgres.fresh()
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, home: Path) -> str:
    """Have a test run on both databases; the home comes first, because it clears the environment."""
    kind: str = request.param
    if kind == "postgres":
        monkeypatch.setenv("MAILNODE_DATABASE_URL", request.getfixturevalue("postgres_url"))
        monkeypatch.setenv("MAILNODE_SECRET_KEY", base64.b64encode(bytes(32)).decode())
    return kind


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Let no deadline of a fraction of a second pass because the machine is slow."""
    return {"patient": PatientLoop}


def pytest_xdist_auto_num_workers() -> int:
    """Run one test more than there are cores: many of them wait."""
    return (os.cpu_count() or 1) + 1


# What takes longest begins first (and no file is put last for having few tests), so that all processes end together.
_LONGEST = (
    *("integration", "test_editor", "test_injection", "test_worker", "test_matrix_sqlite", "test_matrix_postgres"),
    *("test_rich_text", "test_snapshot", "test_load", "test_access", "test_killed", "test_deliveries", "test_services"),
    *("test_authorize", "test_journey", "test_sending", "test_limits", "test_faults", "test_growth"),
    *("test_postgres", "test_appearance", "test_bytes", "test_safe_html", "test_html", "test_inline_documents"),
    *("test_connections_page", "test_schema", "test_stopped", "test_procrastinate", "test_secrets", "test_many"),
)


def pytest_collection_finish() -> None:
    """Leave nine thousand tests, and what they are made of, out of every later look for garbage."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; a file's tests run in one process (`--dist loadfile`), for they share servers."""
    ranks = {}
    for item in items:
        name = "integration" if "integration" in item.path.parts else item.path.stem
        ranks[item] = _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)
    items.sort(key=ranks.__getitem__)
