"""Both databases: what holds for one holds for the other."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from mailnode.store import backend, sqlite
from mailnode.store.database import Database


@pytest.fixture(autouse=True)
def _migrated_by_alembic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each file made as the product makes it."""
    monkeypatch.setattr(sqlite, "migrate", backend.migrate)


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Say where a database is that has been opened before."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return tmp_path / "home" / "mailnode.db"


@pytest.fixture
def database(where: Path | str) -> Iterator[Database]:
    database = Database.open(where)
    yield database
    database.close()


@pytest.fixture
def no_room() -> Callable[[], AbstractContextManager[None]]:
    """Give what lets this process write to no file beyond its first bytes, as on a disk whose quota is used up."""

    @contextmanager
    def limited() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
