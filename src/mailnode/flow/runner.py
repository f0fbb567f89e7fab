"""Runs flows: now, or by a worker later, each id once."""

import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from mailnode.errors import MailnodeError, StoreError
from mailnode.flow.loader import LoadedFlow
from mailnode.flow.queued_run import QueuedRun
from mailnode.flow.rows import Row, RowResult, RowsFile, run_concurrently
from mailnode.flow.run import Run, run_nodes
from mailnode.flow.run_queue import AcceptedRun, RunQueue
from mailnode.flow.run_start import checked_run_id, new_run, run_digest
from mailnode.flow.run_store import RunStore
from mailnode.flow.spans import run_span
from mailnode.log_ids import about
from mailnode.new_ids import new_id

State = dict[str, Any]
_log = logging.getLogger(__name__)
RUNS_AT_ONCE = 50  # more in flight would only wait for sessions


class FlowRunner:
    """Runs loaded flows, and stores how they begin and end."""

    def __init__(self, run_store: RunStore, queue: RunQueue) -> None:
        """Store runs in `run_store`; those that nobody waits for go into `queue`."""
        self._run_store = run_store
        self._queue = queue

    async def run(self, loaded: LoadedFlow, given: State, context: State, run_id: str | None) -> Run:
        """Run a flow to its end, or give the earlier run of that id; raises as `Mailnode.run`."""
        run, digest = _begun(loaded, given, context, run_id)
        if run_id is None and loaded.is_stored_at_once:
            self._run_store.begin_new(run.id, run.flow, digest)
        elif (ended := await self._run_store.begin(run.id, run.flow, digest)) is not None:
            return Run.from_json({**ended, "duplicate": True})
        return await self.carry_out(loaded, run)

    async def run_rows(
        self, loaded: LoadedFlow, rows: RowsFile, given: Mapping[str, Any], context: State, prefix: str | None
    ) -> AsyncGenerator[RowResult, None]:
        """Run a flow once for each row, and yield how each run ended; raises as `Mailnode.run_rows`."""
        prefix = checked_run_id(rows.digest if prefix is None else prefix)

        async def one(row: Row) -> RowResult:
            run_id = f"{prefix}-{row.number}"
            try:
                ran = await self.run(loaded, {**given, **row.fields}, context, run_id)
                return RowResult(row.number, run_id, ran, None)
            except MailnodeError as error:
                return RowResult(row.number, run_id, None, error)

        async for end in run_concurrently(one, rows.read(), RUNS_AT_ONCE):
            yield end

    @run_span
    async def carry_out(self, loaded: LoadedFlow, run: Run) -> Run:
        """Run the nodes of a run that has begun here, and store its end."""
        try:
            with about(run=run.id, flow=run.flow):
                await run_nodes(loaded.nodes, run)
                _log.info("run %s of %s: %s", run.id, run.flow, run.status)
        except BaseException:
            await self._run_store.abandon(run.id)
            raise
        if run.not_stored:
            await self._run_store.abandon(run.id)
            return run
        try:
            await self._run_store.end(run.id, run.status, None if run.is_end_stored else run.stored())
        except StoreError as error:
            run.not_stored = error.message
        return run

    async def queue(self, loaded: LoadedFlow, given: State, context: State, run_id: str | None) -> AcceptedRun:
        """Store a run with its flow as it is now, for a worker; raises as `Mailnode.queue_run`."""
        run, digest = _begun(loaded, given, context, run_id)
        request = QueuedRun(loaded.document, run.state.input, run.state.context).to_text()
        return await self._queue.put(run.id, run.flow, digest, request)


def _begun(loaded: LoadedFlow, given: State, context: State, run_id: str | None) -> tuple[Run, str]:
    document = loaded.document
    run = new_run(document, checked_run_id(new_id() if run_id is None else run_id), given, context)
    return run, run_digest(document, run.state.input, run.state.context)
