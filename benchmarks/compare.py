"""`make bench BASE=commit`: our own rows here and at another commit, in turn, and that commit beside itself.

Each commit measures with its own code and its own benchmarks, in a process of its own for each row; the other commit
has two, alike in everything, so that what tells them apart is noise. All three are asked in turn, in another order each
time. A ratio is how many times better the first is: 2 is twice the rate, or half the cost.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import cycle, islice, permutations
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.measure import progress
from benchmarks.peers import UNPACKED, postfix_tool
from benchmarks.process import ROOT, answering
from benchmarks.table import shown

LEAST = 0.97
LOCKS = ("requirements.lock", "benchmarks/requirements.lock")
STATIC = "src/mailnode/web/static"

# By the name of a figure: its value, and whether it is a cost.
Figures = Mapping[str, tuple[float, bool]]


class Side(NamedTuple):
    """The files of a commit or of this checkout, and the Python that has what they need."""

    root: Path
    python: str

    def command(self, *arguments: str) -> list[str]:
        """Give the command that tells its figures."""
        return [self.python, "-m", "benchmarks.figures", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Its own modules come first; no bundle for browsers is made."""
        path = os.pathsep.join(map(str, (self.root / "src", self.root)))
        return {**os.environ, "PYTHONPATH": path, "MAILNODE_SKIP_FRONTEND": "1"}

    def rows(self) -> dict[str, int]:
        """Give the names of its rows, and how often each is measured at the most."""
        told = subprocess.run(
            self.command(), cwd=self.root, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        rows: dict[str, int] = json.loads(told.stdout)
        return rows


class Compared(NamedTuple):
    """What came of a figure: both medians, the median ratio, and how far the commit's ratios to itself lie from 1."""

    figure: str
    base: float
    here: float
    ratio: float
    spread: float

    @property
    def is_worse(self) -> bool:
        """Whether noise alone does not explain it."""
        return self.ratio < LEAST - self.spread


def compared(figure: str, turns: Sequence[Sequence[Figures]]) -> Compared:
    """Compare the commit, here, and the commit again, as they were measured turn by turn.

    The spread is the median distance from 1: half of the commit's ratios to itself lie nearer.
    """
    base, here, again = ([told[figure][0] for told in side] for side in zip(*turns, strict=True))
    is_cost = turns[0][0][figure][1]
    ratios = [_better(one, other, is_cost=is_cost) for one, other in zip(here, base, strict=True)]
    noise = [abs(_better(one, other, is_cost=is_cost) - 1) for one, other in zip(again, base, strict=True)]
    return Compared(figure, median(base), median(here), median(ratios), median(noise))


def _better(one: float, other: float, *, is_cost: bool) -> float:
    return other / one if is_cost else one / other


def main() -> None:
    """Compare what is asked for; end with 1 if something is worse."""
    options = _options()
    with TemporaryDirectory(prefix="mailnode-bench") as folder:
        base, here = _sides(options.base, Path(folder))
        rows, known = here.rows(), base.rows()
        if unknown := set(options.row) - rows.keys():
            raise SystemExit(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
        print(f"{options.base} and here; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs\n")
        print(f"{'figure':<72} {'base':>9} {'here':>9}  here/base  base/base")
        worse = []
        for name in options.row or rows:
            if name not in known:
                print(f"{name}: {options.base} does not measure it")
                continue
            for one in _row(name, base, here, min(options.pairs, rows[name])):
                verdict = "  worse" if one.is_worse else ""
                print(
                    f"{one.figure:<72} {shown(one.base):>9} {shown(one.here):>9}"
                    f"  {one.ratio:>9.3f}  +-{one.spread:<7.3f}{verdict}",
                    flush=True,
                )
                worse += [one.figure] if one.is_worse else []
    print(f"\nworse: {'; '.join(worse)}" if worse else f"\nnothing falls below {LEAST} by more than the spread")
    sys.exit(bool(worse))


def _row(name: str, base: Side, here: Side, pairs: int) -> Iterator[Compared]:
    with ExitStack() as stack:
        tellers = [
            stack.enter_context(answering(side.command(name), side.environment, side.root))
            for side in (base, here, base)
        ]
        for teller in tellers:
            teller.hear()
        turns = []
        for turn, order in enumerate(islice(cycle(permutations(range(3))), pairs), 1):
            progress(f"{name}, {turn} of {pairs}")
            told = {number: tellers[number].ask() for number in order}
            turns.append([told[number] for number in range(3)])
        progress("")
    if not turns[0][1]:
        print(f"{name}: what it needs is not installed here")
    for figure in turns[0][1]:
        if figure in turns[0][0]:
            yield compared(figure, turns)
        else:
            print(f"{figure}: only here")


def _sides(commit: str, folder: Path) -> tuple[Side, Side]:
    """Unpack the commit, and copy this checkout, which may be worked on meanwhile."""
    base, here = _unpacked(commit, folder / "base"), _copied(folder / "here")
    postfix_tool("smtp-sink")
    for root in (base, here):
        if (ROOT / STATIC).exists() and not (root / STATIC).exists():
            shutil.copytree(ROOT / STATIC, root / STATIC)
        if UNPACKED.exists():
            (root / UNPACKED.relative_to(ROOT)).symlink_to(UNPACKED)
    is_same = all((base / lock).read_bytes() == (here / lock).read_bytes() for lock in LOCKS)
    sides = Side(base, sys.executable if is_same else _environment(base)), Side(here, sys.executable)
    for side in sides:  # what is compiled while the first turn is measured would count in it
        subprocess.run([side.python, "-m", "compileall", "-qq", "src", "benchmarks/clients"], cwd=side.root, check=True)
    return sides


def _unpacked(commit: str, root: Path) -> Path:
    root.mkdir()
    with subprocess.Popen(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE) as archive:
        unpacked = subprocess.run(["tar", "-x", "-C", str(root)], stdin=archive.stdout, check=False)
    if archive.returncode or unpacked.returncode:
        raise SystemExit(f"{commit} is no commit that git knows here")
    if not (root / "benchmarks/figures.py").exists():
        raise SystemExit(f"{commit} is too old: its benchmarks do not tell their figures one by one")
    return root


def _copied(root: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # it may be deleted, and that not committed yet
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    return root


def _environment(root: Path) -> str:
    python = root / ".venv/bin/python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-deps"]
    for command in (
        [sys.executable, "-m", "venv", ".venv"],
        *([*pip, "--require-hashes", "-r", lock] for lock in LOCKS),
        [*pip, "--no-build-isolation", "-e", "."],
    ):
        subprocess.run(command, cwd=root, env={**os.environ, "MAILNODE_SKIP_FRONTEND": "1"}, check=True)
    return str(python)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("base", help="the commit beside which this checkout is measured, as it is now")
    parser.add_argument("--pairs", type=int, default=10, help="how often each is measured (10)")
    parser.add_argument("--row", action="append", default=[], help="compare this row alone; may be repeated")
    options = parser.parse_args()
    if options.pairs < 1:
        parser.error("there is no median of nothing: --pairs takes 1 or more")
    return options


if __name__ == "__main__":
    main()
