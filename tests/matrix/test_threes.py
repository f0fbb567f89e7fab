"""Each three values that can meet, on each database: what `make soak` has the time for."""

import pytest

from matrix.cover import cover, met, possible
from matrix.playing import judge, played
from matrix.world import World

pytestmark = pytest.mark.soak


def test_whatever_three_can_meet_meet_in_some_case() -> None:
    assert possible(3) - met(cover(n=3), 3) == set()


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_every_case(
    database: str, world: World, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    cases = [case for case in cover(n=3) if case.database == database]
    fresh = request.getfixturevalue("postgres").fresh if database == "postgres" else str
    all_played = played(cases, world, tmp_path_factory.mktemp("threes"), fresh)
    failed = []
    for case in cases:
        try:
            judge(case, all_played)
        except Exception as error:  # noqa: BLE001 -- all are told
            failed.append(error)
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(cases)} cases", failed)
