"""Instructions a mail, which valgrind counts: the same on a busy machine to a thousandth, and slow to count."""

import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

from benchmarks.figure import Figure, Row
from benchmarks.measure import Measure, Taken
from benchmarks.process import ROOT

# What a start takes is in both, and goes out with the difference.
FEW, MANY = 10, 60
_COLLECTED = re.compile(r"Collected : (\d+)")
ROUNDS = 2


@contextmanager
def counted(folder: Path) -> Iterator[Mapping[str, Measure]]:
    """Give composing alone and the preview of a node, if valgrind is here."""
    if (valgrind := shutil.which("valgrind")) is None:
        yield {}
        return

    def client(*home: str) -> Measure:
        count = partial(_count, valgrind, home)
        few = cache(partial(count, FEW))
        return lambda: Taken(math.nan, math.nan, math.nan, math.nan, (count(MANY) - few()) / (MANY - FEW))

    yield {"compose": client(), "preview": client(str(folder))}


def _count(valgrind: str, home: Sequence[str], mails: int) -> int:
    python = [sys.executable, "-m", "benchmarks.clients.compose_alone", str(mails), *home]
    command = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", *python]
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False
    )
    if ended.returncode or not (found := _COLLECTED.search(ended.stderr)):
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}\n{ended.stderr}")
    return int(found[1])


def _thousands(taken: Taken) -> float:
    return taken.instructions / 1000


def _figure(work: str, ours: str) -> Figure:
    return Figure(work=work, unit="thousand instructions", pick=_thousands, is_cost=True, beside="", ours=ours)


FIGURES = (_figure("compose alone", "compose"), _figure("preview of a node", "preview"))
# For comparisons alone: no peer would be told by it.
INSTRUCTION_ROWS = (Row("instructions", counted, FIGURES, most_rounds=ROUNDS),)
