"""Works for a database, and a crowd that waits for its writer."""

import asyncio
import subprocess
import sys
import threading

import pytest
from sqlalchemy import insert, select

from mailnode.store.tables import secret_check

# On a test of connections: what holds for one database holds for the other.
both = pytest.mark.parametrize("where", ["sqlite", "postgres"], indirect=True)

# What a process of its own begins with; where the database is stands in its first argument.
OPEN = """
import sys
from pathlib import Path
from mailnode.store.database import Database
database = Database.open(sys.argv[1] if ":" in sys.argv[1] else Path(sys.argv[1]))
"""


def put(key, value="v"):
    return lambda db: db.execute(insert(secret_check).values(key_id=key, value=value))


def keys(db):
    return sorted(db.execute(select(secret_check.c.key_id)).scalars())


class Hold:
    """A work that keeps the writer busy until it is let go, so that others gather behind it."""

    def __init__(self):
        self.reached, self.gate = threading.Event(), threading.Event()

    def __call__(self, db):
        self.reached.set()
        self.gate.wait()


async def gather_behind(database, *works):
    """Let all works wait at once, so that they share a transaction, and give results or exceptions."""
    return await gather_writes_behind(database, [database.write(work) for work in works])


async def gather_alike_behind(database, *works):
    """Do as `gather_behind` does with works that are run once for all who bring one, each with an item."""
    return await gather_writes_behind(database, [database.write_alike(work, item) for work, item in works])


async def gather_writes_behind(database, writes):
    """Do as `gather_behind` does with coroutines that write, each once."""
    # Two, since who comes while the first works of a transaction run is taken along, and whoever comes later is not.
    hold, second = Hold(), Hold()
    held = [asyncio.create_task(database.write(hold))]
    await asyncio.to_thread(hold.reached.wait)
    held.append(asyncio.create_task(database.write(second)))
    await asyncio.sleep(0)
    hold.gate.set()
    await asyncio.to_thread(second.reached.wait)
    tasks = [asyncio.create_task(write) for write in writes]
    await asyncio.sleep(0)
    second.gate.set()
    await asyncio.gather(*held)
    return await asyncio.gather(*tasks, return_exceptions=True)


def run(code, *arguments):
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, timeout=60, check=True)
    return done.stdout.decode()
