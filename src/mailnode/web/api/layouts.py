"""Layouts: the files beside the flows, and how one looks around the content of a flow."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from mailnode.errors import MailnodeError
from mailnode.flow.document import FlowDocument, FlowNode, parse_flow
from mailnode.flow.layout_files import LayoutFile, LayoutFiles, error_in
from mailnode.json_text import json_of
from mailnode.node.digest import SEND_SMTP_EMAIL
from mailnode.node.layout import FOLDER, MOST_BYTES, SUFFIX
from mailnode.web.api.preview import Previewed, preview_of
from mailnode.web.api.problem import PROBLEMS, ApiModel, ErrorDetail, error_detail, problem_of
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/api/layouts", tags=["layouts"], responses=PROBLEMS)

_DRAFT = "draft"
_SAMPLE_CONTENT = """<h2>A heading</h2><p>This is where the content of an email stands, with <a href="https://example.org/">a
link</a>.</p><ul><li>First</li><li>Second</li></ul><p>Kind regards</p>"""
_NEW = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>
<body style="margin: 0; padding: 24px; font-family: Arial, Helvetica, sans-serif; font-size: 16px; line-height: 1.5">
  <div data-content>The content of the email stands here.</div>
  <p style="font-size: 13px; color: #666666">Your company, Street 1, Town</p>
</body>
</html>
"""

Text = Annotated[str, Field(max_length=MOST_BYTES)]


class LayoutSummary(ApiModel):
    """One layout of the folder; `trouble` says why it can't be used, `usedBy` which flows use it."""

    name: str
    modified_at: int
    used_by: list[str]
    trouble: str


class Layout(LayoutSummary):
    """A layout with its text, and what is wrong with it."""

    revision: str
    text: str
    errors: list[ErrorDetail]


class NewLayout(ApiModel):
    """A new layout: with a text, as a copy of another one, or one to begin with."""

    name: str
    copy_of: str | None = None
    text: Text | None = None


class SavedLayout(ApiModel):
    """The text of a layout that replaces the one of this revision; `name` is its new name, if it gets one."""

    text: Text
    revision: str
    name: str | None = None


class LayoutDraft(ApiModel):
    """The text of a layout to look at, around the content of a flow's node, filled with the flow's sample data.

    Without a flow it stands around a sample text; without a node it is the first node that sends email.
    """

    text: Text
    flow: str | None = None
    node: str | None = None


@router.get("")
async def list_layouts(site: SiteHere) -> list[LayoutSummary]:
    """List the layouts."""
    found = await asyncio.to_thread(LayoutFiles(site.flow_files).layouts)
    return [LayoutSummary.model_validate(_summary(one)) for one in found]


@router.post("", status_code=201)
async def create_layout(site: SiteHere, new: NewLayout) -> Layout:
    """Make a new layout."""

    def create(files: LayoutFiles) -> LayoutFile:
        text = new.text if new.text is not None else files.get(new.copy_of).text if new.copy_of else _NEW
        return files.create(new.name, text)

    return await _told(site, create)


@router.get("/{name}")
async def show_layout(site: SiteHere, name: str) -> Layout:
    """Show a layout."""
    return await _told(site, lambda files: files.get(name))


@router.put("/{name}")
async def save_layout(site: SiteHere, name: str, layout: SavedLayout) -> Layout:
    """Save a layout, which may still have errors; one that a flow uses keeps its name."""
    return await _told(site, lambda files: files.save(name, layout.text, layout.revision, layout.name))


@router.delete("/{name}", status_code=204)
async def delete_layout(site: SiteHere, name: str) -> None:
    """Delete a layout that no flow uses."""
    await asyncio.to_thread(LayoutFiles(site.flow_files).delete, name)


@router.post("/preview")
async def preview_layout(site: SiteHere, draft: LayoutDraft) -> Previewed:
    """Show a layout around content, and what is wrong with it; nothing is sent or saved."""
    if error := await asyncio.to_thread(error_in, _DRAFT, draft.text):
        return Previewed(errors=problem_of(error).errors, preview=None)
    with tempfile.TemporaryDirectory(prefix="mailnode-") as place:
        try:
            document, sample = await asyncio.to_thread(_prepared, site, draft, Path(place))
            dry_run = site.mailnode.dry_run(document, input=sample["input"], context=sample["context"])
            return Previewed(errors=[], preview=await preview_of(site, await dry_run.compose()))
        except MailnodeError as error:
            return Previewed(errors=problem_of(error).errors, preview=None)


def _prepared(site: Site, draft: LayoutDraft, place: Path) -> tuple[FlowDocument, dict[str, Any]]:
    """Write the draft where the flow finds it, and give the flow with its sample."""
    (place / FOLDER).mkdir()
    (place / FOLDER / f"{_DRAFT}{SUFFIX}").write_text(draft.text, encoding="utf-8", errors="surrogatepass")
    nodes: tuple[FlowNode, ...] = ()
    sample: dict[str, Any] = {"input": {}, "context": {}}
    if draft.flow:
        nodes = site.flow_files.get(draft.flow).document().nodes
        sample = site.flow_files.sample(draft.flow)
    found = next((one for one in nodes if one.type == SEND_SMTP_EMAIL and draft.node in {None, one.id}), None)
    given = found.settings if found else {"content": _SAMPLE_CONTENT}
    # What would ask for other files, servers or values is not what is looked at.
    attachments = given.get("attachments")
    settings = {
        "attachments": [one for one in attachments if _is_image(one)] if isinstance(attachments, list) else [],
        **{key: value for key, value in given.items() if key in {"content", "subject", "inlineStyles", "dataImages"}},
        "emailService": "other",
        "smtp": {"host": "127.0.0.1", "port": site.inbox_port or 25, "tlsOption": "none"},
        "from": "sender@example.org",
        "to": "reader@example.org",
        "lenient": True,
        "layout": _DRAFT,
    }
    sampled = [{"id": "sample", "type": SEND_SMTP_EMAIL, "settings": settings}]
    text = json_of({"version": 1, "name": "sample", "nodes": sampled})
    return replace(parse_flow(text, file="", json=True), folder=place), sample


def _is_image(attachment: object) -> bool:
    return isinstance(attachment, dict) and attachment.get("type") == "base64" and bool(attachment.get("cid"))


async def _told(site: Site, work: Callable[[LayoutFiles], LayoutFile]) -> Layout:
    return await asyncio.to_thread(lambda: _layout(work(LayoutFiles(site.flow_files))))


def _summary(layout: LayoutFile) -> dict[str, Any]:
    error = layout.error
    return {
        "name": layout.name,
        "modifiedAt": layout.modified_at,
        "usedBy": list(layout.used_by),
        "trouble": " ".join(filter(None, (error_detail(error).message, error_detail(error).hint))) if error else "",
    }


def _layout(layout: LayoutFile) -> Layout:
    error = layout.error
    return Layout.model_validate(
        {
            **_summary(layout),
            "revision": layout.revision,
            "text": layout.text,
            "errors": [error_detail(error)] if error else [],
        }
    )
