"""`make bench`: measure every row, print the table, and write it to benchmarks/results.md."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import in_turn
from benchmarks.report import RESULTS, page, surroundings
from benchmarks.rows import ROWS
from benchmarks.table import line, markdown


def main() -> None:
    """Measure what is asked for; the page is written only of a whole run."""
    options = _options()
    print("\n".join(surroundings(options.rounds)), flush=True)
    lines: list[tuple[str, ...]] = []
    for row in ROWS:
        if options.only and row.name not in options.only:
            continue
        with TemporaryDirectory() as folder, row.prepare(Path(folder)) as clients:
            taken = in_turn(row.name, clients, options.rounds)
        lines += [line(figure, taken) for figure in row.figures]
    table = markdown(lines)
    print(f"\n{table}")
    if not options.only:
        RESULTS.write_text(page(options.rounds, table))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each client is measured (5)")
    names = [row.name for row in ROWS]
    parser.add_argument("--only", action="append", choices=names, help="measure this row alone; may be repeated")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("there is no median of nothing: --rounds takes 1 or more")
    return options


if __name__ == "__main__":
    main()
