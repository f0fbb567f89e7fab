"""Where a database is, as text: a path, or a URL."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from mailnode.errors import StoreError

_POSTGRES = {"postgresql", "postgres", "postgresql+psycopg"}
_HINT = (
    "write it as postgresql://user:password@host:5432/database, with %40 for an @ within the password,"
    " or as sqlite:///path/to/file"
)


def locate(where: Path | str) -> Path | URL:
    """Give the path of a SQLite file, or the URL of a PostgreSQL database, whose password its `repr` hides.

    Raises:
        StoreError: it is neither; the text, which may hold a password, is not in it.
    """
    if "\0" in str(where):
        raise StoreError("the name of the database contains a NUL", hint=_HINT)
    if isinstance(where, Path):
        return where
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        raise StoreError("the database URL can't be read", hint=_HINT) from None
    if url.drivername == "sqlite" and url.database and not url.host:
        return Path(url.database)
    if url.drivername not in _POSTGRES:
        raise StoreError("the database URL names neither PostgreSQL nor SQLite", hint=_HINT)
    if "@" in f"{url.host}{url.database}":
        # What stands there is the rest of a password.
        raise StoreError("the database URL has more than one @", hint=_HINT)
    # Given as a parameter a password would be shown.
    hidden = url.query.get("password", url.password)
    query = {key: value for key, value in url.query.items() if key != "password"}
    url = url.set(drivername="postgresql+psycopg", password=str(hidden) if hidden else None, query=query)
    try:
        url.get_dialect()().create_connect_args(url)  # where hosts and ports of the query are read
    except (ArgumentError, ValueError):
        raise StoreError("the database URL can't be read: its host or port is invalid", hint=_HINT) from None
    return url
