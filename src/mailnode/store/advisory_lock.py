"""Transactions that must not run beside each other, whatever rows they touch."""

import zlib

from sqlalchemy import Connection


def take_turn(db: Connection, what: str) -> None:
    """Wait until no other transaction has this turn, and have it until the end of this one; the first thing in a work.

    What is read after it is as the one before has left it. In SQLite each transaction that writes is alone anyhow.
    """
    if db.dialect.name == "postgresql":
        # Two numbers, so that it is never the lock of the schema, which is one.
        db.exec_driver_sql("SELECT pg_advisory_xact_lock(%s, %s)", (_OURS, zlib.crc32(what.encode()) & 0x7FFFFFFF))


_OURS = 0x6D61696C
