"""The path that everything is below, where a proxy gives mailnode a part of a site: `/mail`, and "" where it has all.

Requests lose it at the guard, and answers get it back there, so that nothing between knows of it but those who write an
address into a page or an answer.
"""

from contextvars import ContextVar

BASE_PATH: ContextVar[str] = ContextVar("BASE_PATH", default="")


def at(path: str) -> str:
    """Give the address of a path of ours, as a browser asks for it."""
    return f"{BASE_PATH.get()}{path}"
