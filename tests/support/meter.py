"""What processes take of the machine, sample by sample."""

import asyncio
import csv
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Sample:
    """What one process had at one time: seconds since the beginning, MB that are resident, descriptors, threads."""

    seconds: float
    name: str
    resident_mb: float
    descriptors: int
    threads: int


class Meter:
    """Samples processes by name and pid until it is cancelled, and keeps the samples as CSV too."""

    def __init__(self, processes: Mapping[str, int], file: Path, *, every: float) -> None:
        self.samples: list[Sample] = []
        self._processes, self._file, self._every = processes, file, every

    async def run(self) -> None:
        """Sample until cancelled."""
        begun = time.monotonic()
        with self._file.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(Sample.__dataclass_fields__)
            while True:
                for name, pid in self._processes.items():
                    sample = take(time.monotonic() - begun, name, pid)
                    self.samples.append(sample)
                    rows.writerow(vars(sample).values())
                file.flush()
                await asyncio.sleep(self._every)

    def course(self, name: str, figure: str) -> tuple[float, float]:
        """Tell how a figure of a process went: its median in the second quarter of the time, and in the last one."""
        figures = [getattr(sample, figure) for sample in self.samples if sample.name == name]
        quarter = len(figures) // 4
        return median(figures[quarter : 2 * quarter]), median(figures[3 * quarter :])


def take(seconds: float, name: str, pid: int) -> Sample:
    """Sample one process."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    resident_kb = int(status["VmRSS"].split()[0])
    descriptors = sum(1 for _ in (process / "fd").iterdir())
    return Sample(round(seconds, 1), name, round(resident_kb / 1024, 1), descriptors, int(status["Threads"]))
