"""By which route a mail goes that a person sends again: as its flow says by now, as it was queued, or unchanged."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row

from mailnode.delivery.delivery import Delivery, Origin, Terms, UnreadableDelivery
from mailnode.delivery.route import Destination, Route
from mailnode.delivery.row_reader import options_of
from mailnode.delivery.rows import route_columns
from mailnode.errors import DeliveryError

RETRY_HOURS = 24.0
RETRY_ROUTES = ("flow", "asQueued", "unchanged")
_COLUMNS = ("connection", "host", "port", "lane")


@dataclass(frozen=True, slots=True)
class PresentRoute:
    """Where a node sends its mail by now, the route that this makes, and for how many hours mail is tried."""

    destination: Destination
    route: Route
    retry_hours: float


# Raises a MailnodeError that says why nothing can be learned there.
FindPresentRoute = Callable[[Origin], Awaitable[PresentRoute]]


@dataclass(frozen=True, slots=True)
class AsQueued:
    """By the route that it was queued with."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """By the route that it has, and `why` its flow could not tell another one."""

    why: str


Change = PresentRoute | AsQueued | Unchanged


async def no_flow(_origin: Origin) -> PresentRoute:
    """Find no route, where flows can't be read."""
    raise DeliveryError("flows can't be read here")


def rerouted(row: Row[Any], delivery: Delivery, change: Change) -> dict[str, Any]:
    """Give the columns of a delivery that goes into the queue by a route; its options remember the first one.

    `retry` of the options tells which it was: `flow`, `asQueued` or `unchanged`, and then why.

    Raises:
        UnreadableDelivery: its options, or its terms by that route, can't be read.
    """
    options = options_of(row)
    now = {name: getattr(row, name) for name in _COLUMNS} | {
        name: options.get(name) for name in ("destination", "terms")
    }
    first = options.get("asQueued", now)
    told = {"route": "unchanged", "why": ""}
    match change:
        case PresentRoute(destination, route, hours):
            now = route_columns(destination, route) | {"terms": asdict(delivery.terms.for_queue(hours))}
            told["route"] = "flow"
        case AsQueued():
            now = first
            told["route"] = "asQueued"
        case Unchanged(why):
            told["why"] = why
    try:
        terms = Terms.from_json(now["terms"])
    except (TypeError, ValueError) as error:
        raise UnreadableDelivery(f"the delivery can't be read: its terms: {error}") from error
    kept = terms if terms.queued else terms.for_queue(RETRY_HOURS)
    changed = {"destination": now["destination"], "terms": asdict(kept), "asQueued": first, "retry": told}
    return {name: now[name] for name in _COLUMNS} | {"options": json.dumps({**options, **changed})}
