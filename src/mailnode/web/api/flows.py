"""Flows: the files of the folder, checked as the command line checks them, and run."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from pydantic import AfterValidator, Field, model_validator

from mailnode.errors import MailnodeError
from mailnode.flow.document import FlowDocument, parse_flow
from mailnode.flow.edit import with_document
from mailnode.flow.flow_files import FlowFile
from mailnode.flow.source import MAX_DEPTH
from mailnode.flow.yaml_reader import read_yaml
from mailnode.json_text import is_deeper
from mailnode.web.api.problem import PROBLEMS, ApiModel, ErrorDetail, error_detail
from mailnode.web.flow_path import FLOW
from mailnode.web.site import Site, SiteHere

router = APIRouter(prefix="/api/flows", tags=["flows"], responses=PROBLEMS)
_SHORT: dict[str, Any] = {"response_model_exclude_unset": True}


def _not_too_deep(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what could not be walked through: nothing that reads JSON here goes deeper."""
    if is_deeper(value, MAX_DEPTH):
        raise ValueError(f"values are nested deeper than {MAX_DEPTH} levels")
    return value


State = Annotated[dict[str, Any], AfterValidator(_not_too_deep)]
Format = Literal["yaml", "json"]

BLANK = """\
version: 1
name: {name}
nodes:
  - id: send-email
    type: sendSmtpEmail
    label: Send SMTP Email
    settings:
      emailService: other
      smtp: {{host: 127.0.0.1, port: {port}, tlsOption: none}}
      to: you@example.org
      subject: Hello
      content: <p>Hello!</p>
"""


class RunRequest(ApiModel):
    """The `input` and `context` that a flow is run with."""

    input: State = {}
    context: State = {}


class Sample(ApiModel):
    """The `input` and `context` that a flow is tried with in the editor."""

    input: State
    context: State


class FlowNodeContent(ApiModel):
    """A node of a flow; without `label` it is shown by its id, and without `when` it always runs."""

    id: str
    type: str
    label: str | None = None
    when: str | None = None
    settings: State


class FlowContent(ApiModel):
    """The content of a flow."""

    version: int
    name: str
    nodes: list[FlowNodeContent]


class Flow(ApiModel):
    """A flow: its text, its content (null if the text is not a flow), and all errors."""

    name: str
    format: Format
    revision: str
    text: str
    document: FlowContent | None
    errors: list[ErrorDetail]
    sample: Sample


class Draft(ApiModel):
    """A flow that is being edited: its text and, if a form was filled in, the content that replaces it."""

    text: str
    document: State | None = None
    format: Format = "yaml"

    def merged(self) -> str:
        """Give the text that says both; SettingsError where it can't be written."""
        if self.document is None:
            return self.text
        return with_document(self.text, self.document, json_file=self.format == "json")

    def read(self, name: str = "flow") -> tuple[str, FlowDocument]:
        """Give the text and the flow that it is; SettingsError where it is none."""
        text = self.merged()
        return text, parse_flow(text, file=name, json=self.format == "json")


class CheckedDraft(ApiModel):
    """A draft as text and as content (null if the text is not a flow), and all errors."""

    text: str
    document: FlowContent | None
    errors: list[ErrorDetail]


class NewFlow(ApiModel):
    """A new flow: from a text, as a copy of another one, or from a name alone."""

    name: str | None = None
    copy_of: str | None = None
    sender: str | None = Field(
        None, max_length=1000, description="The `from` of a flow that is made from a name alone."
    )
    text: str | None = None
    format: Format = "yaml"

    @model_validator(mode="after")
    def _one_way(self) -> "NewFlow":
        if (self.name is None) == (self.text is None):
            raise ValueError("give a name, with copyOf or without, or a text")
        return self


class SavedDraft(Draft):
    """A flow that replaces the one of this revision."""

    revision: str


@router.post("", status_code=201, **_SHORT)
async def create_flow(site: SiteHere, new: NewFlow) -> Flow:
    """Make a new flow."""
    if new.text is not None:
        text, json_file = new.text, new.format == "json"
        return await told(site, lambda: site.flow_files.create(text, json_file=json_file))
    name, copy_of = new.name, new.copy_of
    assert name is not None
    if copy_of is not None:
        return await told(site, lambda: site.flow_files.duplicate(copy_of, name))
    return await told(site, lambda: site.flow_files.create(blank_flow(name, site.inbox_port, new.sender)))


@router.post("/check", **_SHORT)
async def check_flow(site: SiteHere, draft: Draft) -> CheckedDraft:
    """Merge the form and the text of a draft and list all errors; nothing is saved."""
    text = await asyncio.to_thread(draft.merged)
    document, errors = await asyncio.to_thread(check, site, text, draft.format)
    return CheckedDraft(text=text, document=document, errors=errors)


@router.get(f"/{FLOW}/file", response_class=PlainTextResponse)
async def download_flow(site: SiteHere, name: str) -> Response:
    """Download a flow's file as it is."""
    flow = site.flow_files.get(name)
    disposition = {"Content-Disposition": f'attachment; filename="{flow.path.name}"'}
    return PlainTextResponse(flow.text.encode(), headers=disposition)


@router.delete(f"/{FLOW}", status_code=204)
async def delete_flow(site: SiteHere, name: str) -> None:
    """Delete a flow; its runs and deliveries are kept."""
    site.flow_files.delete(name)


@router.put(f"/{FLOW}/sample")
async def store_sample(site: SiteHere, name: str, sample: RunRequest) -> Sample:
    """Store the sample data that a flow is tried with."""
    kept = Sample(input=sample.input, context=sample.context)
    await asyncio.to_thread(lambda: site.flow_files.store_sample(name, kept.model_dump()))
    return kept


# After those whose addresses begin so.
@router.get(f"/{FLOW}", **_SHORT)
async def show_flow(site: SiteHere, name: str) -> Flow:
    """Show a flow."""
    return await told(site, lambda: site.flow_files.get(name))


@router.put(f"/{FLOW}", **_SHORT)
async def save_flow(site: SiteHere, name: str, flow: SavedDraft) -> Flow:
    """Save a flow; its settings may still be wrong, but it must be a flow."""
    shelved = site.flow_files.get(name)
    flow = flow.model_copy(update={"format": format_of(shelved)})
    return await told(site, lambda: site.flow_files.save(name, flow.merged(), flow.revision))


def blank_flow(name: str, port: int, sender: str | None = None) -> str:
    """Give a flow that sends one mail to the inbox, as soon as it has a sender."""
    text = BLANK.format(name="new", port=port)
    document = {**read_yaml(text).value, "name": name}
    if sender:
        (node,) = document["nodes"]
        settings = {**node["settings"]}
        route = {key: settings.pop(key) for key in ("emailService", "smtp")}
        document["nodes"] = [{**node, "settings": {**route, "from": sender, **settings}}]
    return with_document(text, document)


def check(site: Site, text: str, form: Format) -> tuple[FlowContent | None, list[ErrorDetail]]:
    """Read a flow's text: what it says, and all that is wrong with it."""
    try:
        document = parse_flow(text, file="", json=form == "json")
    except MailnodeError as error:
        return None, [error_detail(error)]
    document = replace(document, folder=site.flow_files.folder)
    return plain(document), [error_detail(error) for error in site.mailnode.dry_run(document).errors()]


def plain(document: FlowDocument) -> FlowContent:
    """Give what a flow says, as short as it was written."""
    nodes: list[FlowNodeContent] = []
    for node in document.nodes:
        label = {} if node.label == node.id else {"label": node.label}
        when = {} if node.when is None else {"when": node.when}
        nodes.append(FlowNodeContent(id=node.id, type=node.type, **label, **when, settings=node.settings))
    return FlowContent(version=document.version, name=document.name, nodes=nodes)


async def told(site: Site, work: Callable[[], FlowFile]) -> Flow:
    """Do what reads and changes files, in a thread: who carries mail meanwhile must not wait for a large text."""
    return await asyncio.to_thread(lambda: _flow(site, work()))


def _flow(site: Site, flow: FlowFile) -> Flow:
    document, errors = check(site, flow.text, format_of(flow))
    return Flow(
        name=flow.name,
        format=format_of(flow),
        revision=flow.revision,
        text=flow.text,
        document=document,
        errors=errors,
        sample=Sample(**site.flow_files.sample(flow.name)),
    )


def format_of(flow: FlowFile) -> Format:
    """Give the format of a flow's file."""
    return "json" if flow.is_json else "yaml"
