"""The exact mail that a node would send, and that mail as a test."""

import asyncio
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import ConfigDict, Field

from mailnode.errors import MailnodeError
from mailnode.flow.dry_run import DryRun
from mailnode.message.event_card import read_event
from mailnode.message.text import html_to_text
from mailnode.message.tree import Part
from mailnode.node.send_email import Composition
from mailnode.smtp.server import TlsOption
from mailnode.web.api.flows import Draft, State
from mailnode.web.api.inbox import BodyPart, Event
from mailnode.web.api.problem import PROBLEMS, ApiModel, ErrorDetail, error_detail, problem_of
from mailnode.web.api.runs import NodeError
from mailnode.web.base_path import at
from mailnode.web.previews import KeptPreview, images_of
from mailnode.web.safe_html import MAIL_POLICY
from mailnode.web.sentence import sentence
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/api/preview", tags=["preview"], responses=PROBLEMS)

_SOURCE_OCTETS = 100_000


class PreviewRequest(Draft):
    """A draft, the node to preview (by default the first that sends email), and the state to fill it with."""

    node: str | None = None
    input: State = {}
    context: State = {}

    def dry_run(self, site: Site) -> DryRun:
        """Read the draft.

        Raises:
            MailnodeError: it is not a flow.
        """
        _, document = self.read()
        document = replace(document, folder=site.flow_files.folder)
        return site.mailnode.dry_run(document, self.node, input=self.input, context=self.context)


class TestRequest(PreviewRequest):
    """The same, and where the test goes: "inbox", or an address, by the node's own server."""

    to: Annotated[str, Field(min_length=1, max_length=1000)]


class Preview(ApiModel):
    """An email; `html` and `message` are paths to fetch it for a while, `source` is the beginning of its source."""

    host: str
    port: int
    tls_option: TlsOption
    connection: str
    envelope_from: str
    recipients: list[str]
    header_fields: list[tuple[str, str]]
    text: str
    html: str
    message: str
    source: str
    size: int
    root: BodyPart
    warnings: list[str]
    invitation: Event | None


class Previewed(ApiModel):
    """All errors of the draft, and the email of its node, null if that cannot be made."""

    errors: list[ErrorDetail]
    preview: Preview | None


class TestedEmail(ApiModel):
    """What became of a test; it has more fields of a MailResult, and `inbox` where it is in the inbox."""

    model_config = ConfigDict(extra="allow")

    status: str
    error: NodeError | None = None


@router.post("")
async def preview(site: SiteHere, request: PreviewRequest) -> Previewed:
    """Compose the email of a node and list all errors of the flow; nothing is sent or saved."""
    try:
        dry_run = await asyncio.to_thread(request.dry_run, site)
        errors = await asyncio.to_thread(dry_run.errors)
        blocking = [error for error in errors if request.node in {None, error.node}]
        made = None if blocking else await dry_run.compose()
    except MailnodeError as error:
        return Previewed(errors=problem_of(error).errors, preview=None)
    shown = await preview_of(site, made) if made else None
    return Previewed(errors=[error_detail(error) for error in errors], preview=shown)


@router.post("/test", response_model=TestedEmail, response_model_exclude_unset=True)
async def send_test(site: SiteHere, request: TestRequest) -> dict[str, Any]:
    """Send the email of a node as a test and return the result; nothing is stored in the flow."""
    dry_run = await asyncio.to_thread(request.dry_run, site)
    if request.to == "inbox":
        outcome = await dry_run.send_to_port(site.inbox_port)
        return {"status": "sent", "messageId": outcome.message_id, "accepted": list(outcome.accepted), "inbox": True}
    return dict(await dry_run.send_to(request.to))


@router.get("/{number}/html", response_class=Response)
async def preview_html(site: SiteHere, number: str, *, dark: bool = False) -> Response:
    """Show the HTML of a preview, made harmless, for a frame."""
    kept = site.previews.get(number)
    return Response(kept.frame(dark=dark), media_type="text/html", headers={"Content-Security-Policy": MAIL_POLICY})


@router.get("/{number}/message", response_class=Response)
async def preview_message(site: SiteHere, number: str) -> Response:
    """Download the message of a preview, byte for byte."""
    kept = site.previews.get(number)
    headers = {"Content-Disposition": 'attachment; filename="preview.eml"'}
    return Response(kept.octets, media_type="message/rfc822", headers=headers)


async def _body(site: Site, made: Composition) -> str:
    return await site.reader.harmless(made.email.html, images_of(made.email)) if made.email.html else ""


async def preview_of(site: Site, made: Composition) -> Preview:
    """Keep a composed email for a browser, and give what is shown of it."""
    kept = site.previews.keep(made, await _body(site, made))
    return await asyncio.to_thread(_shown, made, kept)


def _numbered(part: Part, number: str) -> BodyPart:
    """Give a part with its place, as the inbox counts them."""
    inner = [_numbered(one, f"{number}.{place}") for place, one in enumerate(part.parts, 1)]
    return BodyPart.model_validate({**part.to_json(), "number": number, "parts": inner})


def _shown(made: Composition, kept: KeptPreview) -> Preview:
    message, server = made.message, made.route.server
    event = read_event(message.calendar) if message.calendar else None
    return Preview(
        host=server.host,
        port=server.port,
        tls_option=server.tls_option,
        connection=made.route.connection,
        envelope_from=message.envelope.reverse_path or "",
        recipients=list(message.envelope.forward_paths),
        header_fields=[(name, value) for name, value in message.header_fields],
        text=made.email.text if made.email.text is not None else html_to_text(made.email.html or ""),
        html=at(f"/api/preview/{kept.number}/html") if made.email.html else "",
        message=at(f"/api/preview/{kept.number}/message"),
        source=kept.octets[:_SOURCE_OCTETS].decode("utf-8", "replace"),
        size=message.size,
        root=_numbered(message.root, "1"),
        warnings=[sentence(warning) for warning in made.warnings],
        invitation=Event.model_validate(event.to_json()) if event else None,
    )
