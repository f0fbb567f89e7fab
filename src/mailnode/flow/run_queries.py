"""Queries of stored runs; nothing is changed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypedDict, get_args

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from mailnode.delivery.result import Status, worst_of
from mailnode.delivery.row_reader import stored_json
from mailnode.errors import ErrorCode, UsageError
from mailnode.flow.state import began_with
from mailnode.printable import quoted
from mailnode.store.backend import ThisProcess
from mailnode.store.database import Database
from mailnode.store.sql import Cursor, merged, newest_first
from mailnode.store.tables import runs

# The database has one state for `running` and `interrupted`: they differ in whether their process is alive.
ShownRunStatus = Literal["running", "interrupted", "done", "halted"]
RUN_STATES: tuple[ShownRunStatus, ...] = get_args(ShownRunStatus)
_UNDER_WAY = "running"
# A statement bears only so many parameters.
_ASKED_AT_ONCE = 500
_ORDER = (runs.c.created_at, runs.c.id)
# States are long: they are read for the page alone.
_IS_QUEUED = runs.c.request.is_not(None).label("is_queued")
_KEYS = select(*_ORDER, runs.c.status, runs.c.worker, _IS_QUEUED)
_SHOWN: Select[Any] = select(*(column for column in runs.c if column is not runs.c.request), _IS_QUEUED)

Entry = dict[str, Any]


class RunSummary(TypedDict):
    """One run in a list.

    Attributes:
        run: The id.
        flow: The flow's name.
        status: `running` (or queued to be run), `interrupted` (its process ended), `done` or `halted`.
        createdAt: When it began, in Unix ms.
        updatedAt: When its status changed last, in Unix ms.
        mail: The worst status of its email, None where it has none, or has not ended.
        mails: The status of each email that it made, as in a Result.
        error: The first error, in words; None if nothing went wrong.
    """

    run: str
    flow: str
    status: ShownRunStatus
    createdAt: int
    updatedAt: int
    mail: Status | None
    mails: list[str]
    error: str | None


class RunDetails(RunSummary):
    """All that is known of one run: the keys of a RunSummary, and what there is only when it has ended.

    Attributes:
        input: The input at the end; None until then, and for an interrupted run.
        context: The context at the end; None as above.
        output: What `say` nodes said; None as above.
        nodes: What each node did (id, type, label, status, result, error); None as above.
        startedWith: The `input` and `context` at its beginning, with which it can be run again; None as above.
    """

    input: dict[str, Any] | None
    context: dict[str, Any] | None
    output: list[str] | None
    nodes: list[dict[str, Any]] | None
    startedWith: dict[str, dict[str, Any]] | None


# Named here, since `list` is a method in the class.
Summaries = list[RunSummary]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """The filters of `list`."""

    flow: str | None
    statuses: Sequence[ShownRunStatus]
    after: Cursor | None
    limit: int


class Runs:
    """The runs of a database: what each execution of a flow has done."""

    def __init__(self, database: Database, process: ThisProcess) -> None:
        """Read `database`; `process` knows which processes are alive."""
        self._database = database
        self._process = process

    async def list(
        self,
        *,
        flow: str | None = None,
        statuses: Sequence[ShownRunStatus] = (),
        after: Cursor | None = None,
        limit: int = 50,
    ) -> Summaries:
        """Give the latest runs, the newest first, `limit` at the most.

        Those of the flow with the name `flow`, and with one of `statuses`, if any are given. `after` is a place in the
        list, as `Cursor(createdAt, run)` of the last one that has been seen.
        """
        filters = _Filter(flow=flow, statuses=statuses, after=after, limit=limit)
        return await self._database.read(lambda db: self._list(db, filters))

    async def show(self, run_id: str) -> RunDetails:
        """Give all that is known of one run.

        Raises:
            UsageError: there is none with this id.
        """
        return await self._database.read(lambda db: self._show(db, run_id))

    def _list(self, db: Connection, filters: _Filter) -> Summaries:
        found = merged(_sources(db, filters))
        fitting = (row.id for row in found if not filters.statuses or self._status(db, row) in filters.statuses)
        ids = list(islice(fitting, filters.limit))
        parts = [ids[at : at + _ASKED_AT_ONCE] for at in range(0, len(ids), _ASKED_AT_ONCE)]
        rows = {row.id: row for part in parts for row in db.execute(_SHOWN.where(runs.c.id.in_(part)))}
        return [self._entry(db, rows[run_id]) for run_id in ids]

    def _status(self, db: Connection, row: Row[Any]) -> ShownRunStatus:
        status: ShownRunStatus = row.status
        # A queued one is taken up by the next worker, so that it is under way even while nobody runs it.
        if status != _UNDER_WAY or row.is_queued or (row.worker and self._process.is_alive(db, row.worker)):
            return status
        return "interrupted"

    def _show(self, db: Connection, run_id: str) -> RunDetails:
        row = db.execute(_SHOWN.where(runs.c.id == run_id)).first()
        if row is None:
            raise UsageError(
                f"there is no run {quoted(run_id)}",
                code=ErrorCode.UNKNOWN_RUN,
                hint="check the id in the list of runs; old runs are deleted (MAILNODE_KEEP_DAYS)",
            )
        stored = _stored_state(row)
        return {
            **self._entry(db, row),
            "input": stored.get("input"),
            "context": stored.get("context"),
            "output": stored.get("output"),
            "nodes": stored.get("nodes"),
            "startedWith": began_with(stored),
        }

    def _entry(self, db: Connection, row: Row[Any]) -> RunSummary:
        nodes = _stored_state(row).get("nodes", [])
        results = [node["result"] for node in nodes if isinstance(node.get("result"), dict)]
        errors = [error for node in nodes if (error := error_of(node))]
        return {
            "run": row.id,
            "flow": row.flow,
            "status": self._status(db, row),
            "createdAt": row.created_at,
            "updatedAt": row.updated_at,
            "mail": worst_of(results),
            "mails": [str(result["status"]) for result in results if "deliveryId" in result],
            "error": errors[0]["message"] if errors else None,
        }


def _sources(db: Connection, filters: _Filter) -> Iterator[Iterable[Row[Any]]]:
    """Give what fits as one list for each part of an index that has it in order."""
    of_it = [] if filters.flow is None else [runs.c.flow == filters.flow]
    of_status: list[list[ColumnElement[bool]]] = [[]]
    if of_it or filters.statuses:
        stored = {_UNDER_WAY if one == "interrupted" else one for one in filters.statuses or RUN_STATES}
        of_status = [[runs.c.status == status] for status in sorted(stored)]
    for is_status in of_status:
        yield newest_first(db, _KEYS.where(*of_it, *is_status), _ORDER, filters.after, filters.limit)


def error_of(node: Entry) -> Entry | None:
    """Find what a person should read of a node: its own error, or that of the mail that it tried to send."""
    result = node.get("result")
    return node.get("error") or (_error_in(result) if isinstance(result, dict) else None)


def _error_in(result: Entry) -> Entry | None:
    error: Entry | None = result.get("error")
    return error if error and _is_error(error) else None


def _stored_state(row: Row[Any]) -> Entry:
    """Read the state of a run; {} for one that can't be read, such as one of a newer version."""
    stored: Entry = stored_json(row.state)
    nodes = stored.get("nodes", [])
    states = (stored.get("input"), stored.get("context"))
    is_valid = isinstance(nodes, list) and all(map(_is_node, nodes)) and _are_texts(stored.get("output") or [])
    return stored if is_valid and all(isinstance(state, dict | None) for state in states) else {}


def _is_node(node: Any) -> bool:
    if not isinstance(node, dict) or not _are_texts([node.get(key) for key in ("id", "type", "label", "status")]):
        return False
    result = node.get("result")
    mail = result if isinstance(result, dict) and "deliveryId" in result else {"deliveryId": "", "status": ""}
    return _are_texts([mail["deliveryId"], mail.get("status")]) and ("error" not in node or _is_error(node["error"]))


def _is_error(error: Any) -> bool:
    return isinstance(error, dict) and _are_texts([error.get(key, "") for key in ("message", "hint", "code")])


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
