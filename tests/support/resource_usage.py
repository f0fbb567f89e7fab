"""What processes and a database take of the machine, sample by sample."""

import asyncio
import csv
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sqlalchemy import func, select, text

from mailnode.store.database import Database
from mailnode.store.tables import deliveries, delivery_content

Figures = Mapping[str, float]
Gauge = Callable[[], Awaitable[Figures]]
MEGABYTE = 2**20


@dataclass(frozen=True)
class Sample:
    """One figure of one thing at one time: seconds since the beginning."""

    seconds: float
    name: str
    figure: str
    value: float


class Meter:
    """Reads gauges, by their names, until it is cancelled, and keeps the samples as CSV too."""

    def __init__(self, gauges: Mapping[str, Gauge], file: Path, *, every: float) -> None:
        self.samples: list[Sample] = []
        self._gauges, self._file, self._every = gauges, file, every

    async def run(self) -> None:
        """Sample until cancelled."""
        begun = time.monotonic()
        with self._file.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(Sample.__dataclass_fields__)
            while True:
                seconds = round(time.monotonic() - begun, 1)
                for name, gauge in self._gauges.items():
                    taken = [Sample(seconds, name, figure, value) for figure, value in (await gauge()).items()]
                    self.samples += taken
                    rows.writerows(vars(sample).values() for sample in taken)
                file.flush()
                await asyncio.sleep(self._every)

    def course(self, name: str, figure: str) -> tuple[float, float]:
        """Tell how a figure went: its median in the second quarter of the time, and in the last one."""
        values = self._values(name, figure)
        quarter = len(values) // 4
        return median(values[quarter : 2 * quarter]), median(values[3 * quarter :])

    def around(self, name: str, figure: str, seconds: float) -> float:
        """Give the median of a figure in the twenty seconds around a time."""
        near = [
            sample.value
            for sample in self.samples
            if (sample.name, sample.figure) == (name, figure) and abs(sample.seconds - seconds) <= 10
        ]
        return median(near)

    def most(self, name: str, figure: str) -> float:
        """Give the greatest value of a figure."""
        return max(self._values(name, figure))

    def _values(self, name: str, figure: str) -> list[float]:
        return [sample.value for sample in self.samples if (sample.name, sample.figure) == (name, figure)]


def figures_of(pid: int) -> dict[str, float]:
    """Give of a process: MB that are resident, descriptors, threads."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return {
        "resident MB": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "descriptors": sum(1 for _ in (process / "fd").iterdir()),
        "threads": int(status["Threads"]),
    }


def of_process(pid: int, tasks: Path) -> Gauge:
    """Read a process: the figures above, and how many tasks it has, which it writes into a file."""

    async def read() -> Figures:
        return {**figures_of(pid), "tasks": _number_in(tasks)}

    return read


def _number_in(file: Path) -> int:
    return int((file.exists() and file.read_text()) or 0)


def of_database(database: Database, file: Path) -> Gauge:
    """Read a database: its MB and those of its log, how many deliveries it has, and pieces of content among them."""

    async def read() -> Figures:
        rows = {"deliveries": deliveries, "pieces of content": delivery_content}
        counts = {
            name: await database.read(lambda db: db.execute(select(func.count()).select_from(table)).scalar_one())  # noqa: B023 -- awaited here
            for name, table in rows.items()
        }
        return {**await _sizes(database, file), **counts}

    return read


async def _sizes(database: Database, file: Path) -> Figures:
    if database.url is None:
        whole, log = _octets_of(file), _octets_of(file.with_name(f"{file.name}-wal"))
    else:
        sizes = text("SELECT pg_database_size(current_database()), (SELECT sum(size) FROM pg_ls_waldir())")
        whole, log = await database.read(lambda db: db.execute(sizes).one())
    return {"database MB": round(int(whole) / MEGABYTE, 1), "log MB": round(int(log) / MEGABYTE, 1)}


def _octets_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
