"""Covers: so few cases that each pair (or each three) of values that can meet does meet in one of them."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, product

from allpairspy import AllPairs

from matrix.dimensions import DIMENSIONS, Case, why_not

# Another one gives another cover, as good as this one.
SEED = 16

# Values that are to meet, as (dimension, value).
Meeting = frozenset[tuple[str, str]]


@cache
def cover(seed: int = SEED, n: int = 2) -> tuple[Case, ...]:
    """Give a cover, the same one for the same seed.

    allpairspy knows no more of constraints than that a row is not wanted, and leaves a few out; those are added here.
    """
    chance = random.Random(seed)
    names = list(DIMENSIONS)
    shuffled = [chance.sample(DIMENSIONS[name], len(DIMENSIONS[name])) for name in names]

    def is_possible(row: Sequence[str]) -> bool:
        return not why_not(dict(zip(names, row, strict=False)))

    cases = [Case(*row) for row in AllPairs(shuffled, filter_func=is_possible, n=n)]
    missing = sorted(possible(n) - met(cases, n), key=sorted)
    while missing:
        case = _with(missing, chance)
        cases.append(case)
        there = met([case], n)
        missing = [meeting for meeting in missing if meeting not in there]
    return tuple(_balanced(cases, n))


def _balanced(cases: Sequence[Case], n: int) -> list[Case]:
    """Put rarer values where others stand that no meeting needs: as many meet by two, and more by three."""
    balanced = list(cases)
    how_often = Counter(meeting for case in cases for meeting in met([case], n))
    values = Counter(one for case in cases for one in case._asdict().items())
    for position in range(len(balanced)):
        for name in reversed(list(DIMENSIONS)):
            before, old = balanced[position], balanced[position]._asdict()[name]
            lost = _met_by(before, name, n)
            if any(how_often[meeting] == 1 for meeting in lost):
                continue
            rarer = [value for value in DIMENSIONS[name] if values[name, value] + 1 < values[name, old]]
            for value in sorted(rarer, key=lambda one: values[name, one]):
                after = before._replace(**{name: value})
                if not why_not(after._asdict()):
                    how_often.subtract(lost)
                    how_often.update(_met_by(after, name, n))
                    values.update({(name, value): 1, (name, old): -1})
                    balanced[position] = after
                    break
    return balanced


def _met_by(case: Case, name: str, n: int) -> list[Meeting]:
    """Give what meets with the value of this dimension."""
    values = case._asdict()
    mine = (name, values.pop(name))
    return [frozenset((mine, *others)) for others in combinations(values.items(), n - 1)]


def met(cases: Iterable[Case], n: int = 2) -> set[Meeting]:
    """Give what meets in these cases."""
    return {frozenset(chosen) for case in cases for chosen in combinations(case._asdict().items(), n)}


def possible(n: int = 2) -> set[Meeting]:
    """Give what can meet: there is a whole case with it, tried dimension by dimension."""
    values = (product([name], DIMENSIONS[name]) for name in DIMENSIONS)
    return {
        frozenset(chosen)
        for several in combinations([tuple(one) for one in values], n)
        for chosen in product(*several)
        if next(_completed(dict(chosen)), None)
    }


def _completed(chosen: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Give whole cases that hold what is chosen."""
    if why_not(chosen):
        return
    left = [name for name in DIMENSIONS if name not in chosen]
    if not left:
        yield chosen
        return
    for value in DIMENSIONS[left[0]]:
        yield from _completed({**chosen, left[0]: value})


def _with(missing: Sequence[Meeting], chance: random.Random) -> Case:
    """Make a case in which the first of the missing meet, and as many of the others as fit beside them."""
    chosen: dict[str, str] = {}
    for meeting in missing:
        together = {**chosen, **dict(meeting)}
        if all(together[name] == value for name, value in chosen.items()) and next(_completed(together), None):
            chosen = together
    rest = {name: chance.sample(DIMENSIONS[name], len(DIMENSIONS[name])) for name in DIMENSIONS if name not in chosen}
    for name, values in rest.items():
        chosen[name] = next(value for value in values if next(_completed({**chosen, name: value}), None))
    return Case(**chosen)
