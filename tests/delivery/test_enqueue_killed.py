"""Programs that enqueue and workers that send, killed at any moment: committed orders have their mail, no others."""

import asyncio
import base64
import os
import random
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from mailnode.store.tables import attempts, deliveries, workers
from support import enqueueing_program
from support.deliveries import sending
from support.forked_python import python
from support.scripted_smtp import ScriptedServer

SEED = 2211
SOAK_TRANSACTIONS = int(os.environ.get("SOAK_TRANSACTIONS", "10000"))


async def started(*arguments):
    return await python(*arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL)


@pytest.mark.soak
async def test_programs_and_workers_that_are_killed_at_random(home, monkeypatch, postgres_url):
    monkeypatch.setenv("MAILNODE_DATABASE_URL", postgres_url)
    monkeypatch.setenv("MAILNODE_SECRET_KEY", base64.b64encode(bytes(32)).decode())
    chance = random.Random(SEED)
    tried = in_doubt = 0
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(enqueueing_program.TABLES)
        async with ScriptedServer() as server, sending(home) as admin:
            while tried < SOAK_TRANSACTIONS:
                program = [Path(enqueueing_program.__file__), postgres_url, str(server.port)]
                running = [await started(*program) for _ in range(2)] + [await started("-m", "mailnode", "worker")]
                await asyncio.sleep(chance.uniform(0.5, 4.0))
                chance.shuffle(running)
                for process in running:
                    process.kill()
                    await process.wait()
                    await asyncio.sleep(chance.uniform(0.0, 0.2))
                in_doubt += sum(row.state == "handingOver" for row in await admin.rows(deliveries))
                tried = db.execute("SELECT last_value FROM numbers").fetchall()[0][0]
            others = workers.c.id != admin.process.id
            await admin.database.write(lambda db: db.execute(workers.update().where(others).values(lease_until=0)))
            await admin.queue_worker.recover()
            await admin.queue_worker.drain()
            rows = await admin.rows(deliveries)
            unknown = {row.delivery_id for row in await admin.rows(attempts) if row.code == "unknownOutcome"}
        numbers = [number for (number,) in db.execute("SELECT number FROM orders")]
    assert all(number % 2 for number in numbers)
    copies = Counter(message.forward_paths[0] for message in server.accepted)
    assert set(copies) == {f"RCPT TO:<n{number}@y.example>" for number in numbers}
    assert Counter(row.state for row in rows) == {"sent": len(numbers)}
    marked = {row.id for row in rows if "resentAfterUnknown" in row.result}
    assert marked == unknown
    assert len(unknown) <= in_doubt
    assert sum(count > 1 for count in copies.values()) <= len(marked)
