"""Deliveries as they are shown to people and programs: everything is read, nothing is changed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict, cast

from sqlalchemy import BindParameter, Row, Select, bindparam, select
from sqlalchemy import Connection as Transaction

from mailnode.delivery.circuit_breaker import route_error, waits_until
from mailnode.delivery.delivery import FINAL_STATES, INTERRUPTED, SENDING, AskedState, ShownState, asked_states
from mailnode.delivery.details import (
    DeliveryDetails,
    DeliveryRecipient,
    DeliverySummary,
)
from mailnode.delivery.history import DeliveryHistory, read_counts, read_history
from mailnode.delivery.pages import ASKED_AT_ONCE, Filter, find_page, read_by_id, read_page
from mailnode.delivery.result import Result, ResultError
from mailnode.delivery.row_reader import read_result
from mailnode.delivery.shown import attempts_shown, hints_of, origin_shown, recipients_shown, retry_shown
from mailnode.errors import DeliveryError, ErrorCode
from mailnode.printable import quoted
from mailnode.store.backend import ThisProcess
from mailnode.store.database import Database
from mailnode.store.sql import Cursor
from mailnode.store.tables import attempts, deliveries, delivery_recipients

_SHORTEST_ID = 4

# In a class with a method `list` that word is no type.
Summaries = list[DeliverySummary]
_Ids = list[str]


class SummaryPage(TypedDict):
    """A page of a list; `next` is the `after` of the next page, None on the last one."""

    deliveries: Summaries
    next: Cursor | None


class DeliveryQueries:
    """The deliveries of a database, the latest first."""

    def __init__(self, database: Database, process: ThisProcess) -> None:
        """Read `database`; `process` knows which processes are alive."""
        self._database = database
        self._process = process

    async def list(
        self,
        *,
        states: Sequence[AskedState] = (),
        connection: str | None = None,
        recipient: str | None = None,
        run: str | None = None,
        flow: str | None = None,
        app: str | None = None,
        subject: str | None = None,
        since: int | None = None,
        until: int | None = None,
        after: Cursor | None = None,
        limit: int = 50,
    ) -> Summaries:
        """Give the latest deliveries, the newest first, `limit` at the most.

        Those that are in one of `states` (`sending` is `claimed` and `handingOver`), if any are given, that were sent
        by `connection`, to `recipient` (an address, the beginning of one where nobody has just that, or a domain,
        `@example.org`), by the run with the id `run`, a flow named `flow` or an `app` of this name, with a subject that
        contains `subject`, and that were created at `since` or later and before `until` (Unix ms).
        `after` is a place in the list, as `Cursor(createdAt, deliveryId)` of the last one that has been seen.
        """
        wanted = Filter(
            states=asked_states(states),
            connection=connection,
            recipient=recipient,
            run=run,
            flow=flow,
            app=app,
            subject=subject,
            since=since,
            until=until,
            after=after,
            limit=limit,
        )
        return await self.find(wanted)

    async def find(self, wanted: Filter) -> Summaries:
        """Give the latest that fit, `limit` at the most, however many must be looked at."""
        found: Summaries = []
        while True:
            page = await self.page(replace(wanted, limit=wanted.limit - len(found)))
            found += page["deliveries"]
            if page["next"] is None or len(found) == wanted.limit:
                return found
            wanted = replace(wanted, after=page["next"])

    async def page(self, wanted: Filter) -> SummaryPage:
        """Give one page of a list, and where the next one goes on.

        A page that was asked for by `subject` may hold fewer than its `limit`, or none, though there is a next one.
        """
        return await self._database.read(lambda db: self._list(db, wanted))

    async def matching(self, wanted: Filter) -> _Ids:
        """Give the ids of the latest that fit, `limit` at the most, however many must be looked at."""
        ids: _Ids = []
        while True:
            asked = replace(wanted, limit=wanted.limit - len(ids))
            keys, after = await self._database.read(partial(self._find, wanted=asked))
            ids += [key.id for key in keys]
            if after is None or len(ids) == wanted.limit:
                return ids
            wanted = replace(wanted, after=after)

    async def show(self, which: str) -> DeliveryDetails:
        """Give all that is known of one delivery, by its id, the beginning of that, or its Message-ID.

        Raises:
            DeliveryError: there is none, or there are several.
        """
        return await self._database.read(lambda db: self._show(db, which))

    async def history(self, hours: int) -> DeliveryHistory:
        """Count how many were accepted, failed and waited, over as many hours up to now (see DeliveryHistory)."""
        return await self._database.read(lambda db: read_history(db, hours))

    async def counts(self) -> dict[str, int]:
        """Count the deliveries by what the database says of their state; a state without any is left out."""
        return await self._database.read(read_counts)

    async def waiting(self) -> int:
        """Count the deliveries that are still to be sent, or being sent."""
        counts = await self.counts()
        return sum(count for state, count in counts.items() if state not in FINAL_STATES)

    async def check_database(self) -> None:
        """See that the database can be read.

        Raises:
            StoreError: it can't.
        """
        await self._database.glance(lambda db: db.execute(select(deliveries.c.id).limit(1)).first())

    async def outcomes(self, delivery_ids: Sequence[str]) -> dict[str, Result | None]:
        """Give the results of those of these that have ended, by id; None of one that has been deleted since."""

        def work(db: Transaction) -> dict[str, Result | None]:
            there = {row.id: row for row in read_by_id(db, delivery_ids)}
            gone: dict[str, Result | None] = {one: None for one in delivery_ids if one not in there}
            return gone | {one: read_result(db, row) for one, row in there.items() if row.state in FINAL_STATES}

        return await self._database.read(work)

    def _list(self, db: Transaction, wanted: Filter) -> SummaryPage:
        page = read_page(db, wanted, lambda row: self._state(db, row))
        return {"deliveries": _entries(db, page.rows), "next": page.next}

    def _find(self, db: Transaction, *, wanted: Filter) -> "tuple[Sequence[Row[Any]], Cursor | None]":
        return find_page(db, wanted, lambda row: self._state(db, row))

    def _show(self, db: Transaction, which: str) -> DeliveryDetails:
        row = find_delivery(db, which)
        result = read_result(db, row)
        (entry,) = _entries(db, [(row, self._state(db, row))])
        known = hints_of(route_error(db, row.route_key), result and result["error"])
        tried = attempts_shown(db, row, known)
        return {
            **entry,
            "hint": known.get(entry["error"] or "", tried[-1]["hint"] if tried and entry["error"] else ""),
            "expiresAt": row.expires_at,
            "messageSize": row.size,
            "key": row.key,
            "recipients": cast("list[DeliveryRecipient]", result["recipients"])
            if result
            else recipients_shown(db, row.id),
            "attempts": tried,
            "result": result,
            "origin": origin_shown(row),
            "retry": retry_shown(row),
        }

    def _state(self, db: Transaction, row: Row[Any]) -> ShownState:
        is_left = row.state in SENDING and not self._process.is_alive(db, row.worker)
        state: ShownState = row.state
        return INTERRUPTED if is_left else state


def find_delivery(db: Transaction, which: str, *, lock: bool = False) -> Row[Any]:
    """Find a delivery by its id, the beginning of that, or its Message-ID; with `lock` nobody else may change it.

    Raises:
        DeliveryError: there is none, or there are several.
    """
    is_it = [deliveries.c.id == which, deliveries.c.message_id == f"<{which.strip('<>')}>"]
    if len(which) >= _SHORTEST_ID:  # ids are hexadecimal, and no such letter comes behind f
        is_it.append((deliveries.c.id > which) & (deliveries.c.id < f"{which}g"))
    ids = {id_ for one in is_it for id_ in db.execute(select(deliveries.c.id).where(one).limit(3)).scalars()}
    query = select(deliveries).where(deliveries.c.id.in_(ids))
    found = db.execute(query.with_for_update() if lock else query).all()
    if len(found) == 1:
        return found[0]
    if not found:
        raise DeliveryError(
            f"there is no delivery {quoted(which)}",
            code=ErrorCode.UNKNOWN_DELIVERY,
            phase="settings",
            hint=f"give its id (at least the first {_SHORTEST_ID} characters) or its Message-ID",
        )
    raise DeliveryError(
        f"{quoted(which)} matches several deliveries: {', '.join(row.id for row in found[:2])}, ...",
        code=ErrorCode.BAD_USAGE,
        phase="settings",
        hint="give more characters of the id",
    )


def _entries(db: Transaction, page: Sequence[tuple[Row[Any], ShownState]]) -> Summaries:
    ids = [row.id for row, _ in page]
    to, tried = _by_delivery(db, _ADDRESSES, ids), _by_delivery(db, _TRIED, ids)
    keys = {row.route_key for row, state in page if state not in FINAL_STATES}
    routes = {key: (route_error(db, key), waits_until(db, key)) for key in keys}
    return [_entry(db, row, state, to[row.id], tried[row.id], routes.get(row.route_key)) for row, state in page]


def _by_delivery(db: Transaction, query: Select[Any], ids: Sequence[str]) -> Mapping[str, list[Any]]:
    values: dict[str, list[Any]] = defaultdict(list)
    for at in range(0, len(ids), ASKED_AT_ONCE):
        for id_, value in db.execute(query, {"ids": ids[at : at + ASKED_AT_ONCE]}):
            values[id_].append(value)
    return values


def _entry(
    db: Transaction,
    row: Row[Any],
    state: ShownState,
    to: list[str],
    messages: list[str | None],
    route: tuple[ResultError | None, int] | None,
) -> DeliverySummary:
    waits_for, until = route or (None, 0)
    if state in FINAL_STATES and (result := read_result(db, row)):
        # It tells more than the last attempt, and may have had none.
        why = result["error"]["message"] if result["error"] else None
    else:  # what it waits for now may have begun after its last attempt, as a connection that was deleted
        is_told = waits_for if state == "queued" or not messages else None
        why = is_told["message"] if is_told else messages[-1] if messages else None
    return {
        "deliveryId": row.id,
        "state": state,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "messageId": row.message_id,
        "from": row.reverse_path,
        "to": to,
        "connection": row.connection,
        "host": row.host,
        "port": row.port,
        "subject": row.subject or "",
        "flow": row.flow,
        "run": row.run_id,
        "node": row.node_id,
        "app": row.app,
        "duplicates": row.duplicates or 0,
        "attempts": len(messages),
        "error": None if state == "sent" else why,
        "dueAt": max(row.due_at or 0, until) if state == "queued" else None,
    }


_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_ADDRESSES = (
    select(delivery_recipients.c.delivery_id, delivery_recipients.c.address)
    .where(delivery_recipients.c.delivery_id.in_(_IDS))
    .order_by(delivery_recipients.c.delivery_id, delivery_recipients.c.position)
)
_TRIED = (
    select(attempts.c.delivery_id, attempts.c.message)
    .where(attempts.c.delivery_id.in_(_IDS))
    .order_by(attempts.c.delivery_id, attempts.c.number)
)
