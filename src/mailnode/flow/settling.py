"""Waiting for the outcomes of email that is queued."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from mailnode.delivery.admin import Deliveries
from mailnode.delivery.dispatcher import POLL_SECONDS, Dispatcher
from mailnode.delivery.result import NOT_STORED, Result
from mailnode.errors import StoreError
from mailnode.flow.run import Run
from mailnode.flow.run_store import RunStore
from mailnode.flow.state import MailOutcome, apply_outcome, queued_in, results_in
from mailnode.store.retry import retry_transient

_ASKED_AT_ONCE = 500  # deliveries in one statement


async def drained(
    deliveries: Deliveries, dispatcher: Dispatcher, queued: Sequence[str]
) -> AsyncIterator[tuple[str, Result | None]]:
    """Yield deliveries by id as they end, with the result, or None if deleted."""
    left = list(queued)
    while left:
        asked, left = left[:_ASKED_AT_ONCE], left[_ASKED_AT_ONCE:]
        ended = await retry_transient(lambda: deliveries.outcomes(asked))  # noqa: B023 -- awaited here
        ended |= {one.id: result for one, result in dispatcher.unstored_results(asked) if one.id not in ended}
        for item in ended.items():
            yield item
        left += [one for one in asked if one not in ended]
        if not ended:
            await asyncio.sleep(POLL_SECONDS)  # another process has no event of ours


async def settled(run_store: RunStore, dispatcher: Dispatcher, run: Run, watch: Callable[[int], None]) -> Run:
    """Give a run with the outcomes of its email, those that can't be stored too."""
    stored = run.to_json()
    try:
        while pending := queued_in(results_in(stored)):
            watch(len(pending))
            if len(dispatcher.unstored_results(pending)) == len(pending):
                break
            await dispatcher.wait_for_end(pending)
            stored = await run_store.with_outcomes(stored)
    except StoreError as error:
        stored[NOT_STORED] = error.message
    for delivery, result in dispatcher.unstored_results(queued_in(results_in(stored))):
        apply_outcome(stored, MailOutcome(delivery.node_id, delivery.place, result))
    return Run.from_json(stored)
