"""`make bench`: measure every row, print the table, and write it to benchmarks/results.md."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.budget import BUDGET_ROWS
from benchmarks.figure import Row
from benchmarks.growth import COUNTS, GROWTH_ROWS
from benchmarks.keeping_rows import KEEPING_ROWS
from benchmarks.measure import in_turn
from benchmarks.over_http import HTTP_ROWS
from benchmarks.report import RESULTS, page, surroundings
from benchmarks.rows import ROWS
from benchmarks.table import KEEPERS, SENDERS, SERVERS, line, markdown

SIZES = {f"{count:,}": f"{count:,} deliveries" for count in COUNTS}


def main() -> None:
    """Measure what is asked for; the page is written only of a whole run."""
    options = _options()
    print("\n".join(surroundings(options.rounds)), flush=True)
    tables = [
        markdown(columns, lines)
        for rows, columns in (
            (ROWS, SENDERS),
            ((*KEEPING_ROWS, *BUDGET_ROWS), KEEPERS),
            (HTTP_ROWS, SERVERS),
            (GROWTH_ROWS, SIZES),
        )
        if (lines := _lines([row for row in rows if not options.row or row.name in options.row], columns, options))
    ]
    print("", *tables, sep="\n\n")
    if not options.row:
        RESULTS.write_text(page(options.rounds, *tables))


def _lines(rows: Sequence[Row], columns: Iterable[str], options: argparse.Namespace) -> list[tuple[str, ...]]:
    lines = []
    for row in rows:
        with TemporaryDirectory() as folder, row.prepare(Path(folder)) as clients:
            taken = in_turn(row.name, clients, min(options.rounds, row.most_rounds))
        lines += [line(figure, taken, columns) for figure in row.figures if figure.in_table]
    return lines


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each client is measured (5)")
    names = [row.name for row in (*ROWS, *KEEPING_ROWS, *BUDGET_ROWS, *HTTP_ROWS, *GROWTH_ROWS)]
    parser.add_argument("--row", action="append", choices=names, help="measure this row alone; may be repeated")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("there is no median of nothing: --rounds takes 1 or more")
    return options


if __name__ == "__main__":
    main()
