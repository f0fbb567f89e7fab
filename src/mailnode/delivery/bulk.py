"""What a person does to many deliveries at once: to each what is done to one alone, with the same refusals."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from mailnode.delivery.admin import Deliveries
from mailnode.delivery.delivery import ShownState
from mailnode.delivery.pages import Filter
from mailnode.errors import MailnodeError, StoreError

Action = Literal["retry", "cancel"]

# How many are done at once, and are asked about.
MOST_AT_ONCE = 1_000
# What an action is meant for where nobody names states: who has cancelled an email does not want it sent with others.
_MEANT: dict[Action, tuple[ShownState, ...]] = {
    "retry": ("queued", "interrupted", "partial", "failed", "unknown", "held"),
    "cancel": ("queued", "interrupted", "held"),
}
_POSSIBLE: dict[Action, tuple[ShownState, ...]] = {**_MEANT, "retry": (*_MEANT["retry"], "cancelled")}


@dataclass(slots=True)
class BulkOutcome:
    """The ids of those for which it was done, and of the others, each with the reason."""

    done: list[str] = field(default_factory=list)
    refused: list[tuple[str, MailnodeError]] = field(default_factory=list)


async def find_all(deliveries: Deliveries, action: Action, wanted: Filter) -> list[str]:
    """Find the latest that fit and that the action is for, `limit` of them at the most."""
    chosen = _POSSIBLE if wanted.states or wanted.ids is not None else _MEANT
    states = tuple(state for state in chosen[action] if not wanted.states or state in wanted.states)
    return await deliveries.matching(replace(wanted, states=states)) if states else []


async def retry_all(
    deliveries: Deliveries, ids: Iterable[str], *, is_sure: bool = False, as_queued: bool = False
) -> BulkOutcome:
    """Retry each as `Deliveries.retry` does.

    Raises:
        StoreError: the database can't be used; those before are retried.
    """
    return await _each(ids, lambda which: deliveries.retry(which, is_sure=is_sure, as_queued=as_queued))


async def cancel_all(deliveries: Deliveries, ids: Iterable[str]) -> BulkOutcome:
    """Cancel each as `Deliveries.cancel` does; raises as `retry_all` does."""
    return await _each(ids, deliveries.cancel)


async def _each(ids: Iterable[str], do: Callable[[str], Awaitable[str]]) -> BulkOutcome:
    outcome = BulkOutcome()
    for which in ids:
        try:
            outcome.done.append(await do(which))
        except StoreError:
            raise
        except MailnodeError as error:
            outcome.refused.append((which, error))
    return outcome
