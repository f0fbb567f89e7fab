"""Connections as JSON: made, shown without their secrets, changed, tested and authorized."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Body, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field

from mailnode.connections.connection import ConnectionType
from mailnode.diagnosis import Diagnoser, OwnServer, kept, plan
from mailnode.errors import MailnodeError
from mailnode.smtp.doctor.finding import Diagnosis, Finding, Status, Step
from mailnode.smtp.server import TlsOption
from mailnode.web.api.problem import PROBLEMS, ApiModel, Problem, problem_of
from mailnode.web.sentence import capital, sentence
from mailnode.web.site import SiteHere

router = APIRouter(prefix="/api/connections", tags=["connections"])


class LastTest(ApiModel):
    """What the last test of a connection found: when (Unix ms), and where it failed, why, and what to do."""

    at: int
    ok: bool
    failed_step: str | None = None
    found: str | None = None
    hint: str | None = None


class Connection(ApiModel):
    """A connection without its secrets: beside these fields its public ones, by the names that they were given with.

    `secrets` names those that are set. One with tokens has a `state`; `expiryDate` (Unix ms) is when its access
    token expires, and `trouble` says why the last renewal failed, if it did. In a list a connection that cannot be read
    has the state `unreadable`, and `trouble` says why. `lastTest` is there once its present revision was tested.
    """

    model_config = ConfigDict(extra="allow")

    name: str
    type: ConnectionType | str
    revision: int
    secrets: list[str]
    service: str | None = None
    hosts: list[str] | None = None
    state: Literal["ready", "needsConsent", "unreadable"] | None = None
    trouble: str | None = None
    last_test: LastTest | None = None


class NewConnection(ApiModel):
    """A name, a type, and the fields of that type."""

    model_config = ConfigDict(extra="allow")

    name: str
    type: str = "basic"


class ConnectionUses(ApiModel):
    """The flows that name a connection."""

    flows: list[str]


class TestedServer(ApiModel):
    """Which of a connection's servers is tested; a connection for a service, or for one host, needs none of this."""

    host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    tls_option: TlsOption | None = None
    ca: str | None = None


class FindingLine(ApiModel):
    """One step of a test; `ms` is how long it took."""

    step: Step
    status: Status
    found: str
    ms: float
    hint: str
    code: str | None


class WorkingServer(ApiModel):
    """Settings with which a server can be reached."""

    host: str
    port: int
    tls_option: TlsOption


class SummaryLine(ApiModel):
    """The last line: whether everything works, and in `settings` those that do."""

    ok: bool
    settings: WorkingServer | None


class JsonLines(StreamingResponse):
    """An answer of one JSON object a line."""

    media_type = "application/x-ndjson"


SHOWN: dict[str, Any] = {"response_model_exclude_unset": True, "responses": PROBLEMS}


@router.get("", **SHOWN)
async def list_connections(
    site: SiteHere,
    search: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int | None, Query(ge=1, le=1000)] = None,
) -> list[Connection]:
    """List the connections by name, without their secrets: all, or those found by `search` and next `after` a name."""
    found = await site.mailnode.connections.list(search=search, after=after, limit=limit)
    return [Connection(**shown) for shown in found]


@router.post("", status_code=201, **SHOWN)
async def create_connection(site: SiteHere, new: NewConnection, response: Response) -> Connection:
    """Create a connection; its secrets are encrypted and never shown again."""
    await site.mailnode.connections.create(new.name, new.type, new.model_extra or {})
    made = await shown(site, new.name)
    response.headers["Location"] = f"{router.prefix}/{quote(made.name)}"
    return made


@router.get("/{name}", **SHOWN)
async def show_connection(site: SiteHere, name: str) -> Connection:
    """Show a connection; of its secrets only which ones are set."""
    return await shown(site, name)


@router.patch("/{name}", **SHOWN)
async def change_connection(site: SiteHere, name: str, fields: Annotated[dict[str, Any], Body()]) -> Connection:
    """Change some fields of a connection; null removes one, and all others stay, secrets too."""
    await site.mailnode.connections.update(name, fields)
    return await shown(site, name)


@router.delete("/{name}", status_code=204, responses=PROBLEMS)
async def delete_connection(site: SiteHere, name: str) -> None:
    """Delete a connection and its secrets."""
    await site.mailnode.connections.delete(name)


@router.get("/{name}/uses", responses=PROBLEMS)
async def connection_uses(site: SiteHere, name: str) -> ConnectionUses:
    """Name the flows that use a connection."""
    proper = (await shown(site, name)).name
    return ConnectionUses(flows=await asyncio.to_thread(_users, site, proper))


@router.post(
    "/{name}/test",
    response_class=JsonLines,
    responses={
        **PROBLEMS,
        200: {
            "description": "one JSON object per line: each finding as it comes, then whether everything works",
            "model": FindingLine | SummaryLine | Problem,
        },
    },
)
async def check_connection(site: SiteHere, name: str, where: TestedServer | None = None) -> JsonLines:
    """Log in with a connection and test its server, as `mailnode connections test` does; no email is sent."""
    where = where or TestedServer()
    repository = site.mailnode.connections
    await repository.forget_failure(name)
    target = OwnServer(host=where.host, port=where.port, tls_option=where.tls_option, ca=where.ca)
    connection = await repository.get(name)
    checkup = plan(target, site.environment, connection)
    return JsonLines(_lines(kept(checkup, connection, repository)))


async def shown(site: SiteHere, name: str) -> Connection:
    return Connection(**await site.mailnode.connections.show(name))


def _users(site: SiteHere, name: str) -> list[str]:
    def is_user(settings: dict[str, Any]) -> bool:
        return settings.get("connection") == name

    flows = site.flow_files.flows()
    return [flow.name for flow in flows if any(is_user(node.settings) for node in flow.document().nodes)]


async def _lines(checkup: Diagnoser) -> AsyncIterator[str]:
    """Give the findings as they come, a line each; whoever goes away ends the look."""
    heard: asyncio.Queue[Finding | None] = asyncio.Queue()
    look = asyncio.create_task(checkup.run(heard.put_nowait))
    look.add_done_callback(lambda _look: heard.put_nowait(None))
    try:
        while finding := await heard.get():
            said = finding.to_json() | {"found": capital(finding.found), "hint": sentence(finding.hint)}
            yield FindingLine(**said).model_dump_json() + "\n"
        yield _last_line(look)
    finally:
        look.cancel()
        await asyncio.wait({look})


def _last_line(look: "asyncio.Task[Diagnosis]") -> str:
    try:
        said = look.result().to_json()
    except MailnodeError as error:
        return problem_of(error).model_dump_json(by_alias=True) + "\n"
    return SummaryLine(ok=said["ok"], settings=said["settings"]).model_dump_json(by_alias=True) + "\n"
