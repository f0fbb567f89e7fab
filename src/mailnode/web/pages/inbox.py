"""The inbox: what was caught, and one mail as its reader would see it, with nothing of it at work."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from mailnode.errors import ErrorCode, UsageError
from mailnode.web.api.inbox import BodyPart, CaughtMail, Mail, Number, clear_inbox, show_mail, summary
from mailnode.web.json_safe import MOST_CHARACTERS
from mailnode.web.live import Live
from mailnode.web.page import render
from mailnode.web.paged import Choice
from mailnode.web.previews import frame
from mailnode.web.safe_html import MAIL_POLICY
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/inbox", include_in_schema=False)


AT_ONCE = 50
# So many are looked at for one page; the next one goes on there.
MOST_LOOKED_AT = 500


class InboxChoice(Choice):
    """Which emails a reader has chosen to see; `after` is the number of the last one on the page before."""

    NAME = "inbox"

    after: str = Field("", pattern=r"^[0-9]{0,17}$")
    search: str = Field("", max_length=200)


Chosen = Annotated[InboxChoice, Query()]


@router.get("")
def show_list(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """List what was caught."""
    page = render(request, "records/inbox.html", choice=choice, table=_table(request, site, choice).html)
    page.headers["HX-Push-Url"] = choice.address()
    return page


@router.get("/live/table")
def renew_table(request: Request, site: SiteHere, choice: Chosen) -> Response:
    """Give the list anew when it has changed."""
    return _table(request, site, choice).answer(request)


@router.delete("")
def clear(request: Request, site: SiteHere) -> Response:
    """Throw all mails away."""
    clear_inbox(site)
    return _table(request, site, InboxChoice(after="", search="")).answer(request)


@router.get("/{number}")
async def show_one(request: Request, site: SiteHere, number: Number) -> Response:
    """Open a mail; of one that is too much for that show the source alone."""
    received = site.inbox.get(number)
    try:
        mail: Mail | CaughtMail = await show_mail(site, number)
    except UsageError as error:
        if error.code != ErrorCode.MAIL_NOT_SHOWN:
            raise
        mail = summary(received)
    source = received.octets()
    shown = source[:MOST_CHARACTERS].decode("utf-8", "replace").replace("\r\n", "\n")
    left = max(len(source) - MOST_CHARACTERS, 0)
    return render(
        request,
        "records/mail.html",
        mail=mail,
        source=shown,
        left=left,
        numbers=site.inbox.around(number),
        **_head(mail),
    )


@router.get("/{number}/html")
async def show_html(site: SiteHere, number: Number, *, dark: bool = False) -> Response:
    """Give the HTML of a mail as a document for a frame, in which nothing runs and which asks nobody for anything."""
    body = await site.reader.body(site.inbox.get(number))
    return HTMLResponse(frame(body, dark=dark), headers={"Content-Security-Policy": MAIL_POLICY})


def _head(mail: Mail | CaughtMail) -> dict[str, Any]:
    """Give what a reader looks for first: to whom it is, and which files came with it."""
    if not isinstance(mail, Mail):
        return {"to": ", ".join(mail.rcpt_to), "cc": "", "files": []}
    to, cc = (", ".join(one.value for one in mail.header_fields if one.name.lower() == name) for name in ("to", "cc"))
    return {"to": to, "cc": cc, "files": list(_files(mail.root))}


def _table(request: Request, site: Site, choice: InboxChoice) -> Live:
    mails: list[CaughtMail] = []
    next_ = ""
    looked_at = None
    found = site.inbox.latest(search=choice.search, before=int(choice.after) if choice.after else None)
    for count, (received, fits) in enumerate(found):
        if len(mails) == AT_ONCE or count == MOST_LOOKED_AT:
            next_ = str(looked_at)
            break
        looked_at = received.number
        if fits:
            mails.append(summary(received))
    return choice.table(request, mails=mails, next=next_, inbox_port=site.inbox_port)


def _files(part: BodyPart) -> Iterator[BodyPart]:
    """Give the body parts that a reader would call attachments."""
    if not part.parts and (part.disposition == "attachment" or part.filename):
        yield part
    for inner in part.parts:
        yield from _files(inner)
