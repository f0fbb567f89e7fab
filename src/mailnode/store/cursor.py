"""Where a page of rows ends, the latest first, so that the next one begins there though rows come and go meanwhile."""

import re
from typing import NamedTuple, Self

from sqlalchemy import ColumnElement, Table

from mailnode.errors import UsageError
from mailnode.printable import quoted

# A NUL is no text to PostgreSQL.
PATTERN = r"^[0-9]{1,15}-[^\x00]{1,200}$"
_FORM = re.compile(r"([0-9]{1,15})-([^\x00]{1,200})")


class Place(NamedTuple):
    """The last row that was seen: when it was made (Unix ms), and its id."""

    created_at: int
    id: str

    def __str__(self) -> str:
        """Give it as one word that `parse` reads."""
        return f"{self.created_at}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` gave.

        Raises:
            UsageError: it is another text.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise UsageError(
                f"{quoted(text)} is no place in the list", hint="give what the page before said, or nothing"
            )
        return cls(int(found[1]), found[2])

    def older(self, table: Table) -> ColumnElement[bool]:
        """Give the condition for rows after it, when they are in the order of `created_at` (descending) and `id`."""
        at, id_ = table.c.created_at, table.c.id
        return (at < self.created_at) | ((at == self.created_at) & (id_ > self.id))
