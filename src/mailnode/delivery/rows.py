"""Deliveries as rows of the database: how they are written down, and read back."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, literal_column, select, update

from mailnode.delivery.delivery import Attempt, Delivery, Draft, Recipient, State, Terms
from mailnode.delivery.route import Destination
from mailnode.errors import SmtpError
from mailnode.smtp.reply import Reply
from mailnode.store.tables import attempts, deliveries, delivery_content, delivery_recipients

CONTENT_ROW_OCTETS = 256 * 1024
# Spelled out in the statement: an index of only some rows is not used for a parameter.
QUEUED = deliveries.c.state == literal_column("'queued'")
UNDER_WAY = deliveries.c.state.in_((literal_column("'claimed'"), literal_column("'handingOver'")))


def insert_deliveries(db: Connection, begun: Sequence[tuple[Delivery, Draft]], state: State, now: int) -> None:
    """Write new deliveries down, with their recipients and their content."""
    if not begun:
        return
    db.execute(insert(deliveries), [_row(delivery, draft, state, now) for delivery, draft in begun])
    db.execute(insert(delivery_recipients), [row for delivery, _ in begun for row in _recipient_rows(delivery)])
    for delivery, draft in begun:
        for position, octets in enumerate(_content_rows(draft.message.blocks())):
            db.execute(insert(delivery_content), {"delivery_id": delivery.id, "position": position, "octets": octets})


def read_deliveries(db: Connection, rows: Sequence[Row[Any]]) -> list[Delivery]:
    """Make deliveries of rows of their table."""
    of_these = delivery_recipients.c.delivery_id.in_([row.id for row in rows])
    recipients = defaultdict(list)
    for one in db.execute(select(delivery_recipients).where(of_these).order_by(delivery_recipients.c.position)):
        recipients[one.delivery_id].append(Recipient(one.address, one.field, one.status, _reply(one)))
    return [_delivery(row, tuple(recipients[row.id])) for row in rows]


def write_recipients(db: Connection, changed: Iterable[Delivery]) -> None:
    """Write down how far the recipients of deliveries have come."""
    at = (delivery_recipients.c.delivery_id == bindparam("of")) & (delivery_recipients.c.position == bindparam("at"))
    rows = [
        {"of": row.pop("delivery_id"), "at": row.pop("position"), **row}
        for delivery in changed
        for row in _recipient_rows(delivery)
    ]
    if rows:
        db.execute(update(delivery_recipients).where(at), rows)


def write_attempts(db: Connection, made: Sequence[tuple[Delivery, Attempt]]) -> None:
    """Write down what attempts came to, and what each brought the recipients; what is there already stays."""
    if not made:
        return
    write_recipients(db, (delivery for delivery, _ in made))
    of_these = attempts.c.delivery_id.in_([delivery.id for delivery, _ in made])
    there = {(row[0], row[1]) for row in db.execute(select(attempts.c.delivery_id, attempts.c.number).where(of_these))}
    new = [_attempt_row(delivery, attempt) for delivery, attempt in made if (delivery.id, attempt.number) not in there]
    if new:
        db.execute(insert(attempts), new)


def _row(delivery: Delivery, draft: Draft, state: State, now: int) -> dict[str, Any]:
    options = {
        "destination": delivery.destination.to_json(),
        "terms": asdict(delivery.terms),
        "place": delivery.place,
    }
    return {
        "id": delivery.id,
        "key": draft.key,
        "digest": draft.digest,
        "connection": delivery.destination.connection,
        "host": delivery.host,
        "port": delivery.port,
        "lane": delivery.lane,
        "message_id": delivery.message_id,
        "reverse_path": delivery.reverse_path,
        "size": delivery.size,
        "state": state,
        "generation": delivery.generation,
        "worker": delivery.claimed_by or None,
        "tries": 0,
        "maybe_accepted": False,
        "run_id": delivery.run_id,
        "node_id": delivery.node_id,
        "options": json.dumps(options),
        "warnings": json.dumps(delivery.warnings),
        "due_at": now,
        "expires_at": now + int(delivery.terms.seconds * 1000),
        "created_at": now,
        "updated_at": now,
    }


def _delivery(row: Row[Any], recipients: tuple[Recipient, ...]) -> Delivery:
    options = json.loads(row.options)
    return Delivery(
        id=row.id,
        generation=row.generation,
        claimed_by=row.worker or "",
        destination=Destination.from_json(options["destination"]),
        host=row.host,
        port=row.port,
        lane=row.lane,
        reverse_path=row.reverse_path,
        message_id=row.message_id,
        size=row.size,
        recipients=recipients,
        terms=Terms(**options["terms"]),
        run_id=row.run_id,
        node_id=row.node_id,
        place=options["place"],
        tries=row.tries,
        maybe_accepted=row.maybe_accepted,
        warnings=tuple(json.loads(row.warnings)),
    )


def _content_rows(blocks: Iterator[bytes]) -> Iterator[bytes]:
    gathered = bytearray()
    for block in blocks:
        gathered += block
        while len(gathered) > CONTENT_ROW_OCTETS:
            yield bytes(gathered[:CONTENT_ROW_OCTETS])
            del gathered[:CONTENT_ROW_OCTETS]
    yield bytes(gathered)


def _recipient_rows(delivery: Delivery) -> Iterator[dict[str, Any]]:
    for position, recipient in enumerate(delivery.recipients):
        reply = recipient.reply
        yield {
            "delivery_id": delivery.id,
            "position": position,
            "address": recipient.address,
            "field": recipient.field,
            "status": recipient.status,
            "reply_code": reply.code if reply else None,
            "enhanced_status_code": reply.enhanced_status_code if reply else None,
            "reply_text": _without_nul(reply.text) if reply else None,
        }


def _attempt_row(delivery: Delivery, attempt: Attempt) -> dict[str, Any]:
    error = attempt.error
    return {
        "delivery_id": delivery.id,
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


def _reply(row: Row[Any]) -> Reply | None:
    return Reply(row.reply_code, (row.reply_text,), row.enhanced_status_code) if row.reply_code else None
