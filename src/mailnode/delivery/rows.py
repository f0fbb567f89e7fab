"""Deliveries as rows of the database: how they are written, and their content read back."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import Connection, Insert, bindparam, delete, insert, literal_column, select, update

from mailnode.delivery.delivery import FINAL_STATES, Attempt, Delivery, Origin, Terms, UnreadableDelivery
from mailnode.delivery.prepare import Numbered
from mailnode.delivery.route import Destination, Route
from mailnode.errors import SmtpError
from mailnode.message.envelope import Envelope, Message
from mailnode.smtp.outcome import Recipient
from mailnode.store.asking import Ask, ask_all
from mailnode.store.prepared import AnyOf, Change, Query
from mailnode.store.sql import insert_new
from mailnode.store.tables import attempts, deliveries, delivery_content, delivery_recipients

CONTENT_ROW_OCTETS = 256 * 1024
SHORT_OCTETS = 16 * 1024  # longer content goes row by row: SQLite's driver keeps each statement's last parameters
SUBJECT_CHARACTERS = 200  # more of a subject is not shown in lists
# Spelled out in the statement: an index of only some rows is not used for a parameter.
QUEUED = deliveries.c.state == literal_column("'queued'")
UNDER_WAY = deliveries.c.state.in_((literal_column("'claimed'"), literal_column("'handingOver'")))
FINAL = deliveries.c.state.in_([literal_column(f"'{state}'") for state in sorted(FINAL_STATES)])


class StorableMail(Protocol):
    """What is stored of a mail beside its delivery; PreparedMail is one."""

    @property
    def message(self) -> Message: ...
    @property
    def subject(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def digest(self) -> str: ...
    @property
    def origin(self) -> Origin | None: ...
    @property
    def numbered(self) -> Numbered | None: ...


def insert_deliveries(db: Connection, begun: Sequence[tuple[Delivery, StorableMail]], now: int) -> set[str]:
    """Write new deliveries, their recipients and content down, and give the ids of those whose key was not taken."""
    ids = {delivery.id for delivery, _ in begun}
    if _INSERT_DELIVERY.run_at_once(db, [_row(delivery, mail, now) for delivery, mail in begun]) < len(begun):
        ids = {row.id for row in _THERE.all(db, ids=[*ids])}
        begun = [one for one in begun if one[0].id in ids]
    if begun:
        _insert_parts(db, begun, now)
    return ids


def statements_of(delivery: Delivery, mail: StorableMail, now: int) -> Iterator[tuple[Insert, list[dict[str, Any]]]]:
    """Give what writes a new delivery down, for a connection that is not ours: each statement with its rows."""
    yield _DELIVERY, [_row(delivery, mail, now)]
    yield _RECIPIENT, [*_searchable(delivery, now)]
    for row in _content_rows(delivery, mail):
        yield _CONTENT_PIECE, [row]


def _insert_parts(db: Connection, begun: Sequence[tuple[Delivery, StorableMail]], now: int) -> None:
    recipients = _INSERT_RECIPIENT.at_once([row for delivery, _ in begun for row in _searchable(delivery, now)])
    short: list[dict[str, Any]] = []
    for delivery, mail in (one for one in begun if not one[1].numbered):  # an invitation's is stored with its number
        if mail.message.size <= SHORT_OCTETS:
            short += _content_rows(delivery, mail)
        else:
            for row in _content_rows(delivery, mail):  # so that no more than one lies in memory
                _INSERT_CONTENT.run(db, [row])
    ask_all(db, [recipients, _INSERT_CONTENT.at_once(short)])


def store_numbered(db: Connection, delivery: Delivery, mail: StorableMail) -> None:
    """Write down the content of a new delivery whose invitation has its number now."""
    values = {"size": delivery.size, "options": _options(delivery, mail), "warnings": json.dumps(delivery.warnings)}
    db.execute(update(deliveries).where(deliveries.c.id == delivery.id).values(**values))
    for row in _content_rows(delivery, mail):
        _INSERT_CONTENT.run(db, [row])


def read_messages(db: Connection, of: Sequence[Delivery]) -> Mapping[str, Message]:
    """Read the content of deliveries, by their ids: the same bytes for every attempt."""
    pieces: dict[str, list[bytes]] = defaultdict(list)
    for row in _CONTENT.all(db, ids=[delivery.id for delivery in of]):
        pieces[row.delivery_id].append(row.octets)
    return {delivery.id: _message(delivery, pieces[delivery.id]) for delivery in of}


def _message(delivery: Delivery, pieces: Sequence[bytes]) -> Message:
    fields = {recipient.address: recipient.field for recipient in delivery.recipients}
    envelope = Envelope(delivery.reverse_path, tuple(fields))
    return Message(envelope, fields, delivery.message_id, delivery.size, tuple(pieces))


def whole(message: Message) -> Message:
    """Give a message that was read back, if all of it is there.

    Raises:
        UnreadableDelivery: some of it is missing, or it is longer than it was.
    """
    if (found := sum(map(len, message.blocks()))) == message.size:
        return message
    raise UnreadableDelivery(
        f"its content is damaged: of {message.size} bytes {found} are there",
        phase="content",
        hint="cancel it and run the flow again",
    )


def regroup(db: Connection, changed: Iterable[Delivery]) -> None:
    """Write down those recipients that are others than there were."""
    for delivery in changed:
        if delivery.is_regrouped:
            _regroup(db, delivery)


def _regroup(db: Connection, delivery: Delivery) -> None:
    """Write down other recipients than there were, and in the options those whom they stand in for."""
    db.execute(delete(delivery_recipients).where(delivery_recipients.c.delivery_id == delivery.id))
    is_it = deliveries.c.id == delivery.id
    written = db.execute(select(deliveries.c.options, deliveries.c.created_at).where(is_it)).one()
    _INSERT_RECIPIENT.run(db, [*_searchable(delivery, written.created_at)])
    options = json.loads(written.options)
    options["redirectedFrom"] = list(_recipient_rows(replace(delivery, recipients=delivery.redirected_from)))
    db.execute(update(deliveries).where(is_it).values(options=json.dumps(options)))


def attempt_changes(made: Sequence[tuple[Delivery, Attempt]]) -> list[Ask[int]]:
    """Give what writes down what attempts came to, and what each brought the recipients; what is there already stays.

    Recipients that are others than there were are left to `regroup`.
    """
    recipients = [
        {"of": delivery.id, "at": position, "status": recipient.status, **_reply_columns(recipient)}
        for delivery, _ in made
        if not delivery.is_regrouped
        for position, recipient in enumerate(delivery.recipients)
    ]
    rows = [_attempt_row(delivery.id, attempt) for delivery, attempt in made]
    return [_UPDATE_RECIPIENT.at_once(recipients), _INSERT_ATTEMPT.at_once(rows)]


def insert_attempt(db: Connection, delivery_id: str, attempt: Attempt) -> None:
    """Write down what one attempt came to, of a delivery that can't be read."""
    _INSERT_ATTEMPT.run(db, [_attempt_row(delivery_id, attempt)])


_OF_THESE = AnyOf(delivery_content.c.delivery_id, "ids")
_CONTENT = Query(
    select(delivery_content.c.delivery_id, delivery_content.c.octets)
    .where(_OF_THESE)
    .order_by(delivery_content.c.position)
)
_INSERT_DELIVERY, _INSERT_ATTEMPT = Change(insert_new(deliveries)), Change(insert_new(attempts))
# Each compiled once, wherever it is said.
_DELIVERY, _RECIPIENT, _CONTENT_PIECE = insert(deliveries), insert(delivery_recipients), insert(delivery_content)
_INSERT_RECIPIENT, _INSERT_CONTENT = Change(_RECIPIENT), Change(_CONTENT_PIECE)
_THERE = Query(select(deliveries.c.id).where(AnyOf(deliveries.c.id, "ids")))
_UPDATE_RECIPIENT = Change(
    update(delivery_recipients).where(
        delivery_recipients.c.delivery_id == bindparam("of"), delivery_recipients.c.position == bindparam("at")
    )
)


def route_columns(destination: Destination, route: Route) -> dict[str, Any]:
    """Give what is written of a delivery's route: four columns, and `destination` of its options."""
    return {
        "connection": destination.connection,
        "host": route.server.host,
        "port": route.server.port,
        "route_key": route.key,
        "destination": destination.to_json(),
    }


# Mails of one node have the same by value: these texts are written once.
@lru_cache(maxsize=128)
def _destination_text(destination: Destination) -> str:
    return json.dumps(destination.to_json())


@lru_cache(maxsize=128)
def _terms_text(terms: Terms) -> str:
    return json.dumps(asdict(terms))


@lru_cache(maxsize=128)
def _origin_text(origin: Origin | None) -> str:
    return json.dumps(origin.to_json() if origin else None)


def _options(delivery: Delivery, mail: StorableMail) -> str:
    invitation = f', "invitation": {json.dumps(delivery.invitation)}' if delivery.invitation else ""
    return (
        f'{{"destination": {_destination_text(delivery.destination)}, "terms": {_terms_text(delivery.terms)}, '
        f'"place": {json.dumps(delivery.place)}, "origin": {_origin_text(mail.origin)}{invitation}}}'
    )


def _row(delivery: Delivery, mail: StorableMail, now: int) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "key": mail.key,
        "digest": mail.digest,
        "connection": delivery.destination.connection,
        "host": delivery.host,
        "port": delivery.port,
        "route_key": delivery.route_key,
        "message_id": delivery.message_id,
        "reverse_path": delivery.reverse_path,
        "size": delivery.size,
        "state": "claimed" if delivery.claimed_by else "queued",
        "generation": delivery.generation,
        "worker": delivery.claimed_by or None,
        "tries": 0,
        "maybe_accepted": False,
        "run_id": delivery.run_id,
        "node_id": delivery.node_id,
        "flow": delivery.terms.flow or None,
        "subject": _without_nul(mail.subject[:SUBJECT_CHARACTERS]),
        "app": delivery.app,
        "options": _options(delivery, mail),
        "warnings": json.dumps(delivery.warnings) if delivery.warnings else "[]",
        "due_at": now,
        "expires_at": now + int(delivery.terms.seconds * 1000),
        "created_at": now,
        "updated_at": now,
    }


def _content_rows(delivery: Delivery, mail: StorableMail) -> Iterator[dict[str, Any]]:
    for position, octets in enumerate(_pieces(mail.message.blocks())):
        yield {"delivery_id": delivery.id, "position": position, "octets": octets}


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    gathered = bytearray()
    for block in blocks:
        gathered += block
        while len(gathered) > CONTENT_ROW_OCTETS:
            yield bytes(gathered[:CONTENT_ROW_OCTETS])
            del gathered[:CONTENT_ROW_OCTETS]
    yield bytes(gathered)


def _recipient_rows(delivery: Delivery) -> Iterator[dict[str, Any]]:
    for position, recipient in enumerate(delivery.recipients):
        yield {
            "delivery_id": delivery.id,
            "position": position,
            "address": recipient.address,
            "field": recipient.field,
            "status": recipient.status,
            **_reply_columns(recipient),
        }


def _reply_columns(recipient: Recipient) -> dict[str, Any]:
    reply = recipient.reply
    return {
        "reply_code": reply.code if reply else None,
        "enhanced_status_code": reply.enhanced_status_code if reply else None,
        "reply_text": _without_nul(reply.text) if reply else None,
    }


def _searchable(delivery: Delivery, created_at: int) -> Iterator[dict[str, Any]]:
    """Give the rows of a delivery's recipients with what they are searched by."""
    for row in _recipient_rows(delivery):
        mailbox = row["address"].lower()
        yield {**row, "mailbox": mailbox, "domain": mailbox.rpartition("@")[2], "created_at": created_at}


def _attempt_row(delivery_id: str, attempt: Attempt) -> dict[str, Any]:
    error = attempt.error
    return {
        "delivery_id": delivery_id,
        "number": attempt.number,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "phase": error.phase if error else None,
        "code": str(error.code) if error else None,
        "reply_code": error.reply_code if isinstance(error, SmtpError) else None,
        "message": _without_nul(error.message) if error else None,
        "dialogue": _without_nul(attempt.dialogue) or None,
    }


def _without_nul(text: str) -> str:
    """Give a text that PostgreSQL takes: it knows no NUL."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
