"""Deliveries: what has become of each mail, and what a person may do about it."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import Field

from mailnode.delivery.admin import InDoubt
from mailnode.delivery.delivery import ShownState
from mailnode.delivery.history import MOST_HOURS
from mailnode.store.sql import CURSOR_PATTERN, Cursor
from mailnode.web.api.problem import PROBLEMS, ApiModel
from mailnode.web.json_safe import whole
from mailnode.web.site import SiteHere

router = APIRouter(prefix="/api/deliveries", tags=["deliveries"], responses=PROBLEMS)

MOST_AT_ONCE = 500


class _Facts(ApiModel):
    """What every look at a delivery tells; times are Unix ms, and `error` is the last one's words."""

    delivery_id: str
    state: ShownState
    created_at: int
    updated_at: int
    message_id: str
    reverse_path: str | None = Field(alias="from")
    to: list[str]
    connection: str
    host: str
    run: str | None
    node: str | None
    error: str | None
    due_at: int | None


class DeliverySummary(_Facts):
    """One line of the list; `attempts` is how many there were."""

    attempts: int


class DeliveryPage(ApiModel):
    """A page of the list, the latest first; `next` gives the page after it as `after`, and null is the end."""

    deliveries: list[DeliverySummary]
    next: str | None


class Recipient(ApiModel):
    """What a server said of one recipient."""

    address: str
    field: str
    status: str
    reply_code: int | None
    enhanced_status_code: str | None
    reply_text: str


class Attempt(ApiModel):
    """One try: what ended it, what to do about that, and what was said, without secrets."""

    number: int
    started_at: int
    ended_at: int | None
    phase: str | None
    code: str | None
    reply_code: int | None
    message: str | None
    hint: str
    dialogue: str


class Origin(ApiModel):
    """The flow that a delivery comes from."""

    file: str
    flow: str


class RetryRoute(ApiModel):
    """By which route a person had it sent again: as its flow said by then, as it was queued, or unchanged, and why."""

    route: Literal["flow", "asQueued", "unchanged"]
    why: str


class Delivery(_Facts):
    """All that is known of one; `result` is what the flow got, and null while there is none.

    `origin` is null for one that comes from no flow file, and `retry` while nobody had it sent again.
    """

    hint: str
    expires_at: int
    port: int
    message_size: int
    key: str | None
    recipients: list[Recipient]
    attempts: list[Attempt]
    result: dict[str, Any] | None
    origin: Origin | None
    retry: RetryRoute | None


class HistoryBucket(ApiModel):
    """What happened from `at` (Unix ms) on; `waiting` is how many did at its end."""

    at: int
    accepted: int
    failed: int
    in_doubt: int
    waiting: int


class History(ApiModel):
    """Counts over time, the oldest first; the last bucket is not over."""

    hours: int
    bucket_ms: int
    buckets: list[HistoryBucket]


class RetryRequest(ApiModel):
    """How sure a person is that a mail whose answer never came may be sent once more, and by which route it goes.

    `asQueued` has it go by the route that it was queued with, whatever its flow says by now.
    """

    is_sure: bool = False
    as_queued: bool = False


@router.get("")
async def list_deliveries(
    site: SiteHere,
    state: Annotated[Sequence[ShownState], Query(description="Only these; may be repeated.")] = (),
    connection: Annotated[str | None, Query(max_length=200)] = None,
    recipient: Annotated[str | None, Query(max_length=320, description="An address, or a part of one.")] = None,
    run: Annotated[str | None, Query(max_length=200)] = None,
    after: Annotated[str | None, Query(pattern=CURSOR_PATTERN, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 50,
) -> DeliveryPage:
    """List deliveries, the latest first, by pages."""
    found = await site.mailnode.deliveries.list(
        states=state,
        connection=connection,
        recipient=recipient,
        run=run,
        after=Cursor.parse(after) if after else None,
        limit=limit + 1,
    )
    last = found[limit - 1] if len(found) > limit else None
    return DeliveryPage(
        deliveries=[DeliverySummary.model_validate(one) for one in whole(found[:limit])],
        next=str(Cursor(last["createdAt"], last["deliveryId"])) if last else None,
    )


@router.get("/history")
async def show_history(site: SiteHere, hours: Annotated[int, Query(ge=1, le=MOST_HOURS)] = 24) -> History:
    """Count how many were accepted, failed, stayed in doubt, and waited, over the hours up to now."""
    return History.model_validate(await site.mailnode.deliveries.history(hours))


@router.get("/{delivery_id}")
async def show_delivery(site: SiteHere, delivery_id: str) -> Delivery:
    """Give all that is known of one delivery, by its id, the beginning of that, or its Message-ID."""
    return Delivery.model_validate(whole(await site.mailnode.deliveries.show(delivery_id)))


@router.post("/{delivery_id}/retry")
async def retry_delivery(
    site: SiteHere,
    delivery_id: str,
    retry: Annotated[RetryRequest, Body()] = RetryRequest(),  # noqa: B008 -- a value
) -> Delivery:
    """Put one into the queue once more; whom a server has accepted it for does not get it again.

    The mail stays what it was, and goes by the route (server, connection, EHLO name) that its flow says by now; `retry`
    of the answer says if it could not. With `asQueued` it goes by the route that it was queued with.

    One that may have been accepted already (409) is sent only if you say that you are sure.
    """
    try:
        retried = await site.mailnode.deliveries.retry(delivery_id, is_sure=retry.is_sure, as_queued=retry.as_queued)
        return await show_delivery(site, retried)
    except InDoubt as error:
        error.hint = 'ask them, or look for its Message-ID in the server\'s log; then say {"isSure": true}'
        raise


@router.post("/{delivery_id}/cancel")
async def cancel_delivery(site: SiteHere, delivery_id: str) -> Delivery:
    """Take one out of the queue, or end one that is held, so that it is not sent."""
    return await show_delivery(site, await site.mailnode.deliveries.cancel(delivery_id))
