"""`make fuzz`: atheris on every target, each in a process of its own.

What reaches more code stays in .fuzz for the next run, and so does a find; `--keep` puts a find among the inputs that
`make test` reads.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from fuzz import corpus

FINDS = Path(".fuzz")
# An input that takes longer (seconds) or more memory (MB) is a find too.
_SLOWEST, _LARGEST_MB = 5, 1024
_LONGEST = 4096
_STATUS = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+)", re.MULTILINE)


class Course(NamedTuple):
    """How the fuzzing of one target went; `find` is the end of what was said of one, "" without."""

    target: str
    executions: int
    coverage: int
    find: str

    def __str__(self) -> str:
        """Give a row."""
        return f"{self.target:<14} {self.executions:>12,} {self.coverage:>9,}  {'find' if self.find else ''}"


def main() -> int:
    """Fuzz what is asked for, some targets at a time, and tell how it went."""
    names = target_names()
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together (600)")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--keep", nargs="+", type=Path, default=[], help="finds to keep in fuzz/corpus; nothing is run")
    parser.add_argument("--target", choices=names, help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.target:
        serve(options.target, rest)
    for find in options.keep:
        corpus.keep(find.parent.name, find.read_bytes())
    if options.keep:
        return 0
    at_once = os.cpu_count() or 1
    seconds = max(options.seconds * at_once // len(options.only), 1)
    print(f"{'target':<14} {'executions':>12} {'coverage':>9}", flush=True)
    finds = []
    with ThreadPoolExecutor(at_once) as pool:
        for course in pool.map(lambda name: fuzz(name, seconds), options.only):
            print(course, flush=True)
            if course.find:
                finds.append(course)
    for course in finds:
        print(f"\n{course.target}: the input is in {FINDS / course.target}\n{course.find}")
    return 1 if finds else 0


def target_names() -> list[str]:
    """Give the targets without loading what they test: atheris wants to see it loaded."""
    return sorted(path.stem for path in (Path(__file__).parent / "corpus").glob("*.jsonl"))


def fuzz(target: str, seconds: int) -> Course:
    """Fuzz one target for some seconds."""
    finds = FINDS / target
    grown = finds / "grown"
    grown.mkdir(parents=True, exist_ok=True)
    limits = (f"-timeout={_SLOWEST}", f"-rss_limit_mb={_LARGEST_MB}", f"-max_len={_LONGEST}")
    with tempfile.TemporaryDirectory() as kept:
        corpus.unfold(target, Path(kept))
        said = run(target, str(grown), kept, *limits, f"-max_total_time={seconds}", f"-artifact_prefix={finds}/")
    executions, coverage = map(int, (_STATUS.findall(said.stdout) or [("0", "0")])[-1])
    return Course(target, executions, coverage, said.stdout[-3000:] if said.returncode else "")


def run(target: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run libFuzzer on a target in another process."""
    command = (sys.executable, "-m", "fuzz", "--target", target, *arguments)
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def serve(target: str, arguments: Sequence[str]) -> None:
    """Be the process that is fuzzed; it ends here."""
    import atheris

    with atheris.instrument_imports(include=["mailnode", "fuzz"]):
        from fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
