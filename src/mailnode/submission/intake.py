"""Messages of apps as they come into the database: within their rates, to nobody twice, many in one commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from mailnode.delivery.delivery import Delivery
from mailnode.delivery.duplicates import Fresh, HandedIn, count_duplicates, fresh_recipients
from mailnode.delivery.intake import WakeWorker, wake_for
from mailnode.delivery.prepare import PreparedMail
from mailnode.delivery.rows import insert_deliveries
from mailnode.message.envelope import Envelope
from mailnode.new_ids import new_ids
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
        ids = new_ids(len(submissions))
        coming = [(id_, one) for id_, one, may in zip(ids, submissions, may_come, strict=True) if may]
        fresh = _fresh(db, coming, now // 1000)
        begun = [made for id_, one in coming if (made := _begun(id_, one, fresh.get(id_)))]
        if begun:
            insert_deliveries(db, begun, now // 1000)
            wake_for(db, [delivery for delivery, _ in begun], self._wake_worker)
        if again := [one.earlier for one in fresh.values() if one.earlier]:
            count_duplicates(db, again)
        return [_answer(id_, fresh.get(id_)) if may else OverRate() for id_, may in zip(ids, may_come, strict=True)]


def _fresh(db: Connection, coming: Sequence[tuple[str, Submission]], now: int) -> Mapping[str, Fresh]:
    handed_in = [
        HandedIn(id_, one.fingerprint, one.mail.message.envelope.forward_paths)
        for id_, one in coming
        if one.fingerprint
    ]
    if not handed_in:
        return {}
    found = fresh_recipients(db, handed_in, now)
    return {one.delivery_id: fresh for one, fresh in zip(handed_in, found, strict=True)}


def _answer(id_: str, fresh: Fresh | None) -> Stored:
    return Stored(id_) if fresh is None or fresh.addresses else Stored(fresh.earlier, is_duplicate=True)


def _begun(id_: str, one: Submission, fresh: Fresh | None) -> tuple[Delivery, PreparedMail] | None:
    mail = one.mail
    if fresh is not None and not fresh.addresses:
        return None
    if fresh is not None and fresh.earlier:
        mail = _for_fresh(mail, fresh)
    delivery = mail.delivery(id_)
    return (delivery.marked_after_earlier() if fresh is not None and fresh.in_doubt else delivery), mail


def _for_fresh(mail: PreparedMail, fresh: Fresh) -> PreparedMail:
    message = mail.message
    envelope = Envelope(message.envelope.reverse_path, fresh.addresses)
    fields = {path: message.fields[path] for path in fresh.addresses}
    have = len(message.envelope.forward_paths) - len(fresh.addresses)
    told = f"duplicate: {have} of its recipients have it already, by the delivery {fresh.earlier}"
    return replace(mail, message=replace(message, envelope=envelope, fields=fields), warnings=(*mail.warnings, told))
