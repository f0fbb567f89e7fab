"""Which cases are played: the cover's, or those that are named."""

import os

from matrix.cover import cover
from matrix.dimensions import Case


def selected(database: str) -> list[Case]:
    """Give the cases of a database; MATRIX_CASE names some by their ids, in the cover or not."""
    named = os.environ.get("MATRIX_CASE", "").replace(",", " ").split()
    cases = [Case.of(one) for one in named] or cover()
    return [case for case in cases if case.database == database]
