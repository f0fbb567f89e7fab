"""The inbox: what the SMTP server of this machine has caught."""

from itertools import islice
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from mailnode.errors import ErrorCode, UsageError
from mailnode.inbox.folder import Received
from mailnode.message.part import base_name
from mailnode.printable import quoted
from mailnode.web.api.problem import PROBLEMS, ApiModel
from mailnode.web.json_safe import whole
from mailnode.web.site import SiteHere

router = APIRouter(prefix="/api/inbox", tags=["inbox"], responses=PROBLEMS)

MOST_LISTED = 1_000

Number = Annotated[int, Path(ge=0, le=10**17)]


class CaughtMail(ApiModel):
    """An email and its envelope; `receivedAt` is Unix ms, `size` in bytes, and `mailFrom` is "" for <>."""

    number: int
    mail_from: str
    rcpt_to: list[str]
    received_at: int
    size: int
    sender: str = Field(alias="from")
    subject: str


class HeaderField(ApiModel):
    """One header field, decoded."""

    name: str
    value: str


class BodyPart(ApiModel):
    """A body part; `number` is its place, and `size` its bytes: decoded, or in a preview as they are sent."""

    number: str
    media_type: str
    encoding: str
    size: int
    filename: str
    cid: str
    disposition: str
    parts: list["BodyPart"]


class Event(ApiModel):
    """The event of an invitation; times are Unix ms, of an `allDay` one the midnights of UTC of first and last day.

    `zone` is the zone that it is written in, "" for times by anybody's clock.
    """

    method: str
    summary: str
    start: int
    end: int
    all_day: bool
    zone: str
    location: str
    description: str
    url: str
    organizer: str
    attendees: list[str]


class Mail(CaughtMail):
    """An opened email: `text` and `html` are the first ones that are not files, `invitation` its event, if any."""

    header_fields: list[HeaderField]
    root: BodyPart
    text: str | None
    html: str | None
    invitation: Event | None


class ClearedInbox(ApiModel):
    """How many emails were deleted."""

    thrown_away: int


@router.get("")
def list_mails(
    site: SiteHere,
    search: Annotated[str, Query(max_length=200, description="Words in the subject or in an address.")] = "",
    before: Annotated[int | None, Query(ge=0, description="Only those before this number.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = MOST_LISTED,
) -> list[CaughtMail]:
    """List the received emails, the latest first."""
    found = (one for one, fits in site.inbox.latest(search=search, before=before) if fits)
    return [summary(one) for one in islice(found, limit)]


def summary(one: Received) -> CaughtMail:
    """Give an email as lists show it."""
    return CaughtMail.model_validate(whole(one.to_json()))


@router.delete("")
def clear_inbox(site: SiteHere) -> ClearedInbox:
    """Delete all emails."""
    return ClearedInbox(thrown_away=site.inbox.clear())


@router.get("/{number}")
async def show_mail(site: SiteHere, number: Number) -> Mail:
    """Open an email: its header fields, its parts with their sizes, and its text and HTML, at most 1 MB each."""
    received = site.inbox.get(number)
    return Mail.model_validate({**whole(received.to_json()), **await site.reader.opened(received)})


@router.get("/{number}/source", response_class=Response, responses={200: {"content": {"message/rfc822": {}}}})
def download_mail(site: SiteHere, number: Number) -> Response:
    """Download an email byte for byte as it was received."""
    return _file(site.inbox.get(number).octets(), "message/rfc822", f"mail-{number}.eml")


@router.get(
    "/{number}/parts/{part}", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}}
)
async def download_part(site: SiteHere, number: Number, part: str) -> Response:
    """Download a body part, decoded; `part` is its `number`, such as 1.2."""
    found = await site.reader.part(site.inbox.get(number), part)
    if found is None:
        raise UsageError(
            f"mail {number} has no file {quoted(part)}",
            code=ErrorCode.UNKNOWN_MAIL,
            hint="the mail's `root` tells of its parts by their numbers",
        )
    # Of no type that a browser would show, whatever the mail says.
    return _file(found.octets, "application/octet-stream", base_name(found.filename) or f"part-{part}")


def _file(octets: bytes, media_type: str, name: str) -> Response:
    # Without what is not seen: it turns a name around, or ends it.
    seen = "".join(character for character in name if character.isprintable())
    disposition = f"attachment; filename*=UTF-8''{quote(seen, safe='')}"
    return Response(octets, media_type=media_type, headers={"Content-Disposition": disposition})
