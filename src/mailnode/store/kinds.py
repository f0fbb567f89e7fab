"""Kinds of columns whose values are of that kind, whatever another hand has put there.

A column of SQLite holds a value of any kind, and text of any bytes. A value of the wrong kind fails where it is used,
and not where its row is read beside others.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, Boolean, Dialect, Integer, LargeBinary, Text
from sqlalchemy.types import TypeDecorator


class Number(TypeDecorator[int]):
    """A whole number; any other value is read as 0."""

    impl = BigInteger
    cache_ok = True

    def result_processor(self, dialect: Dialect, _coltype: object) -> Callable[[Any], int | None] | None:
        """Look at what SQLite gives."""
        return _number if dialect.name == "sqlite" else None


class Count(TypeDecorator[int]):
    """The same, of half the size where that matters."""

    impl = Integer
    cache_ok = True

    def result_processor(self, dialect: Dialect, _coltype: object) -> Callable[[Any], int | None] | None:
        """Look at what SQLite gives."""
        return _number if dialect.name == "sqlite" else None


class Words(TypeDecorator[str]):
    """Text; bytes are decoded as far as possible."""

    impl = Text
    cache_ok = True

    def result_processor(self, dialect: Dialect, _coltype: object) -> Callable[[Any], str | None] | None:
        """Look at what SQLite gives."""
        return _words if dialect.name == "sqlite" else None


class Doubt(TypeDecorator[bool]):
    """True or false; any other value is read as true."""

    impl = Boolean
    cache_ok = True

    def result_processor(self, dialect: Dialect, _coltype: object) -> Callable[[Any], bool] | None:
        """Look at what SQLite gives."""
        return _doubt if dialect.name == "sqlite" else None


class Octets(TypeDecorator[bytes]):
    """Bytes; any other value is read as empty."""

    impl = LargeBinary
    cache_ok = True

    def result_processor(self, dialect: Dialect, _coltype: object) -> Callable[[Any], bytes] | None:
        """Look at what SQLite gives."""
        return _octets if dialect.name == "sqlite" else None


def readable(octets: bytes) -> str:
    """Give the text that SQLite holds in these octets, which it takes for UTF-8 unseen."""
    return octets.decode(errors="replace")


def _number(value: Any) -> int | None:
    return value if value is None or isinstance(value, int) else 0


def _words(value: Any) -> str | None:
    return readable(value) if isinstance(value, bytes) else value


def _octets(value: Any) -> bytes:
    return value if isinstance(value, bytes) else b""


def _doubt(value: Any) -> bool:
    return bool(value != 0)
