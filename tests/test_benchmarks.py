"""What `make bench BASE=commit` makes of figures."""

import pytest

from benchmarks.compare import Compared, Figures, compared
from benchmarks.figures import BY_NAME

RATE, COST = "queue, mails/s", "queue, us CPU a mail"


def turn(base: float, here: float, again: float) -> list[Figures]:
    return [{RATE: (1000 * times, False), COST: (100 / times, True)} for times in (base, here, again)]


@pytest.mark.parametrize("figure", [RATE, COST])
@pytest.mark.parametrize(
    ("here", "again", "is_worse"),
    [
        (1.0, 1.0, False),
        (1.5, 1.0, False),
        (0.98, 1.0, False),
        (0.96, 1.0, True),
        (0.9, 1.12, False),  # the commit is that far from itself
        (0.9, 1 / 1.12, False),
        (0.8, 1.12, True),
    ],
)
def test_worse_is_what_falls_by_more_than_noise_explains(
    figure: str, here: float, again: float, *, is_worse: bool
) -> None:
    # A slow minute is everybody's.
    told = compared(figure, [turn(load, load * here, load * again) for load in (1, 0.5, 0.8)])
    assert told.ratio == pytest.approx(here)
    assert told.is_worse is is_worse


def test_one_bad_turn_out_of_many_changes_nothing() -> None:
    assert compared(RATE, [*[turn(1, 1, 1)] * 9, turn(1, 0.1, 3)]) == Compared(RATE, 1000, 1000, 1, 0)


def test_figures_of_one_name_are_of_the_same_work() -> None:
    told = {
        (figure.name, row.name, figure.of + figure.ours, figure.pick, figure.is_cost)
        for row in BY_NAME.values()
        for figure in row.figures
    }
    assert len(told) == len({name for name, *_ in told})
