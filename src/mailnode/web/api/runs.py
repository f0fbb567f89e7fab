"""Runs: what each execution of a flow did."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict

from mailnode.delivery.result import Status
from mailnode.flow.run_queries import ShownRunStatus
from mailnode.store.sql import CURSOR_PATTERN, Cursor
from mailnode.web.api.problem import PROBLEMS, ApiModel, JsonAnswer
from mailnode.web.json_safe import whole
from mailnode.web.site import SiteHere

router = APIRouter(prefix="/api/runs", tags=["runs"], responses=PROBLEMS)

MOST_AT_ONCE = 500
NodeStatus = Literal["done", "failed", "skipped", "notReached"]
RecipientStatus = Literal["accepted", "refused", "deferred", "unknown", "notTried"]


class RunSummary(ApiModel):
    """One line of the list; `mails` has the status of each mail that it made, `error` the first one's words.

    `mail` is the worst of them, in the order failed, unknown, held, partial, cancelled, queued, sent; null without
    email. A run of a newer version may have a status that this one does not know.
    """

    run: str
    flow: str
    status: ShownRunStatus | str
    created_at: int
    updated_at: int
    mail: Status | None
    mails: list[str]
    error: str | None


class RunPage(ApiModel):
    """A page of the list, the latest first; `next` is the `after` of the next page, and null on the last one."""

    runs: list[RunSummary]
    next: str | None


class NodeError(ApiModel):
    """The error of a node or of its email; it has more fields than these."""

    model_config = ConfigDict(extra="allow")

    code: str = ""
    message: str = ""
    hint: str = ""


class MailRecipient(ApiModel):
    """A recipient, with the server's last answer about it; it may have more fields than these."""

    model_config = ConfigDict(extra="allow")

    address: str
    field: str
    status: RecipientStatus | str
    reply_code: int | None
    enhanced_status_code: str | None
    reply_text: str


class MailInvitation(ApiModel):
    """The event that an email invites to, for its update or its cancellation."""

    model_config = ConfigDict(extra="allow")

    uid: str
    sequence: int


class MailResult(ApiModel):
    """The result of an email, as a node stores it; it may have more fields than these.

    `duplicate` is there where an earlier email with the same idempotency key is reported, `invitation` where the email
    is one.
    """

    model_config = ConfigDict(extra="allow")

    status: Status | str
    duplicate: bool = False
    message_id: str
    envelope: dict[str, Any]
    accepted: list[str]
    rejected: list[str]
    response: str
    message_size: int
    recipients: list[MailRecipient]
    error: NodeError | None = None
    delivery_id: str
    attempts: int
    connection: str
    host: str
    tls_version: str
    auth_mechanism: str
    timings: dict[str, float]
    warnings: list[str]
    invitation: MailInvitation | None = None


class RunNode(ApiModel):
    """What a node did in a run; `result` and `error` are left out if there is none.

    The result of a node that sends email is a MailResult; a node of another package may have any other.
    """

    id: str
    type: str
    label: str
    status: NodeStatus | str
    result: MailResult | Any = None
    error: NodeError | None = None


class StartedWith(ApiModel):
    """The state that a run began with."""

    input: dict[str, Any]
    context: dict[str, Any]


class Run(RunSummary):
    """A run: its final state, its output, and what each node did; null while there is none.

    `startedWith` has the `input` and `context` with which it can be run again.
    """

    input: dict[str, Any] | None
    context: dict[str, Any] | None
    output: list[str] | None
    nodes: list[RunNode] | None
    started_with: StartedWith | None


class FinishedRun(ApiModel):
    """A run that has just ended; the answer is 200 whatever became of its email.

    `mail` is the worst status of its email, in the order failed, unknown, held, partial, cancelled, queued, sent; null
    where it has none. With `duplicate` it was not run again: the earlier run is returned. `outcomeNotStored` says why
    the database does not know how it ended.
    """

    run: str
    flow: str
    status: Literal["done", "halted", "interrupted"]
    mail: Status | None
    input: dict[str, Any]
    context: dict[str, Any]
    output: list[str]
    nodes: list[RunNode]
    duplicate: bool = False
    outcome_not_stored: str = ""


class AcceptedRun(ApiModel):
    """A run that is stored and will be run, whatever happens to this server; its address is in `Location`.

    With `duplicate` its id was there before, and `status` is that of the run by now.
    """

    run: str
    flow: str
    status: ShownRunStatus | str
    duplicate: bool = False


@router.get("")
async def list_runs(
    site: SiteHere,
    flow: Annotated[str | None, Query(max_length=400)] = None,
    status: Annotated[Sequence[ShownRunStatus], Query(description="Only these; may be repeated.")] = (),
    after: Annotated[str | None, Query(pattern=CURSOR_PATTERN, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 50,
) -> RunPage:
    """List runs, the latest first, by pages."""
    cursor = Cursor.parse(after) if after else None
    found = await site.mailnode.runs.list(flow=flow, statuses=status, after=cursor, limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return RunPage(
        runs=[RunSummary.model_validate(one) for one in whole(found[:limit])],
        next=str(Cursor(last["createdAt"], last["run"])) if last else None,
    )


# An id may hold any character that can be printed.
@router.get("/{run_id:path}", response_model=Run)
async def show_run(site: SiteHere, run_id: str) -> Response:
    """Show a run, with its final state and what each node did."""
    # As it was written: a state may be deeper than a model bears.
    return JsonAnswer(await site.mailnode.runs.show(run_id))
