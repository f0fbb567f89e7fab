"""What was written down of a delivery beside its row, as it is read for another attempt."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from sqlalchemy import Connection, Row, bindparam, select

from mailnode.delivery.circuit_breaker import reported_trouble
from mailnode.delivery.delivery import Delivery, State, UnreadableDelivery
from mailnode.delivery.result import Result, result_of
from mailnode.delivery.row_reader import read_roughly, told_of
from mailnode.message.envelope import Envelope
from mailnode.store.tables import attempts, delivery_content


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A delivery's content as it was written down: the same octets for every attempt."""

    envelope: Envelope
    message_id: str
    size: int
    rows: Sequence[bytes]

    def whole(self) -> Self:
        """Give it if all of it is there.

        Raises:
            UnreadableDelivery: some of it is missing, or it is longer than it was.
        """
        if (found := sum(map(len, self.rows))) == self.size:
            return self
        raise UnreadableDelivery(
            f"its content is damaged: of {self.size} bytes {found} are there",
            phase="content",
            hint="cancel it, and run the flow again",
        )

    def blocks(self) -> Iterator[bytes]:
        """Give the octets anew, row by row."""
        return iter(self.rows)


@dataclass(frozen=True, slots=True)
class Standing:
    """A delivery that was there under the same key: its report once it has one, None while it is on its way."""

    delivery: Delivery
    state: State
    report: Result | None


def read_messages(db: Connection, of: Sequence[Delivery]) -> Mapping[str, StoredMessage]:
    """Read the content of deliveries, by their ids."""
    rows: dict[str, list[bytes]] = defaultdict(list)
    for row in db.execute(_CONTENT, {"ids": [delivery.id for delivery in of]}):
        rows[row.delivery_id].append(row.octets)
    return {delivery.id: _stored(delivery, rows[delivery.id]) for delivery in of}


_OF_THESE = delivery_content.c.delivery_id.in_(bindparam("ids", expanding=True))
_CONTENT = select(delivery_content).where(_OF_THESE).order_by(delivery_content.c.position)


def read_report(db: Connection, row: Row[Any]) -> Result | None:
    """Give the report of a delivery that has ended; one that can't be read is made anew, of what is known beside it."""
    if row.result is None:
        return None
    told = told_of(row.result)
    if {"status", "error", "recipients", "warnings"} <= set(told):
        return cast("Result", told)
    (delivery,) = read_roughly(db, [row])
    return result_of(delivery, status=row.state, error=UnreadableDelivery("the result that was stored can't be read"))


def read_last_words(db: Connection, delivery: Delivery) -> tuple[str, str]:
    """Read why nobody can try a delivery now, or why its last attempt failed; and the remedy, where there is one."""
    if trouble := reported_trouble(db, delivery.lane):
        return trouble["message"], trouble["hint"]
    tried = select(attempts.c.message).where(attempts.c.delivery_id == delivery.id)
    return db.execute(tried.order_by(attempts.c.number.desc()).limit(1)).scalar() or "", ""


def _stored(delivery: Delivery, rows: Sequence[bytes]) -> StoredMessage:
    envelope = Envelope(delivery.reverse_path, tuple(recipient.address for recipient in delivery.recipients))
    return StoredMessage(envelope, delivery.message_id, delivery.size, rows)
