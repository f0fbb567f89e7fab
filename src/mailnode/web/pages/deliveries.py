"""The deliveries: the list with its chart, and one with all that is known of it."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import BeforeValidator, Field

from mailnode.delivery.admin import InDoubt
from mailnode.delivery.bulk import MOST_AT_ONCE, Action, cancel_all, find_all, retry_all
from mailnode.delivery.delivery import FINAL_STATES, SENDING, SHOWN_STATES, AskedState, asked_states
from mailnode.delivery.history import MOST_HOURS
from mailnode.delivery.pages import Filter
from mailnode.errors import MailnodeError
from mailnode.store.sql import Cursor
from mailnode.web.api.deliveries import (
    Delivery,
    RetryRequest,
    cancel_delivery,
    page_of,
    retry_delivery,
    show_delivery,
    show_history,
)
from mailnode.web.api.problem import error_detail
from mailnode.web.chart import HEIGHT, WIDTH, draw
from mailnode.web.json_safe import json_text
from mailnode.web.live import Live, Part, live
from mailnode.web.live import Query as QueryPairs
from mailnode.web.page import render
from mailnode.web.paged import Choice
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/deliveries", include_in_schema=False)

# More flows are found by typing their names.
MOST_SUGGESTED = 200
SPANS = ((1, "1 hour"), (24, "24 hours"), (168, "7 days"), (720, "30 days"))
_CHART_SECONDS = 5
_FILTERED = ("queued", "sending", *(state for state in SHOWN_STATES if state not in {"queued", *SENDING}))


# As a form sends a day, or none.
_Day = Annotated[
    Annotated[date, Field(ge=date(1971, 1, 1), le=date(9000, 1, 1))] | None, BeforeValidator(lambda day: day or None)
]


class DeliveryChoice(Choice):
    """Which deliveries a reader has chosen to see, and of how many hours the chart tells."""

    NAME = "deliveries"
    NO_FILTERS = frozenset({"after", "hours", "zone"})

    state: AskedState | Literal[""] = ""
    connection: str = Field("", max_length=200)
    recipient: str = Field("", max_length=320)
    run: str = Field("", max_length=200)
    flow: str = Field("", max_length=400)
    app: str = Field("", max_length=200)
    subject: str = Field("", max_length=200)
    since: _Day = None
    until: _Day = None
    # The reader's time zone, in which those days begin and end.
    zone: str = Field("", max_length=100)
    hours: int = Field(24, ge=1, le=MOST_HOURS)

    def pairs(self, **changed: str | int) -> QueryPairs:
        """Give it as a query, with the zone only where it matters."""
        has_days = self.since is not None or self.until is not None
        return tuple(pair for pair in super().pairs(**changed) if has_days or pair[0] != "zone")

    @property
    def wanted(self) -> Filter:
        """The page of the list that it is; UsageError if `after` is no cursor."""
        it = self.stripped()
        return Filter(
            states=asked_states([it.state]) if it.state else (),
            connection=it.connection or None,
            recipient=it.recipient or None,
            run=it.run or None,
            flow=it.flow or None,
            app=it.app or None,
            subject=it.subject or None,
            since=_begin_ms(it.since, it.zone) if it.since else None,
            until=_begin_ms(it.until + timedelta(days=1), it.zone) if it.until else None,
            after=Cursor.parse(it.after) if it.after else None,
        )


class BulkChoice(DeliveryChoice):
    """The deliveries that were ticked, or if none were all that the list shows, on all its pages."""

    id: list[Annotated[str, Field(max_length=64)]] = Field([], max_length=MOST_AT_ONCE)


Chosen = Annotated[DeliveryChoice, Query()]


@router.get("")
async def show_list(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """List deliveries, with a chart of what became of them."""
    page = render(
        request,
        "records/deliveries.html",
        choice=choice,
        states=_FILTERED,
        flows=[flow.name for flow in site.flow_files.listed()[:MOST_SUGGESTED]],
        apps=[one["name"] for one in await site.mailnode.apps.list()],
        connections=[one["name"] for one in await site.mailnode.connections.list()],
        chart=(await _chart(request, site, choice)).html,
        table=(await _table(request, site, choice)).html,
    )
    page.headers["HX-Push-Url"] = choice.address()
    return page


@router.get("/live/table")
async def renew_table(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """Give the list anew when it has changed."""
    return (await _table(request, site, choice)).answer(request)


@router.get("/live/chart")
async def renew_chart(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """Give the chart anew when it has changed."""
    return (await _chart(request, site, choice)).answer(request)


@router.post("/ask/{action}")
async def ask(request: Request, site: SiteHere, action: Action, choice: Annotated[BulkChoice, Form()]) -> Response:
    """Ask before something is done to many, and say to how many."""
    # All pages of the list, from whichever it is asked.
    wanted = Filter(ids=choice.id) if choice.id else replace(choice.wanted, after=None)
    ids = await find_all(site.mailnode.deliveries, action, replace(wanted, limit=MOST_AT_ONCE + 1))
    return render(
        request,
        "records/bulk.html",
        action=action,
        ids=ids[:MOST_AT_ONCE],
        more=len(ids) > MOST_AT_ONCE,
        left_out=len(choice.id) - len(ids) if choice.id else 0,
    )


@router.post("/all/{action}")
async def do_to_all(
    request: Request, site: SiteHere, action: Action, ids: Annotated[str, Form(max_length=50 * MOST_AT_ONCE)]
) -> Response:
    """Do to these what was asked about, and say for which it was not done."""
    work = {"retry": retry_all, "cancel": cancel_all}[action]
    outcome = await work(site.mailnode.deliveries, ids.split()[:MOST_AT_ONCE])
    refused = [(which, error_detail(error)) for which, error in outcome.refused]
    return render(request, "records/bulk_done.html", action=action, done=len(outcome.done), refused=refused)


@router.get("/{delivery_id}")
async def show_one(request: Request, site: SiteHere, delivery_id: str) -> Response:
    """Show one delivery."""
    delivery = await show_delivery(site, delivery_id)
    return render(request, "records/delivery.html", delivery=delivery, part=_part(request, delivery).html)


@router.get("/{delivery_id}/part")
async def renew_one(request: Request, site: SiteHere, delivery_id: str) -> Response:
    """Give what is known of one anew when it has changed."""
    return _part(request, await show_delivery(site, delivery_id)).answer(request)


@router.post("/{delivery_id}/retry")
async def retry(
    request: Request,
    site: SiteHere,
    delivery_id: str,
    is_sure: Annotated[bool, Form(alias="isSure")] = False,
    as_queued: Annotated[bool, Form(alias="asQueued")] = False,
) -> Response:
    """Put one into the queue; where it may have been accepted already, ask first and say why."""
    try:
        delivery = await retry_delivery(site, delivery_id, RetryRequest(is_sure=is_sure, as_queued=as_queued))
    except InDoubt:
        delivery = await show_delivery(site, delivery_id)
        open_ = [one.address for one in delivery.recipients if one.status not in {"accepted", "refused"}]
        asked = render(request, "records/in_doubt.html", delivery=delivery, open=open_, as_queued=as_queued)
        asked.headers.update({"HX-Retarget": "#asked", "HX-Reswap": "innerHTML"})
        return asked
    except MailnodeError as error:
        return await _refused(request, site, delivery_id, error)
    return _part(request, delivery).answer(request)


@router.post("/{delivery_id}/cancel")
async def cancel(request: Request, site: SiteHere, delivery_id: str) -> Response:
    """Take one out of the queue."""
    try:
        return _part(request, await cancel_delivery(site, delivery_id)).answer(request)
    except MailnodeError as error:
        return await _refused(request, site, delivery_id, error)


async def _table(request: Request, site: Site, choice: DeliveryChoice) -> Live:
    page = await page_of(site, choice.wanted)
    return choice.table(request, page=page, inbox_port=site.inbox_port)


async def _chart(request: Request, site: Site, choice: DeliveryChoice) -> Live:
    chart = draw(await show_history(site, choice.hours))
    part = Part("chart", "records/chart.html", "/deliveries/live/chart", choice.pairs(), _CHART_SECONDS)
    return live(request, part, choice=choice, chart=chart, spans=SPANS, width=WIDTH, height=HEIGHT)


async def _refused(request: Request, site: Site, delivery_id: str, error: MailnodeError) -> Response:
    return _part(request, await show_delivery(site, delivery_id), error).answer(request)


def _part(request: Request, delivery: Delivery, error: MailnodeError | None = None) -> Live:
    part = Part("delivery", "records/delivery_part.html", f"/deliveries/{delivery.delivery_id}/part")
    return live(
        request,
        part,
        is_live=delivery.state not in FINAL_STATES,
        delivery=delivery,
        result=json_text(delivery.result) if delivery.result else "",
        problem=error_detail(error) if error else None,
    )


def _begin_ms(day: date, zone: str) -> int:
    """Give when a day begins (Unix ms)."""
    return int(datetime.combine(day, time(), _zone(zone)).timestamp() * 1000)


def _zone(name: str) -> tzinfo | None:
    """Give the reader's time zone, or the server's where it is not known."""
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None
