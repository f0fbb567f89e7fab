"""What is told of a row: its figures, and which way of each is better."""

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Measure, Taken

Prepare = Callable[[Path], AbstractContextManager[Mapping[str, Measure]]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A line of the table.

    `reach` and `least` are how many times better than `beside`; where that is nobody they are bounds of our own value.
    A cost is the better the smaller it is. `ours` is the client of ours whose figure it is. The names of the clients
    that it is about begin with `of`, which the names here leave out. What is not `in_table` is for comparisons alone.
    """

    work: str
    unit: str
    pick: Callable[[Taken], float]
    is_cost: bool = False
    beside: str = "Nodemailer"
    ours: str = "mailnode"
    of: str = ""
    in_table: bool = True
    reach: float | None = None
    least: float | None = None

    @property
    def name(self) -> str:
        """What it is called, also by another commit."""
        return f"{self.work}, {self.unit}"


class Row(NamedTuple):
    """Work that several clients do in turn; `prepare` takes a folder for its files and gives the clients.

    What takes long has fewer rounds than are asked for. Only what `compares` has ratios that mean something beside
    another commit.
    """

    name: str
    prepare: Prepare
    figures: tuple[Figure, ...]
    most_rounds: int = sys.maxsize
    compares: bool = True


def mails(taken: Taken) -> float:
    """Mails a second, or whatever else a client does."""
    return taken.rate


def cpu(taken: Taken) -> float:
    """Microseconds of CPU a mail."""
    return taken.cpu * 1e6


def each(taken: Taken) -> float:
    """Microseconds by the clock a mail."""
    return 1e6 / taken.rate


def wall(taken: Taken) -> float:
    """Seconds of the process."""
    return taken.wall
