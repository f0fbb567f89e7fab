"""The matrix, on PostgreSQL: each case a real run; `make matrix CASE=ID` plays one again."""

from collections.abc import Iterator

import pytest

from matrix.dimensions import Case
from matrix.playing import Played, judge, played
from matrix.selection import selected
from matrix.world import World
from support.postgres import Postgres

CASES = selected("postgres")


@pytest.fixture(scope="module")
def all_played(world: World, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    urls: list[str] = []

    def fresh() -> str:
        urls.append(postgres.fresh())
        return urls[-1]

    yield played(CASES, world, tmp_path_factory.mktemp("matrix"), fresh)
    for url in urls:
        postgres.drop(url)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, all_played: Played) -> None:
    judge(case, all_played)
