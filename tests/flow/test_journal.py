import asyncio
from contextlib import ExitStack, closing
from typing import Any

from mailnode.flow.journal import Journal
from mailnode.store.database import Database


async def test_of_two_machines_that_begin_one_run_at_once_one_does_it_and_the_other_waits(postgres_url, tmp_path):
    with ExitStack() as stack:
        databases = [stack.enter_context(closing(Database.open(postgres_url))) for _ in range(2)]
        one, other = (Journal(db, stack.enter_context(db.worker(tmp_path))) for db in databases)
        state: dict[str, Any] = {"nodes": [], "input": {}, "context": {}}
        for number in range(20):
            tasks = {
                asyncio.create_task(journal.begin(f"run{number}", "flow", "x")): journal for journal in (one, other)
            }
            done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            (first,) = done
            assert first.result() is None
            await tasks[first].end(f"run{number}", "done", state)
            assert await waiting.pop() == state
