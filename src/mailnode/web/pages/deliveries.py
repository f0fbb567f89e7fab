"""The deliveries: the list with its chart, and one with all that is known of it."""

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from mailnode.delivery.admin import InDoubt
from mailnode.delivery.delivery import FINAL_STATES, SHOWN_STATES, ShownState
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
from mailnode.web.live import Query as Pairs
from mailnode.web.page import render
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/deliveries", include_in_schema=False)

SPANS = ((1, "1 hour"), (24, "24 hours"), (168, "7 days"), (720, "30 days"))
_CHART_SECONDS = 5
_SENDING: tuple[ShownState, ...] = ("claimed", "handingOver")
_FILTERED = ("queued", "sending", *(state for state in SHOWN_STATES if state not in {"queued", *_SENDING}))


class Choice(BaseModel):
    """What a reader has chosen to see."""

    state: ShownState | Literal["", "sending"] = ""
    connection: str = Field("", max_length=200)
    recipient: str = Field("", max_length=320)
    run: str = Field("", max_length=200)
    after: str = Field("", max_length=220)
    hours: int = Field(24, ge=1, le=MOST_HOURS)

    def pairs(self, **changed: str | int) -> Pairs:
        """Give it as a query, without what is so anyhow."""
        chosen = {**self.model_dump(exclude_defaults=True), **changed}
        return tuple((name, str(value)) for name, value in chosen.items() if value != "")

    def address(self, **changed: str | int) -> str:
        """Give the address of the page that shows it."""
        return f"/deliveries?{urlencode(self.pairs(**changed))}".removesuffix("?")

    @property
    def states(self) -> tuple[ShownState, ...]:
        """The states of those that are shown; none where all are."""
        if self.state == "sending":
            return _SENDING
        return (self.state,) if self.state else ()

    @property
    def is_filter(self) -> bool:
        """Whether it leaves any delivery out."""
        return bool(self.state or self.connection or self.recipient or self.run)


Chosen = Annotated[Choice, Query()]


@router.get("")
async def show_list(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """List deliveries, with a chart of what became of them."""
    page = render(
        request,
        "ledger/deliveries.html",
        choice=choice,
        states=_FILTERED,
        connections=[one["name"] for one in await site.mailnode.connections.list()],
        chart=(await _chart(request, site, choice)).html,
        table=(await _table(request, site, choice)).html,
    )
    page.headers["HX-Push-Url"] = choice.address()
    return page


@router.get("/table")
async def renew_table(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """Give the list anew when it has changed."""
    return (await _table(request, site, choice)).answer(request)


@router.get("/chart")
async def renew_chart(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """Give the chart anew when it has changed."""
    return (await _chart(request, site, choice)).answer(request)


@router.get("/{delivery_id}")
async def show_one(request: Request, site: SiteHere, delivery_id: str) -> Response:
    """Show one delivery."""
    delivery = await show_delivery(site, delivery_id)
    return render(request, "ledger/delivery.html", delivery=delivery, part=_part(request, delivery).html)


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
        asked = render(request, "ledger/in_doubt.html", delivery=delivery, open=open_, as_queued=as_queued)
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


async def _table(request: Request, site: Site, choice: Choice) -> Live:
    page = await list_deliveries(
        site,
        state=choice.states,
        connection=choice.connection or None,
        recipient=choice.recipient.strip() or None,
        run=choice.run.strip() or None,
        after=choice.after or None,
    )
    part = Part("deliveries", "ledger/deliveries_table.html", "/deliveries/table", choice.pairs())
    return live(request, part, choice=choice, page=page, inbox_port=site.inbox_port)


async def _chart(request: Request, site: Site, choice: Choice) -> Live:
    chart = draw(await show_history(site, choice.hours))
    part = Part("chart", "ledger/chart.html", "/deliveries/chart", choice.pairs(), _CHART_SECONDS)
    return live(request, part, choice=choice, chart=chart, spans=SPANS, width=WIDTH, height=HEIGHT)


async def _refused(request: Request, site: Site, delivery_id: str, error: MailnodeError) -> Response:
    return _part(request, await show_delivery(site, delivery_id), error).answer(request)


def _part(request: Request, delivery: Delivery, error: MailnodeError | None = None) -> Live:
    part = Part("delivery", "ledger/delivery_part.html", f"/deliveries/{delivery.delivery_id}/part")
    return live(
        request,
        part,
        is_live=delivery.state not in FINAL_STATES,
        delivery=delivery,
        result=json_text(delivery.result) if delivery.result else "",
        problem=error_detail(error) if error else None,
    )
