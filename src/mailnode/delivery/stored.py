"""What was written down of a delivery beside its row, as it is read for another attempt."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from mailnode.delivery.delivery import Delivery, State
from mailnode.delivery.lanes import reported_trouble
from mailnode.delivery.report import Report
from mailnode.message.envelope import Envelope
from mailnode.store.tables import attempts, delivery_content


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


@dataclass(frozen=True, slots=True)
class Standing:
    """A delivery that was there under the same key: its report once it has one, None while it is on its way."""

    delivery: Delivery
    state: State
    report: Report | None


def read_messages(db: Connection, of: Sequence[Delivery]) -> Mapping[str, StoredMessage]:
    """Read the content of deliveries, by their ids."""
    rows: dict[str, list[bytes]] = defaultdict(list)
    for row in db.execute(_CONTENT, {"ids": [delivery.id for delivery in of]}):
        rows[row.delivery_id].append(row.octets)
    return {delivery.id: _stored(delivery, rows[delivery.id]) for delivery in of}


_OF_THESE = delivery_content.c.delivery_id.in_(bindparam("ids", expanding=True))
_CONTENT = select(delivery_content).where(_OF_THESE).order_by(delivery_content.c.position)


def read_last_words(db: Connection, delivery: Delivery) -> tuple[str, str]:
    """Read why nobody can try a delivery now, or why its last attempt failed; and the remedy, where there is one."""
    if trouble := reported_trouble(db, delivery.lane):
        return trouble["message"], trouble["hint"]
    tried = select(attempts.c.message).where(attempts.c.delivery_id == delivery.id)
    return db.execute(tried.order_by(attempts.c.number.desc()).limit(1)).scalar() or "", ""


def _stored(delivery: Delivery, rows: Sequence[bytes]) -> StoredMessage:
    envelope = Envelope(delivery.reverse_path, tuple(recipient.address for recipient in delivery.recipients))
    return StoredMessage(envelope, delivery.message_id, delivery.size, rows)
