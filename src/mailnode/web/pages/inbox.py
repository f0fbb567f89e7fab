"""The inbox: what was caught, and one mail as its reader would see it, with nothing of it at work."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from mailnode.errors import ErrorCode, UsageError
from mailnode.web.api.inbox import CaughtMail, Mail, Number, clear_inbox, list_mails, show_mail
from mailnode.web.json_safe import MOST_CHARACTERS, whole
from mailnode.web.live import Live, Part, live
from mailnode.web.page import render
from mailnode.web.previews import frame
from mailnode.web.safe_html import MAIL_POLICY
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/inbox", include_in_schema=False)


@router.get("")
def show_list(request: Request, site: SiteHere) -> Response:
    """List what was caught."""
    return render(request, "records/inbox.html", table=_table(request, site).html)


@router.get("/live/table")
def renew_table(request: Request, site: SiteHere) -> Response:
    """Give the list anew when it has changed."""
    return _table(request, site).answer(request)


@router.delete("")
def clear(request: Request, site: SiteHere) -> Response:
    """Throw all mails away."""
    clear_inbox(site)
    return _table(request, site).answer(request)


@router.get("/{number}")
async def show_one(request: Request, site: SiteHere, number: Number) -> Response:
    """Open a mail; of one that is too much for that show the source alone."""
    received = site.inbox.get(number)
    try:
        mail: Mail | CaughtMail = await show_mail(site, number)
    except UsageError as error:
        if error.code != ErrorCode.MAIL_NOT_SHOWN:
            raise
        mail = CaughtMail.model_validate(whole(received.to_json()))
    source = received.octets()
    shown = source[:MOST_CHARACTERS].decode("utf-8", "replace").replace("\r\n", "\n")
    left = max(len(source) - MOST_CHARACTERS, 0)
    return render(request, "records/mail.html", mail=mail, source=shown, left=left, numbers=_around(site, number))


@router.get("/{number}/html")
async def show_html(site: SiteHere, number: Number, *, dark: bool = False) -> Response:
    """Give the HTML of a mail as a document for a frame, in which nothing runs and which asks nobody for anything."""
    body = await site.reader.body(site.inbox.get(number))
    return HTMLResponse(frame(body, dark=dark), headers={"Content-Security-Policy": MAIL_POLICY})


def _table(request: Request, site: Site) -> Live:
    part = Part("inbox", "records/inbox_table.html", "/inbox/live/table")
    return live(request, part, mails=list_mails(site), inbox_port=site.inbox_port)


def _around(site: Site, number: int) -> tuple[int | None, int | None]:
    """Give the numbers of the mails before and after one."""
    numbers = [one.number for one in site.inbox.messages()]
    before = max((one for one in numbers if one < number), default=None)
    return before, min((one for one in numbers if one > number), default=None)
