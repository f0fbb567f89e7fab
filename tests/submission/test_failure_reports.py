"""Whoever handed in a message by SMTP is told when it could not be sent: once, and never of a report."""

import sqlite3
from base64 import b64encode
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import event, func, update
from sqlalchemy.exc import OperationalError

from mailnode.connections.rate_limit import RateLimit
from mailnode.message.failure_report import FailedRecipient, FailureReport
from mailnode.store.tables import deliveries
from mailnode.submission import failure_reports
from support.submitting import CONTENT, an_app, take

NO = {"RCPT TO:<no@y.example>": "550 5.1.1 who is\u00e4 that?"}


def reports_of(server):
    """Give what came from the null path, read by an independent parser."""
    came = [one for one in server.accepted if one.reverse_path.startswith("MAIL FROM:<>")]
    return [(one.forward_paths, message_from_bytes(one.content, policy=policy.default)) for one in came]


def statuses(report):
    """Give the groups of a report that programs read: of the message, and of each recipient."""
    return [dict(group.items()) for group in report.get_payload(1).get_payload()]


@pytest.mark.usefixtures("database_kind")
async def test_what_failed_is_reported_to_its_sender_once(home):
    async with an_app(home, NO) as (server, opened, app):
        key = rsa.generate_private_key(65537, 1024)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        await opened.connections.update("shop", {"dkim": {"domain": "x.example", "selector": "s", "privateKey": pem}})
        assert (await take(opened, app, "no@y.example", "bob@y.example")).code == 250
        await opened.work(drain=True)
        (report, failed) = await opened.deliveries.list()
        assert (failed["state"], report["state"], report["from"], report["app"]) == ("partial", "sent", None, "web")
        await opened.deliveries.retry(failed["deliveryId"])
        await opened.work(drain=True)
        assert (await opened.deliveries.show(failed["deliveryId"]))["state"] == "partial"
    ((to, report),) = reports_of(server)
    assert to == ("RCPT TO:<ann@x.example>",)
    public = b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    (octets,) = (one.content for one in server.accepted if one.reverse_path.startswith("MAIL FROM:<>"))
    assert dkim.verify(octets, dnsfunc=lambda *_args, **_options: f"v=DKIM1; k=rsa; p={public}".encode())
    assert report.get_content_type() == "multipart/report"
    assert report["Content-Type"].params["report-type"] == "delivery-status"
    assert (report["From"], report["To"]) == ("Mail Delivery System <ann@x.example>", "ann@x.example")
    assert (report["Subject"], report["Auto-Submitted"]) == ("Not sent: Grüße", "auto-replied")
    text, status, returned = report.iter_parts()
    assert status.get_content_type() == "message/delivery-status"
    message, recipient = statuses(report)
    assert message["Reporting-MTA"].startswith("dns; ")
    assert {key: recipient[key] for key in ("Final-Recipient", "Action", "Status", "Remote-MTA")} == {
        "Final-Recipient": "rfc822; no@y.example", "Action": "failed", "Status": "5.1.1", "Remote-MTA": "dns; 127.0.0.1"
    }  # fmt: skip
    assert recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1 who is")
    assert failed["deliveryId"] in text.get_content()
    assert "accepted for 1 other recipient." in text.get_content()
    assert "Bcc" not in returned.get_content()
    assert "Message-ID: <1@x.example>" in returned.get_content()


async def test_of_some_nothing_is_reported(home):
    script = {**NO, "RCPT TO:<ann@x.example>": "550 5.1.1 no"}
    async with an_app(home, script, senders=["ann@x.example", "<>"]) as (server, opened, app):
        # Of what came from the null path, of a report that fails, and where the app does not want it.
        await take(opened, app, "no@y.example", reverse_path="")
        await take(opened, app, "no@y.example")
        await opened.work(drain=True)
        assert [one["state"] for one in await opened.deliveries.list()] == ["failed"] * 3
        await opened.apps.update("web", {"notify": "none"})
        await take(opened, app, "no@y.example", content=CONTENT.replace(b"<1@", b"<2@"))
        await opened.work(drain=True)
        assert len(await opened.deliveries.list()) == 4
        await opened.apps.update("web", {"notify": "desk@x.example"})
        await take(opened, app, "no@y.example", content=CONTENT.replace(b"<1@", b"<3@"))
        await opened.apps.delete("web")
        await opened.work(drain=True)
        assert len(await opened.deliveries.list()) == 5
    assert server.accepted == []


async def test_a_held_one_is_reported_and_too_many_are_not(home, monkeypatch):
    monkeypatch.setattr(failure_reports, "MOST_REPORTS", RateLimit(20, 86_400))  # however long this test takes
    async with an_app(home, NO, notify="desk@x.example") as (server, opened, app):
        await take(opened, app, "bob@y.example", content=CONTENT.replace(b"<1@", b"<held@"))
        # As a newer version may have written it.
        damage = update(deliveries).values(options=func.replace(deliveries.c.options, '"terms"', '"later": 1, "terms"'))
        await opened._run_store._database.write(lambda db: db.execute(damage))
        for number in range(22):
            content = CONTENT.replace(b"<1@", b"<n%d@" % number)
            assert (await take(opened, app, "no@y.example", content=content)).code == 250
        await opened.work(drain=True)
    told = reports_of(server)
    assert {to for to, _ in told} == {("RCPT TO:<desk@x.example>",)}
    assert len(told) == 20
    groups = [statuses(report)[1] for _, report in told]
    assert [(one["Action"], one["Status"]) for one in groups].count(("delayed", "4.0.0")) == 1
    last = [report for _, report in told if "More failures of this app" in report.get_payload(0).get_content()]
    assert len(last) == 1


def test_a_report_is_ascii_whatever_the_email_was():
    at = datetime(2026, 11, 30, tzinfo=UTC)
    report = FailureReport(
        sender="ann@x.example",
        to="desk@x.example",
        subject="Not sent: Grüße",
        text="Größe",
        reporting_host="mail.x.example",
        remote_host="mx.y.example",
        arrived_at=at,
        reported_at=at,
        recipients=[
            FailedRecipient("j\u00fc+r@b\u00fccher.example", "failed", "5.0.0", "no\r\nway \u00e4" + "x" * 2000)
        ],
        head=b"Subject: \xff\r\nX-Long: " + b"a" * 2000 + b"\r\n" + b"X-More: yes\r\n" * 5000,
    ).message()
    data = report.octets()
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")
    read = message_from_bytes(data, policy=policy.default)
    group = statuses(read)[1]
    assert group["Final-Recipient"] == r"utf-8; j\x{FC}\x{2B}r@b\x{FC}cher.example"
    assert group["Diagnostic-Code"].startswith("X-Mailnode; no way")
    part: Any = read.get_payload(2)
    returned = part.get_payload(decode=True)
    assert returned.startswith(b"Subject: \xff\r\nX-Long: aaa")
    assert len(returned) < 33_000


async def test_a_report_is_queued_with_the_outcome(home):
    async with an_app(home, NO) as (server, opened, app):
        await take(opened, app, "no@y.example")
        backend: Any = opened._run_store._database._backend
        refused: list[str] = []

        def refuse(_connection, _cursor, statement, parameters, _context, _many):
            if "INSERT INTO deliveries" in statement and "Not sent" in str(parameters) and not refused:
                refused.append(statement)
                raise OperationalError(statement, {}, sqlite3.OperationalError("database is locked"))

        event.listen(backend._write_engine, "before_cursor_execute", refuse)
        await opened.work(drain=True)
        # Without its report there was no outcome, so both were stored by the next try.
        assert [one["state"] for one in await opened.deliveries.list()] == ["sent", "failed"]
        assert len(refused) == 1
    assert len(reports_of(server)) == 1
