"""Django sends by mailnode: at once, by the queue, or with its own transaction."""

import asyncio
import base64
import email
import logging
import smtplib
import subprocess
import sys
import tarfile
from email import policy

import django
import psycopg
import pytest
from django.conf import settings
from django.core import mail
from django.db import connections, transaction
from django.test.utils import override_settings
from django.utils.functional import lazystr

from mailnode.app import Mailnode
from mailnode.errors import MailboxError, UsageError
from mailnode.inbox.server import Inbox
from mailnode.integrations.django import EmailBackend, NotSent
from mailnode.integrations.threaded import ThreadedMailnode
from support import djangos_tests
from support.scripted_smtp import ScriptedServer

BACKEND = "mailnode.integrations.django.EmailBackend"
HAS_MAILERS = django.VERSION >= (6, 1)

if not settings.configured:
    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}, USE_TZ=True)
django.setup()


async def apart(work, *given):
    """Run a program in a thread, as Django is not asynchronous, and end what it leaves open."""
    try:
        return await asyncio.to_thread(work, *given)
    finally:
        await asyncio.to_thread(ThreadedMailnode.close_all)


@pytest.fixture(autouse=True)
def closed():
    yield
    ThreadedMailnode.close_all()


def configured(port, **options):
    """Set it up as the Django at hand wants it."""
    options = {"host": "127.0.0.1", "port": port, "tls_option": "none", **options}
    if HAS_MAILERS:
        return override_settings(MAILERS={"default": {"BACKEND": BACKEND, "OPTIONS": options}})
    return override_settings(EMAIL_BACKEND=BACKEND, MAILNODE=options)


def backend(**options):
    """Give the backend that is set up."""
    if HAS_MAILERS:
        return mail.mailers.create_connection("default") if not options else EmailBackend(alias="default", **options)
    return mail.get_connection(**options)


def message(to="bob@y.example", **fields):
    return mail.EmailMessage("Hi", "Grüße\n", "Ann <ann@x.example>", [to], **fields)


def read(accepted):
    return email.message_from_bytes(accepted.content, policy=policy.default)


def test_what_django_makes_arrives_whole(home, tmp_path):
    with Inbox(tmp_path / "inbox") as inbox, configured(inbox.port):
        whole = mail.EmailMultiAlternatives(
            lazystr("Grüße"),
            "Hello\n",
            lazystr("Änn <ann@x.example>"),
            [lazystr("bob@y.example"), "eve@exämple.example"],
            bcc=["joe@z.example"],
            reply_to=["help@x.example"],
            headers={"X-Order": "17"},
        )
        whole.attach_alternative("<p>Hello</p>\n", "text/html")
        whole.attach("report.pdf", b"%PDF", "application/pdf")
        assert whole.send() == 1
        assert mail.send_mail("Two", "Text", "ann@x.example", ["bob@y.example"], html_message="<b>x</b>") == 1
        received = {one.subject: one for one in inbox.messages()}
    first, later = received["Grüße"], received["Two"]
    assert (first.mail_from, sorted(first.rcpt_to)) == (
        "ann@x.example",
        ["bob@y.example", "eve@xn--exmple-cua.example", "joe@z.example"],
    )
    assert (first.text, first.html, first.sender) == ("Hello\r\n", "<p>Hello</p>\r\n", "Änn <ann@x.example>")
    assert [(one.filename, one.octets) for one in first.attachments] == [("report.pdf", b"%PDF")]
    raw = first.octets().lower()
    assert (b"x-order: 17" in raw, b"\nbcc:" in raw, b"reply-to: help@x.example" in raw) == (True, False, True)
    assert (later.html or "").rstrip() == "<b>x</b>"


async def test_a_refusal_is_an_smtp_exception_with_the_result_or_silent(home, caplog):
    script = {"RCPT TO:<no@y.example>": "550 5.1.1 nobody here"}
    async with ScriptedServer(script) as server:
        with configured(server.port), caplog.at_level(logging.WARNING):

            def work():
                both = [message("no@y.example"), message()]
                with pytest.raises(smtplib.SMTPException, match="nobody here") as caught:
                    backend().send_messages(both)
                some = message(cc=["no@y.example"])
                silent = backend()
                silent.fail_silently = True
                return caught.value, silent.send_messages(both), backend().send_messages([some])

            error, silent, partial = await apart(work)
    assert isinstance(error, NotSent)
    assert (error.result["status"], error.code, error.transient) == ("failed", "recipientsRefused", False)
    assert error.hint
    assert (silent, partial) == (1, 1)
    assert [one.forward_paths for one in server.accepted] == [("RCPT TO:<bob@y.example>",)] * 2
    said = [record.message for record in caplog.records if record.name == "mailnode.integrations.django"]
    assert ["was not sent" in said[0], "refused for no@y.example" in said[1]] == [True, True]


def test_without_a_server_or_an_address_it_says_so(home):
    with configured(1, timeout_seconds=0.5):
        connection = backend()
        with pytest.raises(NotSent) as caught:
            connection.send_messages([message()])
        assert caught.value.transient
        with pytest.raises(MailboxError, match="nobody"):
            connection.send_messages([message("nobody")])
        assert connection.send_messages([]) == 0
        assert connection.send_messages(None) == 0
        assert connection.send_messages([mail.EmailMessage("x", "y", "a@b.example", [])]) == 0
        with connection as same:
            assert (same.open(), same.close(), same.open()) == (False, None, True)


def test_a_wrong_option_is_named_with_those_that_there_are():
    for wrong, words in (
        ({"hots": "x"}, "'hots'"),
        ({"key": "1"}, "'key'"),
        ({"database": "x", "timeout_seconds": 1}, "'time"),
    ):
        with override_settings(MAILNODE=wrong), pytest.raises(UsageError, match=words) as refused:
            EmailBackend()
        assert "connection, " in refused.value.hint
    with pytest.raises(UsageError, match="user name and password") as refused:
        EmailBackend(username="ann", password="s")
    assert "connection" in refused.value.hint


@pytest.mark.soak
def test_djangos_own_tests_of_a_backend_pass(home, tmp_path):
    """The source distribution of the Django that is installed brings them."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "django", "--dest", str(tmp_path)]
    subprocess.run([*pip, f"django=={django.__version__}"], check=True, timeout=600)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.glob("*/tests")
    with Inbox(tmp_path / "inbox") as inbox:
        program = [sys.executable, djangos_tests.__file__, str(folder), str(inbox.port), str(tmp_path / "inbox")]
        done = subprocess.run(program, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_queue_is_left_to_a_worker(home):
    async with ScriptedServer() as server:
        with configured(server.port, queue=True):
            assert await apart(lambda: backend().send_messages([message(), message()])) == 2
        assert not server.accepted
        async with Mailnode.open() as mailnode:
            await mailnode.work(drain=True)
    assert len(server.accepted) == 2
    assert read(server.accepted[0]).get_content() == "Grüße\r\n"


async def test_in_djangos_transaction_it_is_committed_with_it_or_never(home, monkeypatch, postgres_url):
    monkeypatch.setenv("MAILNODE_DATABASE_URL", postgres_url)
    parts = psycopg.conninfo.conninfo_to_dict(postgres_url)
    mine = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts["dbname"],
        "USER": parts["user"],
        "HOST": parts["host"],
    }
    names = connections.configure_settings({"default": {"ENGINE": "django.db.backends.sqlite3"}, "mine": mine})
    monkeypatch.setitem(connections.settings, "mine", names["mine"])

    def rolled_back():
        with transaction.atomic(using="mine"):
            backend().send_messages([message("lost@y.example")])
            raise KeyError

    def work(port):
        with configured(port, database="mine"):
            with transaction.atomic(using="mine"):
                assert backend().send_messages([message("in@y.example")]) == 1
                with pytest.raises(KeyError):
                    rolled_back()
            with pytest.raises(KeyError):
                rolled_back()
            assert backend().send_messages([message("alone@y.example")]) == 1
        connections["mine"].close()

    async with ScriptedServer() as server:
        await apart(work, server.port)
        monkeypatch.setenv("MAILNODE_SECRET_KEY", base64.b64encode(bytes(32)).decode())
        async with Mailnode.open() as mailnode:
            await mailnode.work(drain=True)
    sent = sorted(one.forward_paths for one in server.accepted)
    assert sent == [("RCPT TO:<alone@y.example>",), ("RCPT TO:<in@y.example>",)]
