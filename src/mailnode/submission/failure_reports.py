"""Who handed in a message by SMTP sees no page: what ends badly is reported by email, in the outcome's own commit."""

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from mailnode.connections.rate_limit import RateLimit
from mailnode.connections.repository import ConnectionRepository
from mailnode.connections.rows import public_fields, row_of
from mailnode.delivery.delivery import Delivery, Origin, Terms
from mailnode.delivery.intake import WakeWorker, wake_for
from mailnode.delivery.prepare import Numbered, signer_of
from mailnode.delivery.recovery import OnEnd
from mailnode.delivery.result import Result, ResultRecipient
from mailnode.delivery.rows import insert_deliveries
from mailnode.errors import MailnodeError
from mailnode.message.dkim import DkimSigner
from mailnode.message.envelope import Message
from mailnode.message.failure_report import FailedRecipient, FailureReport
from mailnode.new_ids import new_id
from mailnode.printable import one_line
from mailnode.smtp.outcome import Recipient
from mailnode.store.clock import now_us, utc
from mailnode.store.prepared import Change
from mailnode.store.sql import insert_new
from mailnode.store.steps import InSteps
from mailnode.store.tables import app_use, apps, deliveries, delivery_content
from mailnode.submission.app_fields import TO_NOBODY, TO_SENDER, StoredApp, senders_of
from mailnode.submission.rates import next_free, unused

# So many of one app are sent; what more fails is seen on the page alone.
MOST_REPORTS = RateLimit(20, 3600)
REPORTED = frozenset({"failed", "partial", "held"})
_TERMS = Terms().for_queue(24)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Report:
    """A report as `rows` stores it."""

    message: Message
    subject: str
    key: str
    digest: str = ""
    origin: Origin | None = None
    numbered: Numbered | None = None


class FailureReports:
    """Reports what apps have handed in and could not be sent, once, to whom the app says."""

    def __init__(self, wake_worker: WakeWorker, connections: ConnectionRepository, host: str | None = None) -> None:
        """Queue reports, and call `wake_worker` for them; `connections` sign them, `host` is this machine's name."""
        self._wake_worker = wake_worker
        self._connections = connections
        self._host = host or socket.gethostname()

    def beside(self, on_end: OnEnd) -> OnEnd:
        """Give what does `on_end` and stores the reports in the same transaction."""

        def both(db: Connection, ended: Sequence[tuple[Delivery, Result]]) -> InSteps[None]:
            yield from on_end(db, ended)
            self.store(db, ended)

        return both

    def store(self, db: Connection, ended: Sequence[tuple[Delivery, Result]]) -> None:
        """Queue a report for each of these deliveries that has one.

        Nothing is reported of a message from the null path, which is what reports are.
        """
        failed = [
            (delivery, result)
            for delivery, result in ended
            if delivery.app is not None and delivery.reverse_path is not None and result["status"] in REPORTED
        ]
        # Apps in one order everywhere: who counts their reports keeps others waiting.
        for delivery, result in sorted(failed, key=lambda one: str(one[0].app)):
            try:
                self._report(db, delivery, result)
            except SQLAlchemyError:
                raise
            except Exception:  # noqa: BLE001 -- the outcome matters more, and whatever is stored may be damaged
                _log.exception("the failure of delivery %s could not be reported", delivery.id)

    def _report(self, db: Connection, delivery: Delivery, result: Result) -> None:
        row = db.execute(select(apps).where(apps.c.name == delivery.app)).first()
        if row is None:
            return
        app = StoredApp.of(row)
        to = delivery.reverse_path if app.notify == TO_SENDER else app.notify
        if app.notify == TO_NOBODY or to is None:
            return
        key = f"failure-report/{delivery.id}"
        if db.execute(select(deliveries.c.id).where(deliveries.c.key == key)).first():
            return
        now = now_us(db)
        may_report, is_last = _take(db, app.id, now)
        if not may_report:
            return
        subject, head = self._original(db, delivery)
        report = FailureReport(
            sender=_sender(db, app) or to,
            to=to,
            subject=f"Not sent: {subject}" if subject else "An email was not sent",
            text="\n".join(_text(delivery, result, subject, self._host, is_last=is_last)),
            reporting_host=self._host,
            remote_host=delivery.host,
            arrived_at=utc(_created_at(db, delivery, now // 1000)),
            reported_at=utc(now // 1000),
            recipients=_failed(result),
            head=head,
        )
        made = _Report(report.message(self._signer(db, app)), report.subject, key)
        begun = _delivery_of(delivery, made.message)
        if insert_deliveries(db, [(begun, made)], now // 1000):
            wake_for(db, [begun], self._wake_worker)

    def _signer(self, db: Connection, app: StoredApp) -> DkimSigner | None:
        """Give what signs them: from the null path they have only that to show whose they are (RFC 7489 3.1)."""
        with suppress(MailnodeError):  # an unsigned report is more use than none
            return signer_of(self._connections.opened(db, app.connection))
        return None

    def _original(self, db: Connection, delivery: Delivery) -> tuple[str, bytes]:
        """Give subject and header of the email that failed, as far as they are there."""
        subject = db.execute(select(deliveries.c.subject).where(deliveries.c.id == delivery.id)).scalar()
        of_it = (delivery_content.c.delivery_id == delivery.id) & (delivery_content.c.position == 0)
        first = db.execute(select(delivery_content.c.octets).where(of_it)).scalar() or b""
        return one_line(subject or ""), first.partition(b"\r\n\r\n")[0] + b"\r\n"


def _delivery_of(failed: Delivery, message: Message) -> Delivery:
    """Give the delivery of a report: by the way of what failed, and nobody has tried it yet."""
    return replace(
        failed,
        id=new_id(),
        generation=1,
        claimed_by="",
        reverse_path=None,
        message_id=message.message_id,
        size=message.size,
        recipients=(Recipient(message.envelope.forward_paths[0], "to"),),
        terms=_TERMS,
        run_id=None,
        node_id=None,
        place=None,
        tries=0,
        maybe_accepted=False,
        invitation=None,
        warnings=(),
        redirected_from=(),
        is_regrouped=False,
    )


def _take(db: Connection, app_id: str, now: int) -> tuple[bool, bool]:
    """Tell whether an app may have one more report, and whether it is the last one for now."""
    query = select(app_use.c.report_free_at).where(app_use.c.app_id == app_id).with_for_update()
    if (free_at := db.execute(query).scalar()) is None:
        _INSERT.run(db, [unused(app_id)])
        free_at = db.execute(query).scalar_one()
    if (after := next_free(free_at, now, MOST_REPORTS)) is None:
        return False, False
    _TAKE.run(db, [{"of": app_id, "report_free_at": after}])
    return True, next_free(after, now, MOST_REPORTS) is None


_INSERT = Change(insert_new(app_use))
_TAKE = Change(update(app_use).where(app_use.c.app_id == bindparam("of")))


def _sender(db: Connection, app: StoredApp) -> str | None:
    """Give the address that the connection sends from, else one that the app does."""
    connection: Row[Any] | None = row_of(db, app.connection)
    try:
        if connection is not None:
            return senders_of(public_fields(connection))[0]
    except MailnodeError:
        pass
    return next((f"{local}@{domain}" for local, domain in sorted(app.senders) if local), None)


def _created_at(db: Connection, delivery: Delivery, otherwise: int) -> int:
    return db.execute(select(deliveries.c.created_at).where(deliveries.c.id == delivery.id)).scalar() or otherwise


def _failed(result: Result) -> list[FailedRecipient]:
    error = result["error"]
    words = error["message"] if error else ""
    return [_recipient(one, result["status"], words) for one in result["recipients"] if one["status"] != "accepted"]


def _recipient(one: ResultRecipient, status: str, words: str) -> FailedRecipient:
    code = one["replyCode"]
    is_held = status == "held"
    if code is None:
        return FailedRecipient(
            one["address"], "delayed" if is_held else "failed", "4.0.0" if is_held else "5.0.0", words
        )
    said = " ".join(filter(None, (one["enhancedStatusCode"], one["replyText"])))
    number = one["enhancedStatusCode"] or f"{code // 100}.0.0"
    # What was refused for the time being, and is not tried any more, has expired.
    number = number if is_held or not number.startswith("4") else "4.4.7"
    return FailedRecipient(one["address"], "delayed" if is_held else "failed", number, said, code)


def _text(delivery: Delivery, result: Result, subject: str, host: str, *, is_last: bool) -> Iterator[str]:
    yield f"This is the mail system at {host}."
    yield ""
    what = "is held, and is sent only when somebody decides so" if result["status"] == "held" else "could not be sent"
    yield f"The email below, which the app {delivery.app} handed in, {what}. It did not go to:"
    yield ""
    for one in _failed(result):
        yield f"  {one.address}"
        if one.reply_code:
            yield f"    {one.reply_code} {one.words}"
    yield ""
    if error := result["error"]:
        yield f"What happened: {error['message']}"
        if error["hint"]:
            yield f"What to do: {error['hint']}"
        yield ""
    if accepted := len(result["accepted"]):
        yield f"It was accepted for {accepted} other recipient{'s' * (accepted != 1)}."
        yield ""
    yield f"Subject: {subject}"
    yield f"Message-ID: {delivery.message_id}"
    yield f"Delivery: {delivery.id}"
    yield ""
    yield "The page Deliveries of mailnode shows all attempts; it can be sent again from there."
    if is_last:
        yield ""
        yield "More failures of this app within the hour are not reported by email: look at that page."
    yield ""
