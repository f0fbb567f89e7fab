"""The deliveries in the database: every change of state is one short transaction, fenced by the claim's generation."""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from mailnode.delivery.delivery import FINAL_STATES, Attempt, Delivery, Draft, Recipient, State
from mailnode.delivery.report import Report
from mailnode.errors import DeliveryError, ErrorCode, SmtpError
from mailnode.message.envelope import Envelope
from mailnode.smtp.reply import Reply
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.tables import attempts, deliveries, delivery_content, delivery_recipients
from mailnode.store.worker import Worker

CONTENT_ROW_OCTETS = 256 * 1024


@dataclass(frozen=True, slots=True)
class Standing:
    """A delivery that was there under the same key: its report once it has one, None while it is being sent."""

    delivery: Delivery
    report: Report | None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A delivery's content as it was written down: the same octets for every attempt."""

    envelope: Envelope
    message_id: str
    size: int
    rows: Sequence[bytes]

    def blocks(self) -> Iterator[bytes]:
        """Give the octets anew, row by row."""
        return iter(self.rows)


class StaleClaim(DeliveryError):
    """Another worker has taken this delivery over: what this one knows of it no longer counts."""


class Outbox:
    """Deliveries, written down by this worker."""

    def __init__(self, database: Database, worker: Worker) -> None:
        """Work on `database` as `worker`."""
        self._database = database
        self._worker = worker

    async def begin(self, draft: Draft) -> Delivery | Standing:
        """Write a delivery and its content down as claimed, or find the one that its key has already.

        A failed delivery frees its key. One that a dead process left behind is taken over, with its first content.

        Raises:
            DeliveryError: the key belongs to a mail with other content.
        """
        return await self._database.write(lambda db: self._begin(db, draft))

    async def message(self, delivery: Delivery) -> StoredMessage:
        """Read the content of a delivery that was taken over."""
        query = select(delivery_content.c.octets).where(delivery_content.c.delivery_id == delivery.id)
        rows = await self._database.read(
            lambda db: db.execute(query.order_by(delivery_content.c.position)).scalars().all()
        )
        envelope = Envelope(delivery.reverse_path, tuple(r.address for r in delivery.recipients))
        return StoredMessage(envelope, delivery.message_id, delivery.size, rows)

    async def handing_over(self, delivery: Delivery) -> None:
        """Commit that content is about to leave: from here on a crash makes this delivery `unknown`."""
        await self._database.write(lambda db: self._move(db, delivery, "handingOver"))

    async def attempted(self, delivery: Delivery, attempt: Attempt) -> None:
        """Commit what one attempt brought, and that there will be another."""

        def work(db: Connection) -> None:
            self._move(db, delivery, "claimed")
            _write_attempt(db, delivery, attempt)

        await self._database.write(work)

    async def ended(self, delivery: Delivery, report: Report, attempt: Attempt | None) -> None:
        """Commit the outcome, with the attempt that brought it; content that all accepted is no longer needed."""

        def work(db: Connection) -> None:
            self._move(db, delivery, report["status"], result=json.dumps(report))
            if attempt:
                _write_attempt(db, delivery, attempt)
            if report["status"] == "sent":
                db.execute(delete(delivery_content).where(delivery_content.c.delivery_id == delivery.id))

        await self._database.write(work)

    def _begin(self, db: Connection, draft: Draft) -> Delivery | Standing:
        if draft.key is not None:
            row = db.execute(select(deliveries).where(deliveries.c.key == draft.key)).first()
            if row is not None and row.state == "failed":
                db.execute(update(deliveries).where(deliveries.c.id == row.id).values(key=None))
            elif row is not None:
                return self._stand_or_take_over(db, row, draft)
        return self._insert(db, draft)

    def _stand_or_take_over(self, db: Connection, row: Row[Any], draft: Draft) -> Delivery | Standing:
        if row.digest != draft.digest:
            raise DeliveryError(
                f"the idempotency key {draft.key!r} was used for a mail with other content",
                hint="give each mail a key of its own, or leave idempotencyKey out and give each run its own id",
            )
        if row.state in FINAL_STATES or self._worker.is_alive(row.worker):
            return _standing(db, row)
        return self._take_over(db, row)

    def _insert(self, db: Connection, draft: Draft) -> Delivery:
        message = draft.message
        now = unix_ms()
        delivery = Delivery(
            id=uuid.uuid4().hex,
            generation=1,
            connection=draft.connection,
            host=draft.host,
            reverse_path=message.envelope.reverse_path,
            message_id=message.message_id,
            size=message.size,
            recipients=tuple(Recipient(path, draft.fields[path]) for path in message.envelope.forward_paths),
            warnings=draft.warnings,
        )
        db.execute(
            insert(deliveries).values(
                id=delivery.id,
                key=draft.key,
                digest=draft.digest,
                connection=delivery.connection,
                host=delivery.host,
                port=draft.port,
                message_id=delivery.message_id,
                reverse_path=delivery.reverse_path,
                size=delivery.size,
                lane=f"{draft.connection}@{draft.host}:{draft.port}",
                state="claimed",
                tries=0,
                maybe_accepted=False,
                expires_at=now,
                generation=delivery.generation,
                worker=self._worker.id,
                run_id=draft.run_id,
                node_id=draft.node_id,
                options=json.dumps({"warnings": draft.warnings}),
                created_at=now,
                updated_at=now,
            )
        )
        db.execute(insert(delivery_recipients), [_recipient_row(delivery, i) for i in range(len(delivery.recipients))])
        for position, octets in enumerate(_content_rows(message.blocks())):
            db.execute(insert(delivery_content), {"delivery_id": delivery.id, "position": position, "octets": octets})
        return delivery

    def _take_over(self, db: Connection, row: Row[Any]) -> Delivery:
        delivery = _read(db, row)
        values = {"generation": row.generation + 1, "worker": self._worker.id, "state": "claimed"}
        db.execute(update(deliveries).where(deliveries.c.id == row.id).values(values))
        delivery = replace(delivery, generation=row.generation + 1)
        if row.state != "handingOver":
            return delivery
        delivery = replace(delivery, attempts=delivery.attempts + 1, maybe_accepted=True)
        died = SmtpError(
            "the process that sent this died before the server's answer",
            code=ErrorCode.UNKNOWN_OUTCOME,
            phase="content",
        )
        _write_attempt(db, delivery, Attempt(delivery.attempts, row.updated_at, unix_ms(), died))
        return delivery

    def _move(self, db: Connection, delivery: Delivery, state: State, **values: Any) -> None:
        claim = (deliveries.c.id == delivery.id) & (deliveries.c.generation == delivery.generation)
        moved = db.execute(update(deliveries).where(claim).values(state=state, updated_at=unix_ms(), **values))
        if moved.rowcount != 1:
            raise StaleClaim(f"delivery {delivery.id} has been taken over by another worker")


def _content_rows(blocks: Iterator[bytes]) -> Iterator[bytes]:
    gathered = bytearray()
    for block in blocks:
        gathered += block
        while len(gathered) > CONTENT_ROW_OCTETS:
            yield bytes(gathered[:CONTENT_ROW_OCTETS])
            del gathered[:CONTENT_ROW_OCTETS]
    yield bytes(gathered)


def _recipient_row(delivery: Delivery, position: int) -> dict[str, Any]:
    recipient = delivery.recipients[position]
    reply = recipient.reply
    return {
        "delivery_id": delivery.id,
        "position": position,
        "address": recipient.address,
        "field": recipient.field,
        "status": recipient.status,
        "reply_code": reply.code if reply else None,
        "enhanced_status_code": reply.enhanced_status_code if reply else None,
        "reply_text": reply.text if reply else None,
    }


def _write_attempt(db: Connection, delivery: Delivery, attempt: Attempt) -> None:
    error = attempt.error
    for position in range(len(delivery.recipients)):
        row = _recipient_row(delivery, position)
        same = (delivery_recipients.c.delivery_id == delivery.id) & (delivery_recipients.c.position == position)
        db.execute(update(delivery_recipients).where(same).values(row))
    db.execute(
        insert(attempts).values(
            delivery_id=delivery.id,
            number=attempt.number,
            started_at=attempt.started_at,
            ended_at=attempt.ended_at,
            phase=error.phase if error else None,
            code=str(error.code) if error else None,
            reply_code=error.reply_code if isinstance(error, SmtpError) else None,
            message=error.message if error else None,
        )
    )


def _reply(row: Row[Any]) -> Reply | None:
    return Reply(row.reply_code, (row.reply_text,), row.enhanced_status_code) if row.reply_code else None


def _standing(db: Connection, row: Row[Any]) -> Standing:
    return Standing(_read(db, row), json.loads(row.result) if row.result else None)


def _read(db: Connection, row: Row[Any]) -> Delivery:
    found = db.execute(
        select(delivery_recipients)
        .where(delivery_recipients.c.delivery_id == row.id)
        .order_by(delivery_recipients.c.position)
    )
    tried = db.execute(select(attempts.c.code).where(attempts.c.delivery_id == row.id)).scalars().all()
    return Delivery(
        id=row.id,
        generation=row.generation,
        connection=row.connection,
        host=row.host,
        reverse_path=row.reverse_path,
        message_id=row.message_id,
        size=row.size,
        recipients=tuple(Recipient(r.address, r.field, r.status, _reply(r)) for r in found),
        attempts=len(tried),
        maybe_accepted=ErrorCode.UNKNOWN_OUTCOME in tried,
        warnings=tuple(json.loads(row.options)["warnings"]),
    )
