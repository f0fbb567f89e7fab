"""What is measured: the work, who does it, and the figures to reach."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.job import Job
from benchmarks.measure import Measure, Taken, senders
from benchmarks.servers import far_sink, sink, tls_sink

MEGABYTE = 1024 * 1024
ATTACHMENT_MEGABYTES = 25
SMALL_MEGABYTES, LARGE_MEGABYTES = 1, 100
FAR_MILLISECONDS = 50.0
FAR_SECONDS = 1.5
ALL = ("mailnode", "Nodemailer", "mailnode on asyncio", "aiosmtplib", "smtplib", "smtp-source")

Prepare = Callable[[Path], AbstractContextManager[Mapping[str, Measure]]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A line of the table.

    `reach` and `least` are how many times better than `beside`; where that is nobody they are bounds of our own value.
    """

    work: str
    unit: str
    pick: Callable[[Taken], float]
    is_cost: bool = False
    beside: str = "Nodemailer"
    reach: float
    least: float


class Row(NamedTuple):
    """Work that several clients do in turn; `prepare` takes a folder for its files and gives the clients."""

    name: str
    prepare: Prepare
    figures: tuple[Figure, ...]


def rate(taken: Taken) -> float:
    """Give messages a second."""
    return taken.rate


def cpu_microseconds(taken: Taken) -> float:
    """Give the CPU that a message takes."""
    return taken.cpu * 1e6


def _plain(sessions: int) -> Prepare:
    @contextmanager
    def prepare(_folder: Path) -> Iterator[Mapping[str, Measure]]:
        with sink() as port:
            yield senders(Job(port=port, sessions=sessions), *ALL)

    return prepare


@contextmanager
def _tls(folder: Path) -> Iterator[Mapping[str, Measure]]:
    with tls_sink(folder) as (port, ca):
        yield senders(Job(port=port, sessions=10, ca=str(ca)), *ALL[:-1])


@contextmanager
def _far(_folder: Path) -> Iterator[Mapping[str, Measure]]:
    with far_sink(FAR_MILLISECONDS) as port:
        yield senders(Job(port=port, seconds=FAR_SECONDS), *ALL)


def _sending(name: str, work: str, prepare: Prepare, mails: tuple[float, float], cpu: tuple[float, float]) -> Row:
    return Row(
        name,
        prepare,
        (
            Figure(work=work, unit="mails/s", pick=rate, reach=mails[0], least=mails[1]),
            Figure(work=work, unit="us CPU", pick=cpu_microseconds, is_cost=True, reach=cpu[0], least=cpu[1]),
        ),
    )


ROWS = (
    _sending("one-session", "1 session", _plain(1), (6, 4), (5, 4)),
    _sending("ten-sessions", "10 sessions", _plain(10), (5, 3.5), (5, 4)),
)
