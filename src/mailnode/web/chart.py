"""The deliveries' counts over time as shapes: bars for what ended, a line for what waited."""

from collections.abc import Iterator
from typing import NamedTuple

from mailnode.web.api.deliveries import History, HistoryBucket

WIDTH = 720
HEIGHT = 150
_GAP = 0.2
_STEPS = (1, 2, 5)


class Bar(NamedTuple):
    """A rectangle of the drawing, and of which kind it is."""

    kind: str
    x: float
    y: float
    width: float
    height: float


class Chart(NamedTuple):
    """A drawing of WIDTH by HEIGHT, with its scale, and its numbers for who doesn't see it."""

    top: int
    bars: list[Bar]
    line: str
    history: History
    rows: list[HistoryBucket]

    @property
    def accepted(self) -> int:
        """How many were accepted in all that time."""
        return sum(bucket.accepted for bucket in self.history.buckets)

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(bucket.failed for bucket in self.history.buckets)

    @property
    def in_doubt(self) -> int:
        """Of how many the answer never came."""
        return sum(bucket.in_doubt for bucket in self.history.buckets)

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return self.history.buckets[-1].waiting


def draw(history: History) -> Chart:
    """Draw it; `rows` are the buckets in which anything was."""
    buckets = history.buckets
    top = _round_up(max(max(one.accepted + one.in_doubt + one.failed, one.waiting) for one in buckets))
    step = WIDTH / len(buckets)
    bars = [bar for place, one in enumerate(buckets) for bar in _bars(one, place * step, step, HEIGHT / top)]
    points = [
        point
        for place, one in enumerate(buckets)
        for point in (_point(place * step, one.waiting, top), _point((place + 1) * step, one.waiting, top))
    ]
    rows = [one for one in buckets if one.accepted or one.failed or one.in_doubt or one.waiting]
    return Chart(top, bars, " ".join(points), history, rows[::-1])


def _bars(bucket: HistoryBucket, x: float, step: float, unit: float) -> Iterator[Bar]:
    y = float(HEIGHT)
    for kind, count in (("accepted", bucket.accepted), ("in-doubt", bucket.in_doubt), ("failed", bucket.failed)):
        if count:
            height = count * unit
            y -= height
            yield Bar(kind, round(x + step * _GAP / 2, 2), round(y, 2), round(step * (1 - _GAP), 2), round(height, 2))


def _point(x: float, count: int, top: int) -> str:
    return f"{x:.1f},{HEIGHT - count / top * HEIGHT:.1f}"


def _round_up(count: int) -> int:
    """Give the next number that is easily read: 1, 2, 5, 10, 20, ..."""
    scale = 1
    while True:
        for step in _STEPS:
            if count <= step * scale:
                return step * scale
        scale *= 10
