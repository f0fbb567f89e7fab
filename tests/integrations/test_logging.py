"""Log records by email: what they say, how many, and that nothing of it holds the program up or comes back to it."""

import asyncio
import logging
import subprocess
import sys
import threading

import pytest

from mailnode.app import Mailnode
from mailnode.inbox.server import Inbox
from mailnode.integrations.logging import EmailHandler
from mailnode.integrations.threaded import ThreadedMailnode

PROGRAM = """
import logging, sys
from mailnode.integrations.logging import EmailHandler
server = {"host": "127.0.0.1", "port": int(sys.argv[1]), "tls_option": "none"}
handler = EmailHandler(to="ops@y.example", from_="app@x.example", level="INFO", **server)
logging.basicConfig(level=logging.DEBUG, handlers=[handler])
logging.info("The last words")
"""


@pytest.fixture
def inbox(tmp_path):
    with Inbox(tmp_path / "inbox") as running:
        yield running
        ThreadedMailnode.close_all()


@pytest.fixture
def log():
    logger = logging.Logger("shop")  # noqa: LOG001 -- one that no other test has
    yield logger
    for handler in logger.handlers:
        handler.close()


def handler(port, **options):
    given = {"host": "127.0.0.1", "port": port, "tls_option": "none", "to": "ops@y.example", "from_": "app@x.example"}
    return EmailHandler(**{**given, **options})


def received(inbox):
    ThreadedMailnode.close_all()
    return inbox.messages()


def test_a_record_is_an_email_with_its_traceback(home, inbox, log):
    log.addHandler(handler(inbox.port))
    log.warning("too little")
    try:
        _ = dict[str, str]()["sku-17"]
    except KeyError:
        log.exception("The order\r\nBcc: eve@z.example\nis %s", "lost")
    log.error("x" * 500)
    first, second = sorted(received(inbox), key=lambda one: one.subject)
    assert (first.subject, first.sender, first.rcpt_to) == ("ERROR: The order", "app@x.example", ("ops@y.example",))
    assert "KeyError: 'sku-17'" in first.text
    assert "is lost" in first.text
    assert "ERROR shop (" in first.text
    assert second.subject == f"ERROR: {'x' * 142}…"


def test_more_than_the_cap_are_counted_in_the_next(home, inbox, log, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(EmailHandler, "clock", staticmethod(lambda: now[0]))
    log.addHandler(handler(inbox.port, most=2, per_seconds=60))
    for number in range(5):
        log.error("number %d", number)
    now[0] = 60.0
    log.error("later")
    log.addHandler(handler(inbox.port, most=0))
    messages = {one.subject: one.text for one in received(inbox)}
    assert messages.keys() == {"ERROR: number 0", "ERROR: number 1", "ERROR: later"}
    assert "3 more before it were left out: 2 are sent in 60 s." in messages["ERROR: later"]


def test_what_sending_logs_is_not_sent(home, inbox, capsys, monkeypatch):
    root = logging.getLogger()
    one = handler(1, level=logging.DEBUG, timeout_seconds=0.1)
    root.addHandler(one)
    monkeypatch.setattr(root, "level", logging.DEBUG)
    try:
        logging.getLogger("shop").error("once")
        logging.getLogger("mailnode.delivery").error("of mailnode")
        ThreadedMailnode.close_all()
    finally:
        root.removeHandler(one)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("mailnode: a log record was not sent by email: ")


def test_the_program_does_not_wait(home, inbox, log, monkeypatch):
    may_go_on = threading.Event()
    monkeypatch.setattr("mailnode.environment.open_database", lambda _: may_go_on.wait(60) and 1 / 0)
    log.addHandler(handler(inbox.port))
    log.error("at once")  # the database is not open before this returns
    assert not may_go_on.is_set()
    monkeypatch.setattr(logging, "raiseExceptions", False)
    may_go_on.set()
    ThreadedMailnode.close_all()


@pytest.mark.skipif((3, 12) <= sys.version_info < (3, 12, 2), reason="they start no thread while they end")
def test_a_program_that_ends_sends_its_last_words(home, inbox):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(inbox.port)], capture_output=True, text=True, timeout=60, check=True
    )
    (message,) = received(inbox)
    assert (message.subject, done.stderr) == ("INFO: The last words", "")


@pytest.mark.parametrize("option", ["hots", "wait", "key"])
def test_an_option_that_there_is_not_is_refused(option):
    with pytest.raises(TypeError, match=option):
        handler(1, **{option: "x"})


async def drained():
    async with Mailnode.open() as mailnode:
        await mailnode.work(drain=True)


def test_by_the_queue_it_is_left_to_a_worker(home, inbox, log, capsys):
    log.addHandler(handler(inbox.port, queue=True))
    log.critical("queued")
    assert received(inbox) == []
    asyncio.run(drained())
    assert [one.subject for one in received(inbox)] == ["CRITICAL: queued"]
