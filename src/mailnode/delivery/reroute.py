"""The route of a delivery that a person sends again: what its flow names now, as it was queued, or unchanged."""

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
# Columns of the route, and their names in the options `asQueued`.
_COLUMNS = {"connection": "connection", "host": "host", "port": "port", "route_key": "lane"}


@dataclass(frozen=True, slots=True)
class CurrentRoute:
    """Where a node sends its email now, the route that this makes, and for how many hours email is tried."""

    destination: Destination
    route: Route
    retry_hours: float


# Raises a MailnodeError that says why the flow can't tell a route.
FindCurrentRoute = Callable[[Origin], Awaitable[CurrentRoute]]


async def no_flow(_origin: Origin) -> CurrentRoute:
    """Find no route, where flows can't be read."""
    raise DeliveryError("flows can't be read here")


def rerouted(
    row: Row[Any], delivery: Delivery, current: CurrentRoute | None, *, as_queued: bool = False, why: str = ""
) -> dict[str, Any]:
    """Give the columns of a delivery that goes into the queue by its `current` route, or `as_queued`, or unchanged.

    Its options keep the first route as `asQueued`, and in `retry` which of the three it was, and `why` it is unchanged.

    Raises:
        UnreadableDelivery: its options, or its terms by that route, can't be read.
    """
    options = options_of(row)
    before = {key: getattr(row, column) for column, key in _COLUMNS.items()}
    before |= {key: options.get(key) for key in ("destination", "terms")}
    first = options.get("asQueued", before)
    if current:
        columns = route_columns(current.destination, current.route)
        now = {key: columns[column] for column, key in _COLUMNS.items()}
        now |= {"destination": columns["destination"], "terms": asdict(delivery.terms.for_queue(current.retry_hours))}
    else:
        now = first if as_queued else before
    try:
        terms = Terms.from_json(now["terms"])
    except (TypeError, ValueError) as error:
        raise UnreadableDelivery(f"the delivery can't be read: its terms: {error}") from error
    changed = {
        "destination": now["destination"],
        "terms": asdict(terms if terms.queued else terms.for_queue(RETRY_HOURS)),
        "asQueued": first,
        "retry": {"route": "flow" if current else "asQueued" if as_queued else "unchanged", "why": why},
    }
    return {column: now[key] for column, key in _COLUMNS.items()} | {"options": json.dumps({**options, **changed})}
