"""Ids of what is stored by the thousand."""

import re
import time

import pytest

from mailnode.new_ids import new_id, new_ids


def test_each_is_another_one() -> None:
    made = new_ids(1000) + [new_id() for _ in range(1000)]
    assert len({*made}) == 2000
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in made)


def test_those_that_are_made_together_stand_side_by_side_in_an_index() -> None:
    earlier, together, later = [new_id() for _ in range(5000)], new_ids(100), [new_id() for _ in range(5000)]
    in_order = sorted([*earlier, *together, *later])
    places = [in_order.index(one) for one in together]
    # Whoever else makes ids within the same 16 ms may stand between them.
    beside = [one for one in earlier + later if one[:3] == together[0][:3]]
    assert max(places) - min(places) < len(together) + len(beside)


def test_those_of_a_longer_time_are_spread_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for tick in range(16**3):
        monkeypatch.setattr(time, "time_ns", lambda at=tick * 16_000_000: at)
        made.append(new_id())
    assert len({one[:3] for one in made}) == 16**3
    assert {sum(one[0] == f"{digit:x}" for one in made) for digit in range(16)} == {16**2}
