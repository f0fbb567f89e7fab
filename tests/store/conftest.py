"""Both databases: what holds for one holds for the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailnode.store.database import Database


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
