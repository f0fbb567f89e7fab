"""Workers that are killed: every mail ends with an outcome, none is missing, and each second copy says so."""

import asyncio
import os
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from mailnode.delivery.delivery import Terms
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.store.tables import attempts, deliveries, workers
from support import killed_worker
from support.deliveries import prepared, sending
from support.forked_python import python
from support.messages import letter
from support.scripted_smtp import ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")

LATER = Terms().for_queue(24)
MAILS = 12
SEED = 5321
SOAK_KILLS = int(os.environ.get("SOAK_KILLS", "200"))


async def queue(admin, port, names):
    for name in names:
        await admin.dispatcher.queue(prepared(port, letter(f"{name}@y.example"), terms=LATER))


async def worker(*arguments):
    return await python(*arguments, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)


async def check(admin, server, names, in_doubt):
    """See that all is well after the last worker has drained the queue; at most `in_doubt` may have been unknown."""
    others = workers.c.id != admin.process.id
    await admin.database.write(lambda db: db.execute(workers.update().where(others).values(lease_until=0)))
    await EmbeddedEngine().work(admin.queue_worker, drain=True)
    rows = await admin.rows(deliveries)
    assert Counter(row.state for row in rows) == {"sent": len(names)}
    copies = Counter(message.forward_paths[0] for message in server.accepted)
    assert set(copies) == {f"RCPT TO:<{name}@y.example>" for name in names}
    unknown = [row.delivery_id for row in await admin.rows(attempts) if row.code == "unknownOutcome"]
    assert len(unknown) <= in_doubt
    marked = [row for row in rows if "resentAfterUnknown" in row.result]
    assert {row.id for row in marked} == set(unknown)
    assert sum(count > 1 for count in copies.values()) <= len(marked)
    assert max(copies.values()) <= 1 + in_doubt


@pytest.mark.parametrize("number", range(1, 11))
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_worker_that_is_killed_at_a_commit_loses_nothing_and_hides_no_copy(home, when, number):
    names = [f"n{one}" for one in range(MAILS)]
    async with ScriptedServer() as server, sending(home) as admin:
        await queue(admin, server.port, names)
        dying = await worker(Path(killed_worker.__file__), when, str(number), "worker", "--drain")
        assert await dying.wait() == -signal.SIGKILL
        in_doubt = sum(row.state == "handingOver" for row in await admin.rows(deliveries))
        await check(admin, server, names, in_doubt)


@pytest.mark.soak
async def test_workers_that_are_killed_at_random_under_load(home):
    chance = random.Random(SEED)
    names, in_doubt = [], 0
    async with ScriptedServer() as server, sending(home) as admin:
        for kill in range(SOAK_KILLS):
            fresh = [f"k{kill}n{one}" for one in range(chance.randrange(20, 60))]
            await queue(admin, server.port, fresh)
            names += fresh
            working = await worker("-m", "mailnode", "worker")
            assert working.stderr
            await working.stderr.readline()
            await asyncio.sleep(chance.uniform(0.0, 0.15))
            working.kill()
            await working.wait()
            in_doubt += sum(row.state == "handingOver" for row in await admin.rows(deliveries))
        await check(admin, server, names, in_doubt)
