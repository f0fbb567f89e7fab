"""Which run and which delivery the records of a log are about: who works for one says so once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import MappingProxyType

_IDS: ContextVar[Mapping[str, str]] = ContextVar("ids", default=MappingProxyType({}))


def from_now_on(**ids: str | None) -> Token[Mapping[str, str]]:
    """Have all records from now on name these, in this task and those that it begins."""
    return _IDS.set({**_IDS.get(), **{name: one for name, one in ids.items() if one}})


@contextmanager
def about(**ids: str | None) -> Iterator[None]:
    """Have records within it, and of the tasks that are begun there, name these."""
    before = from_now_on(**ids)
    try:
        yield
    finally:
        _IDS.reset(before)


def ids_here() -> Mapping[str, str]:
    """Give what a record that is made here is about."""
    return _IDS.get()
