"""Messages of apps as they come into the database: within their rates, to nobody twice, many in one commit."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from mailnode.delivery.delivery import Delivery
from mailnode.delivery.duplicates import Fresh, HandedIn, count_duplicates, fresh_recipients
from mailnode.delivery.intake import WakeWorker, wake_for
from mailnode.delivery.prepare import PreparedMail
from mailnode.delivery.rows import insert_deliveries
from mailnode.message.envelope import Envelope
from mailnode.store.clock import now_us
from mailnode.store.database import Database
from mailnode.submission.app_fields import StoredApp
from mailnode.submission.rates import AppUse


@dataclass(frozen=True, slots=True)
class Submission:
    """A message of an app that can be stored; `fingerprint` is "" where it never counts as handed in again."""

    app: StoredApp
    mail: PreparedMail
    fingerprint: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, slots=True)
class Stored:
    """It is stored: as the delivery `id`, or, with `is_duplicate`, it was already."""

    id: str
    is_duplicate: bool = False


class OverRate(Exception):
    """The app has used up its rate: nothing was stored."""


class SubmissionIntake:
    """The way in for messages of apps."""

    def __init__(self, database: Database, wake_worker: WakeWorker) -> None:
        """Store them in `database`; `wake_worker` is called for what is due."""
        self._database = database
        self._wake_worker = wake_worker
        self._use = AppUse()

    async def store(self, submission: Submission) -> Stored:
        """Store a message as a delivery in the queue, but for those of its recipients who have it already.

        Raises:
            OverRate: the app may not hand in so many.
            StoreError: it can't be stored.
        """
        return await self._database.write_alike(self._store, submission)

    def _store(self, db: Connection, submissions: list[Submission]) -> list[Stored | Exception]:
        now = now_us(db)
        may_come = self._use.take(db, [(one.app.id, one.app.rate_limit) for one in submissions], now)
        coming = [one for one, may in zip(submissions, may_come, strict=True) if may]
        fresh = self._fresh(db, coming, now // 1000)
        begun = [made for one in coming if (made := _begun(one, fresh.get(one.id)))]
        if begun:
            insert_deliveries(db, begun, now // 1000)
            wake_for(db, [delivery for delivery, _ in begun], self._wake_worker)
        again = {id_: one for id_, one in fresh.items() if one.earlier}
        if again:
            count_duplicates(db, [one.earlier for one in again.values()])
        return [
            _answer(one, fresh.get(one.id)) if may else OverRate()
            for one, may in zip(submissions, may_come, strict=True)
        ]

    def _fresh(self, db: Connection, coming: Sequence[Submission], now: int) -> Mapping[str, Fresh]:
        handed_in = [
            HandedIn(one.id, one.fingerprint, one.mail.message.envelope.forward_paths)
            for one in coming
            if one.fingerprint
        ]
        if not handed_in:
            return {}
        found = fresh_recipients(db, handed_in, now)
        return {one.delivery_id: fresh for one, fresh in zip(handed_in, found, strict=True)}


def _answer(one: Submission, fresh: Fresh | None) -> Stored:
    return Stored(one.id) if fresh is None or fresh.addresses else Stored(fresh.earlier, is_duplicate=True)


def _begun(one: Submission, fresh: Fresh | None) -> tuple[Delivery, PreparedMail] | None:
    mail = one.mail
    if fresh is not None and not fresh.addresses:
        return None
    if fresh is not None and fresh.earlier:
        mail = _for_fresh(mail, fresh)
    delivery = mail.delivery(one.id)
    return (delivery.marked_after_earlier() if fresh is not None and fresh.in_doubt else delivery), mail


def _for_fresh(mail: PreparedMail, fresh: Fresh) -> PreparedMail:
    message = mail.message
    envelope = Envelope(message.envelope.reverse_path, fresh.addresses)
    fields = {path: message.fields[path] for path in fresh.addresses}
    have = len(message.envelope.forward_paths) - len(fresh.addresses)
    told = f"duplicate: {have} of its recipients have it already, by the delivery {fresh.earlier}"
    return replace(mail, message=replace(message, envelope=envelope, fields=fields), warnings=(*mail.warnings, told))
