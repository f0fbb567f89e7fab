"""Errors of one input, collected so that all can be told at once."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from mailnode.errors import MailnodeError


class Collected:
    """The errors so far."""

    def __init__(self) -> None:
        self.errors: list[MailnodeError] = []

    @contextmanager
    def collecting(self, key: str = "") -> Iterator[None]:
        """Collect an error, with those that come with it; `key` is where it happened."""
        try:
            yield
        except MailnodeError as error:
            self.add(error.locate(key=key))

    def add(self, error: MailnodeError) -> None:
        """Collect an error, with those that come with it."""
        self.errors += [error, *error.others]
        error.others = ()

    @property
    def keys(self) -> set[str]:
        """The keys, without what is within them, at which something is wrong."""
        return {re.split(r"[.\[]", error.key)[0] for error in self.errors}

    def raise_all(self) -> None:
        """Raise the first error, with the rest as its `others`; do nothing where there is none."""
        if self.errors:
            first, *others = self.errors
            first.others = tuple(others)
            raise first
