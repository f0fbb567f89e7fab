"""The sequence number of an invitation (RFC 5545 3.8.7.4): it grows with each delivery of the same `uid`.

It is taken in the transaction that stores the delivery, and its message is composed there: an email that is only
shown, is there already or is tried again takes none.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, literal_column, select, update

from mailnode.delivery.delivery import Delivery
from mailnode.delivery.prepare import Numbered, PreparedMail
from mailnode.delivery.rows import store_numbered
from mailnode.store.prepared import Change, Query
from mailnode.store.sql import insert_new
from mailnode.store.tables import invitations as table

# Nobody updates an event of last year; a number that is forgotten begins again at 0, and calendars take no notice.
_KEPT_AFTER_END = timedelta(days=400)
NOTHING_TO_CANCEL = (
    "no invitation with this uid was sent from here before, so calendars may find nothing to cancel: "
    "give the uid of the invitation's result"
)


def number_invitations(
    db: Connection, begun: Sequence[tuple[Delivery, PreparedMail, Numbered]], now: int
) -> dict[str, Delivery]:
    """Give each of these new deliveries its number, store the messages that have it, and give them by their ids."""
    # In one order everywhere: who takes the same numbers waits for the other's commit.
    return {
        delivery.id: _numbered(db, delivery, mail, numbered, now)
        for delivery, mail, numbered in sorted(begun, key=lambda one: one[2].invitation.uid)
    }


def forget_invitations(db: Connection, now: int, most: int) -> int:
    """Delete the numbers of events that ended long ago; tell how many."""
    old = select(table.c.uid).where(table.c.kept_until < now).limit(most)
    return db.execute(delete(table).where(table.c.uid.in_(old.scalar_subquery()))).rowcount


def _numbered(db: Connection, delivery: Delivery, mail: PreparedMail, numbered: Numbered, now: int) -> Delivery:
    invitation = replace(numbered.invitation, sequence=_take(db, numbered, now))
    message = numbered.compose(invitation)
    is_unknown = invitation.method == "cancel" and invitation.sequence == 0
    stored = replace(
        delivery,
        size=message.size,
        invitation={"uid": invitation.uid, "sequence": invitation.sequence},
        warnings=(*delivery.warnings, NOTHING_TO_CANCEL) if is_unknown else delivery.warnings,
    )
    store_numbered(db, stored, replace(mail, message=message))
    return stored


def _take(db: Connection, numbered: Numbered, now: int) -> int:
    uid, kept_until = numbered.invitation.uid, _kept_until(numbered.invitation.ends_at, now)
    row = {"uid": uid, "sequence": 0, "kept_until": kept_until}
    if not _INSERT.run(db, [row]):
        _RAISE.run(db, [{"of": uid, "until": kept_until}])
    ((sequence,),) = _SEQUENCE.all(db, of=uid)
    return int(sequence)


def _kept_until(ends_at: datetime, now: int) -> int:
    return max(int(ends_at.timestamp() * 1000), now) + _KEPT_AFTER_END // timedelta(milliseconds=1)


_OF_UID = table.c.uid == bindparam("of")
_INSERT = Change(insert_new(table))
_RAISE = Change(
    update(table).where(_OF_UID).values(sequence=table.c.sequence + literal_column("1"), kept_until=bindparam("until"))
)
_SEQUENCE = Query(select(table.c.sequence).where(_OF_UID))
