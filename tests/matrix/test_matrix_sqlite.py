"""The matrix, on SQLite: each case a real run; `make matrix CASE=ID` plays one again."""

import pytest

from matrix.dimensions import Case
from matrix.playing import Played, judge, played
from matrix.selection import selected
from matrix.world import World

CASES = selected("sqlite")


@pytest.fixture(scope="module")
def all_played(world: World, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return played(CASES, world, tmp_path_factory.mktemp("matrix"), lambda: "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, all_played: Played) -> None:
    judge(case, all_played)
