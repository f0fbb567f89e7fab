"""The deliveries: the list with its chart, and one with all that is known of it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import Field

from mailnode.delivery.admin import InDoubt
from mailnode.delivery.delivery import FINAL_STATES, SENDING, SHOWN_STATES, AskedState
from mailnode.delivery.history import MOST_HOURS
from mailnode.errors import MailnodeError
from mailnode.web.api.deliveries import (
    Delivery,
    RetryRequest,
    cancel_delivery,
    list_deliveries,
    retry_delivery,
    show_delivery,
    show_history,
)
from mailnode.web.api.problem import error_detail
from mailnode.web.chart import HEIGHT, WIDTH, draw
from mailnode.web.json_safe import json_text
from mailnode.web.live import Live, Part, live
from mailnode.web.page import render
from mailnode.web.paged import Choice
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/deliveries", include_in_schema=False)

SPANS = ((1, "1 hour"), (24, "24 hours"), (168, "7 days"), (720, "30 days"))
_CHART_SECONDS = 5
_FILTERED = ("queued", "sending", *(state for state in SHOWN_STATES if state not in {"queued", *SENDING}))


class DeliveryChoice(Choice):
    """Which deliveries a reader has chosen to see, and of how many hours the chart tells."""

    NAME = "deliveries"
    NO_FILTERS = frozenset({"after", "hours"})

    state: AskedState | Literal[""] = ""
    connection: str = Field("", max_length=200)
    recipient: str = Field("", max_length=320)
    run: str = Field("", max_length=200)
    hours: int = Field(24, ge=1, le=MOST_HOURS)

    @property
    def states(self) -> tuple[AskedState, ...]:
        """The states of those that are shown; none where all are."""
        return (self.state,) if self.state else ()


Chosen = Annotated[DeliveryChoice, Query()]


@router.get("")
async def show_list(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """List deliveries, with a chart of what became of them."""
    page = render(
        request,
        "records/deliveries.html",
        choice=choice,
        states=_FILTERED,
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
    wanted = choice.stripped()
    page = await list_deliveries(
        site,
        state=wanted.states,
        connection=wanted.connection or None,
        recipient=wanted.recipient or None,
        run=wanted.run or None,
        after=wanted.after or None,
    )
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
