"""Deliveries: what has become of each mail, and what a person may do about it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import Field

from mailnode.delivery.admin import InDoubt
from mailnode.delivery.bulk import Action, BulkOutcome, cancel_all, find_all, retry_all
from mailnode.delivery.delivery import ShownState
from mailnode.delivery.history import MOST_HOURS
from mailnode.delivery.pages import Filter
from mailnode.web.api.delivery_filter import ChosenDeliveries, ListedDeliveries, RetriedDeliveries
from mailnode.web.api.problem import PROBLEMS, ApiModel, ErrorDetail, error_detail
from mailnode.web.json_safe import whole
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/api/deliveries", tags=["deliveries"], responses=PROBLEMS)


class _Facts(ApiModel):
    """What is shown of every delivery; times are Unix ms, and `error` is the message of the last error.

    `app` is the program that handed it in by SMTP, and `duplicates` counts how often it did so again, in vain.
    """

    delivery_id: str
    state: ShownState
    created_at: int
    updated_at: int
    message_id: str
    reverse_path: str | None = Field(alias="from")
    to: list[str]
    connection: str
    host: str
    port: int
    subject: str
    flow: str | None
    run: str | None
    node: str | None
    app: str | None
    duplicates: int
    error: str | None
    due_at: int | None


class DeliverySummary(_Facts):
    """One line of the list; `attempts` counts them."""

    attempts: int


class DeliveryPage(ApiModel):
    """A page of the list, the latest first; `next` is the `after` of the next page, and null on the last one."""

    deliveries: list[DeliverySummary]
    next: str | None


class Recipient(ApiModel):
    """A recipient, and what the server replied for it."""

    address: str
    field: str
    status: str
    reply_code: int | None
    enhanced_status_code: str | None
    reply_text: str


class Attempt(ApiModel):
    """One attempt: what ended it, what to do about that, and the SMTP dialogue without secrets."""

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
    """The route of the last retry: as its flow said then, as it was queued, or unchanged, and why."""

    route: Literal["flow", "asQueued", "unchanged"]
    why: str


class Delivery(_Facts):
    """Everything about a delivery; `result` is what the flow got, and null while there is none.

    `origin` is null if it comes from no flow file, and `retry` if it was never retried.
    """

    hint: str
    expires_at: int
    message_size: int
    key: str | None
    recipients: list[Recipient]
    attempts: list[Attempt]
    result: dict[str, Any] | None
    origin: Origin | None
    retry: RetryRoute | None


class RefusedDelivery(ApiModel):
    """A delivery for which it was not done, and why."""

    delivery_id: str
    error: ErrorDetail


class BulkAnswer(ApiModel):
    """For which it was done, or with `dryRun` would be; for which it was not; and whether more fit than `limit`."""

    delivery_ids: list[str]
    refused: list[RefusedDelivery]
    more: bool


class HistoryBucket(ApiModel):
    """What happened from `at` (Unix ms) on; `waiting` counts those that waited at its end."""

    at: int
    accepted: int
    failed: int
    in_doubt: int
    waiting: int


class History(ApiModel):
    """Counts over time, the oldest first; the last bucket is not over yet."""

    hours: int
    bucket_ms: int
    buckets: list[HistoryBucket]


class RetryRequest(ApiModel):
    """Whether an email whose outcome is unknown may be sent again (`isSure`), and by which route it goes.

    With `asQueued` that is the route with which it was queued, whatever its flow says now.
    """

    is_sure: bool = False
    as_queued: bool = False


@router.get("")
async def list_deliveries(site: SiteHere, wanted: Annotated[ListedDeliveries, Query()]) -> DeliveryPage:
    """List deliveries, the latest first, by pages.

    With `subject` a page may hold fewer than `limit`, or none, though there is a next one: so many are looked at.
    """
    return await page_of(site, wanted.page)


async def page_of(site: Site, wanted: Filter) -> DeliveryPage:
    """Give a page of the list."""
    page = await site.mailnode.deliveries.page(wanted)
    return DeliveryPage(
        deliveries=[DeliverySummary.model_validate(one) for one in whole(page["deliveries"])],
        next=str(page["next"]) if page["next"] else None,
    )


@router.post("/retry")
async def retry_deliveries(site: SiteHere, chosen: RetriedDeliveries) -> BulkAnswer:
    """Retry many deliveries: each as if it were retried alone.

    Filters mean those that are queued, interrupted, partial, failed, unknown or held, and cancelled ones only where
    `state` says so. Those that may have been accepted already are refused unless `isSure` is true.
    """
    return await _in_bulk(
        site,
        "retry",
        chosen,
        lambda ids: retry_all(site.mailnode.deliveries, ids, is_sure=chosen.is_sure, as_queued=chosen.as_queued),
    )


@router.post("/cancel")
async def cancel_deliveries(site: SiteHere, chosen: ChosenDeliveries) -> BulkAnswer:
    """Cancel many deliveries: each as if it were cancelled alone. Filters mean those that are still to be sent."""
    return await _in_bulk(site, "cancel", chosen, lambda ids: cancel_all(site.mailnode.deliveries, ids))


@router.get("/history")
async def show_history(site: SiteHere, hours: Annotated[int, Query(ge=1, le=MOST_HOURS)] = 24) -> History:
    """Count the accepted, failed, unknown and waiting ones over the last hours."""
    return History.model_validate(await site.mailnode.deliveries.history(hours))


@router.get("/{delivery_id}")
async def show_delivery(site: SiteHere, delivery_id: str) -> Delivery:
    """Show one delivery, by its id, the beginning of the id, or its Message-ID."""
    return Delivery.model_validate(whole(await site.mailnode.deliveries.show(delivery_id)))


@router.post("/{delivery_id}/retry")
async def retry_delivery(
    site: SiteHere,
    delivery_id: str,
    retry: Annotated[RetryRequest, Body()] = RetryRequest(),  # noqa: B008 -- a value
) -> Delivery:
    """Retry a delivery; recipients for whom a server has accepted it do not get it again.

    The email is unchanged, and goes by the route (server, connection, EHLO name) that its flow has now; `retry` in the
    answer says if it could not. With `asQueued` it goes by the route with which it was queued.

    A delivery that may have been accepted already (409) is sent only with `isSure`.
    """
    try:
        retried = await site.mailnode.deliveries.retry(delivery_id, is_sure=retry.is_sure, as_queued=retry.as_queued)
        return await show_delivery(site, retried)
    except InDoubt as error:
        error.hint = 'ask them, or look for its Message-ID in the server\'s log; then say {"isSure": true}'
        raise


@router.post("/{delivery_id}/cancel")
async def cancel_delivery(site: SiteHere, delivery_id: str) -> Delivery:
    """Cancel a delivery that is queued or held, so that it is not sent."""
    return await show_delivery(site, await site.mailnode.deliveries.cancel(delivery_id))


async def _in_bulk(
    site: Site, action: Action, chosen: ChosenDeliveries, do: Callable[[list[str]], Awaitable[BulkOutcome]]
) -> BulkAnswer:
    found = chosen.delivery_ids
    if found is None:
        found = await find_all(site.mailnode.deliveries, action, chosen.filter(limit=chosen.limit + 1))
    ids = found[: chosen.limit]
    outcome = BulkOutcome(done=ids) if chosen.dry_run else await do(ids)
    refused = [RefusedDelivery(delivery_id=which, error=error_detail(error)) for which, error in outcome.refused]
    return BulkAnswer(delivery_ids=outcome.done, refused=refused, more=len(found) > len(ids))
