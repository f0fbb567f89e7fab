"""The cover is one: counted without the library that made it."""

from matrix.cover import SEED, cover, met, possible
from matrix.dimensions import DIMENSIONS, Case, why_not

MOST = 90


def test_whatever_pair_can_meet_meets_in_some_case():
    assert possible() - met(cover()) == set()


def test_no_case_is_an_impossible_one():
    assert {case.id: why_not(case._asdict()) for case in cover()} == dict.fromkeys((c.id for c in cover()), "")


def test_every_value_of_every_dimension_is_in_some_case():
    for name, values in DIMENSIONS.items():
        assert {case._asdict()[name] for case in cover()} == set(values)


def test_cases_are_few_and_each_is_another_one():
    assert len({case.id for case in cover()}) == len(cover()) <= MOST


def test_an_id_says_the_whole_case():
    assert [Case.of(case.id) for case in cover()] == list(cover())


def test_the_same_seed_gives_the_same_cover_and_another_one_another():
    cover.cache_clear()
    first = cover()
    cover.cache_clear()
    assert cover() == first
    assert cover(SEED + 1) != first
    assert possible() - met(cover(SEED + 1)) == set()
