"""The figures of one row of ours, told line by line to whoever compares two commits; no peer is measured.

python -m benchmarks.figures         a line of JSON: the names of the rows
python -m benchmarks.figures ROW     an empty object when all is prepared, then for each line of input one with figures

Of each figure the name, the value and whether it is a cost are told: nothing else of a commit is known to another one.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.budget import BUDGET_ROWS
from benchmarks.growth import GROWTH_ROWS
from benchmarks.instructions import INSTRUCTION_ROWS
from benchmarks.keeping_rows import KEEPING_ROWS
from benchmarks.over_http import HTTP_ROWS
from benchmarks.rows import ROWS

_ALL = (*ROWS, *KEEPING_ROWS, *BUDGET_ROWS, *HTTP_ROWS, *GROWTH_ROWS, *INSTRUCTION_ROWS)
BY_NAME = {row.name: row for row in _ALL if row.compares}


def main() -> None:
    """Tell what is asked for."""
    if not sys.argv[1:]:
        _tell({name: row.most_rounds for name, row in BY_NAME.items()})
        return
    row = BY_NAME[sys.argv[1]]
    with TemporaryDirectory() as folder, row.prepare(Path(folder)) as clients:
        figures = [(figure, figure.of + figure.ours) for figure in row.figures if figure.of + figure.ours in clients]
        _tell({})
        for _ in sys.stdin:
            taken = {name: clients[name]() for name in dict.fromkeys(name for _, name in figures)}
            _tell({figure.name: (figure.pick(taken[name]), figure.is_cost) for figure, name in figures})


def _tell(told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
