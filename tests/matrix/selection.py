"""Which cases are played: the cover's, or one that is named."""

import os

from matrix.cover import cover
from matrix.dimensions import Case


def selected(database: str) -> list[Case]:
    """Give the cases of a database; MATRIX_CASE names one by its id, in the cover or not."""
    named = os.environ.get("MATRIX_CASE", "")
    cases = [Case.of(named)] if named else cover()
    return [case for case in cases if case.database == database]
