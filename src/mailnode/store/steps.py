"""Works that ask the database in steps, so that what several of them ask at a time goes to it in one trip.

Such a work is a generator: it yields what it asks, and gets the answers. What it does by itself between two steps is
done at once. An error of what it asks ends it: it can't be caught there, as it undoes what the others asked too.

Two works that run beside each other read what both find before either has written: what is read in one step and
written after it must be one work's alone.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection

from mailnode.store.asking import Ask, ask_all

T = TypeVar("T")
InSteps = Generator[Sequence[Ask[Any]], list[Any], T]


def ask_in_steps(db: Connection, work: InSteps[T]) -> T:
    """Ask all that a work asks, and give what it comes to."""
    with closing(work):
        try:
            asked = next(work)
            while True:
                asked = work.send(ask_all(db, asked))
        except StopIteration as end:
            came_to: T = end.value
            return came_to


def side_by_side(*works: InSteps[Any]) -> InSteps[list[Any]]:
    """Have works take each of their steps at the same time, in their order, and give what they come to."""
    came_to: dict[int, Any] = {}
    answers: dict[int, Any] = dict.fromkeys(range(len(works)))
    try:
        while answers:
            asked: dict[int, Sequence[Ask[Any]]] = {}
            for number, its in answers.items():
                try:
                    asked[number] = works[number].send(its)
                except StopIteration as end:
                    came_to[number] = end.value
            given = iter((yield [one for its in asked.values() for one in its]) if asked else ())
            answers = {number: [*islice(given, len(its))] for number, its in asked.items()}
    finally:
        for work in works:
            work.close()
    return [came_to[number] for number in range(len(works))]
