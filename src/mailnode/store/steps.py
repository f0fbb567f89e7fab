"""Works that ask the database in steps, so that what several of them ask at a time goes to it in one trip.

Such a work is a generator: it yields what it asks, and gets the answers. What it does by itself between two steps is
done at once.
"""

from collections.abc import Generator, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection

from mailnode.store.asking import Ask, ask_all

T = TypeVar("T")
Steps = Generator[Sequence[Ask[Any]], list[Any], T]


def take_steps(db: Connection, steps: Steps[T]) -> T:
    """Ask all that a work asks, and give what it comes to."""
    try:
        asked = next(steps)
        while True:
            asked = steps.send(ask_all(db, asked))
    except StopIteration as end:
        came_to: T = end.value
        return came_to


def beside(*works: Steps[Any]) -> Steps[list[Any]]:
    """Have works take each of their steps at the same time, in their order, and give what they come to."""
    came_to: dict[int, Any] = {}
    answers: dict[int, Any] = dict.fromkeys(range(len(works)))
    while answers:
        asked: dict[int, Sequence[Ask[Any]]] = {}
        for number, its in answers.items():
            try:
                asked[number] = works[number].send(its)
            except StopIteration as end:
                came_to[number] = end.value
        given = iter((yield [one for its in asked.values() for one in its]) if asked else ())
        answers = {number: [*islice(given, len(its))] for number, its in asked.items()}
    return [came_to[number] for number in range(len(works))]
