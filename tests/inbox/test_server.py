import asyncio
import json
import smtplib
import socket
import stat
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mailnode.errors import UsageError
from mailnode.inbox.folder import InboxFolder
from mailnode.inbox.server import Inbox, read_content

MAIL = b"From: =?utf-8?q?J=C3=BCrg?= <jurg@x.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n.dot\r\n"


async def speak(inbox: Inbox, work: Callable[[smtplib.SMTP], Any]) -> Any:
    """Let a client that is not ours speak to it."""

    def run() -> Any:
        with smtplib.SMTP("127.0.0.1", inbox.port, local_hostname="client.example") as client:
            client.ehlo()
            return work(client)

    return await asyncio.to_thread(run)


async def send(inbox: Inbox, *contents: bytes, to: Sequence[str] = ("bob@y.example",)) -> None:
    def run(client: smtplib.SMTP) -> None:
        for content in contents or (MAIL,):
            client.sendmail("ann@x.example", to, content)

    await speak(inbox, run)


def stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir() if path.is_file()}


async def test_a_mail_is_kept_octet_for_octet_with_its_envelope(tmp_path: Path) -> None:
    before = time.time_ns() // 10**6
    async with Inbox(tmp_path / "inbox") as inbox:
        await send(inbox, to=["bob@y.example", "eve@z.example"])
    (received,) = InboxFolder(tmp_path / "inbox").messages()
    assert received.octets() == MAIL
    assert received.mail_from == "ann@x.example"
    assert received.rcpt_to == ("bob@y.example", "eve@z.example")
    assert received.size == len(MAIL)
    assert before <= received.received_at <= time.time_ns() // 10**6


async def test_what_a_listing_shows_is_decoded(inbox: Inbox) -> None:
    await send(inbox)
    received = inbox.get(1)
    assert (received.subject, received.sender) == ("Grüße", "Jürg <jurg@x.example>")
    assert received.to_json() == {
        "number": 1,
        "mailFrom": "ann@x.example",
        "rcptTo": ["bob@y.example"],
        "receivedAt": received.received_at,
        "size": len(MAIL),
        "from": "Jürg <jurg@x.example>",
        "subject": "Grüße",
    }


@pytest.mark.parametrize(
    ("field", "subject"),
    [
        (b"", ""),
        (b"Subject: two\r\n lines\r\n", "two lines"),
        ("Subject: Grüße\r\n".encode(), "Grüße"),
        (b"Subject: =?utf-8?b?a?=\r\n", "=?utf-8?b?a?="),
        (b"Subject: =?klingon?q?a?=\r\n", "=?klingon?q?a?="),
        (b"Subject: =?us-ascii?q?=FF?=\r\n", "=?us-ascii?q?=FF?="),
        (b"Subject: \xff\r\n", "\ufffd"),
    ],
)
async def test_a_subject_is_read_as_far_as_it_can_be(inbox: Inbox, field: bytes, subject: str) -> None:
    await send(inbox, b"From: a@x.example\r\n" + field + b"\r\nhi\r\n")
    assert inbox.get(1).subject == subject


async def test_addresses_beyond_ascii_are_kept(inbox: Inbox) -> None:
    options = ["SMTPUTF8"]
    await speak(inbox, lambda client: client.sendmail("jörg@bücher.example", ["用户@例子.example"], MAIL, options))
    assert inbox.get(1).mail_from == "jörg@bücher.example"
    assert inbox.get(1).rcpt_to == ("用户@例子.example",)


async def test_the_null_reverse_path_is_empty(inbox: Inbox) -> None:
    await speak(inbox, lambda client: client.sendmail("", ["bob@y.example"], MAIL))
    assert inbox.get(1).mail_from == ""


async def test_it_offers_what_mailnode_makes_use_of(inbox: Inbox) -> None:
    features = await speak(inbox, lambda client: client.esmtp_features)
    assert features.keys() >= {"pipelining", "smtputf8", "8bitmime"}
    assert features["size"] == str(50 * 2**20)
    assert "auth" not in features


async def test_any_login_is_right_where_that_is_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Inbox(tmp_path, any_login=True) as inbox:
        assert await speak(inbox, lambda client: client.login("ann", "secret")[0]) == 235
        assert await speak(inbox, lambda client: client.login("bob", "x")[0]) == 235
    assert caplog.messages == []


async def test_a_group_of_commands_is_answered_in_order(inbox: Inbox) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", inbox.port)
    writer.write(b"EHLO client.example\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n")
    writer.write(MAIL.replace(b"\r\n.", b"\r\n..") + b".\r\nQUIT\r\n")
    replies = (await reader.read(-1)).decode().splitlines()
    writer.close()
    await writer.wait_closed()
    assert [line[:3] for line in replies if line[3] == " "] == ["220", "250", "250", "250", "354", "250", "221"]
    assert inbox.get(1).octets() == MAIL


async def test_folder_and_files_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "inbox"
    async with Inbox(folder) as inbox:
        await send(inbox)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]} == {
        "inbox": 0o700,
        "00000001.eml": 0o600,
        "00000001.json": 0o600,
    }


async def test_of_too_many_mails_the_oldest_go(tmp_path: Path) -> None:
    async with Inbox(tmp_path, keep=2) as inbox:
        await send(inbox, MAIL, MAIL, MAIL)
        await inbox.wait_for(3)
        assert [received.number for received in inbox.messages()] == [2, 3]
    assert stems(tmp_path) == {"00000002", "00000003"}


async def test_a_mail_is_accepted_even_if_an_old_one_can_not_be_thrown_away(tmp_path: Path) -> None:
    async with Inbox(tmp_path / "inbox", keep=1) as inbox:
        (inbox.folder / "00000000.eml").mkdir()
        await send(inbox)
        await inbox.wait_for(1)
        assert inbox.get(1).octets() == MAIL


async def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        async with Inbox(tmp_path) as inbox:
            await send(inbox)
            await inbox.wait_for(1)
    assert [received.number for received in inbox.messages()] == [1, 2]


async def test_two_servers_can_keep_their_mails_in_one_folder(tmp_path: Path) -> None:
    async with Inbox(tmp_path) as one, Inbox(tmp_path) as other:
        await send(one, MAIL, MAIL)
        await send(other, b"Subject: other\r\n\r\n", MAIL)
        await send(one)
    assert [received.number for received in one.messages()] == [1, 2, 3, 4, 5]
    assert one.get(3).subject == "other"


async def test_numbers_go_on_when_all_is_thrown_away(inbox: Inbox) -> None:
    await send(inbox, MAIL, MAIL)
    assert inbox.clear() == 2
    assert inbox.messages() == []
    assert list(inbox.folder.iterdir()) == []
    await send(inbox)
    assert [received.number for received in inbox.messages()] == [3]


async def test_waiting_ends_when_the_mail_arrives(inbox: Inbox) -> None:
    waiting = asyncio.create_task(inbox.wait_for(2))
    await send(inbox)
    assert not waiting.done()
    await send(inbox)
    async with asyncio.timeout(60):
        await waiting


async def test_a_client_that_is_there_at_the_end_is_dropped(tmp_path: Path) -> None:
    async with Inbox(tmp_path) as inbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", inbox.port)
        assert (await reader.readline()).startswith(b"220 ")
    with suppress(ConnectionResetError):
        assert await reader.read(1) == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", inbox.port)


async def test_a_mail_that_can_not_be_kept_is_deferred(inbox: Inbox) -> None:
    inbox.folder.rmdir()
    with pytest.raises(smtplib.SMTPDataError) as caught:
        await send(inbox)
    assert caught.value.smtp_code == 452
    assert inbox.messages() == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "nul", '{"rcpt_to": "bob", "received_at": "now", "mail_from": 7}', "[" * 100_000, '"\xff'],
)
async def test_a_corrupt_envelope_leaves_the_mail_readable(inbox: Inbox, text: str) -> None:
    await send(inbox)
    (inbox.folder / "00000001.json").write_text(text, encoding="latin-1")
    received = inbox.get(1)
    assert received.octets() == MAIL
    assert received.rcpt_to == ()
    assert received.size == len(MAIL)
    assert abs(received.received_at - time.time() * 1000) < 600_000


async def test_a_lost_envelope_leaves_the_mail_readable(inbox: Inbox) -> None:
    await send(inbox)
    (inbox.folder / "00000001.json").unlink()
    assert inbox.messages()[0].subject == "Grüße"


async def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.eml", "1.eml", "\N{ARABIC-INDIC DIGIT ONE}" * 8 + ".eml", "00000007.txt"):
        (tmp_path / name).touch()
    (tmp_path / "00000004.json").write_text(json.dumps({}))
    async with Inbox(tmp_path) as inbox:
        await send(inbox)
    assert [received.number for received in inbox.messages()] == [5]
    inbox.clear()
    assert (tmp_path / "notes.eml").exists()


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    folder = InboxFolder(tmp_path / "none")
    assert folder.messages() == []
    assert folder.clear() == 0
    assert not folder.folder.exists()


@pytest.mark.parametrize("number", [1, 0, -1, 10**30])
def test_a_missing_number_is_an_error(tmp_path: Path, number: int) -> None:
    with pytest.raises(UsageError, match=f"no email {number} "):
        InboxFolder(tmp_path).get(number)


async def test_a_mail_that_is_gone_meanwhile_is_an_error(inbox: Inbox) -> None:
    await send(inbox)
    received = inbox.get(1)
    inbox.clear()
    assert received.subject == ""
    with pytest.raises(UsageError, match="no email 1 "):
        received.octets()


async def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1: it is in use") as caught:
            async with Inbox(tmp_path, port=port):
                pass
    assert caught.value.hint == "stop the server that listens there, or choose another port"


@pytest.mark.parametrize(("hostname", "port"), [("192.0.2.1", 0), ("127.0.0.1", 65536), ("127.0.0.1", -1)])
async def test_a_place_where_one_can_not_listen_is_an_error(tmp_path: Path, hostname: str, port: int) -> None:
    with pytest.raises(UsageError, match="can't listen"):
        async with Inbox(tmp_path, hostname=hostname, port=port):
            pass


async def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "inbox").touch()
    with pytest.raises(UsageError, match="can't use"):
        async with Inbox(tmp_path / "inbox"):
            pass
    with pytest.raises(UsageError, match="can't use"):
        InboxFolder(tmp_path / "inbox").messages()


@pytest.mark.parametrize(
    ("sent", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n\r\n.\r\n", b"a\r\n\r\n"),
        (b"..\r\n...\r\n.a\r\n.\r\n", b".\r\n..\r\na\r\n"),
        (b"a\n.\n\r.\r\nb\r\n.\r\r\n.\r\n", b"a\n.\n\r.\r\nb\r\n\r\r\n"),
    ],
)
async def test_content_ends_at_a_lone_dot_wherever_it_comes_in_two(sent: bytes, content: bytes) -> None:
    for cut in range(len(sent) + 1):
        for behind in (b"", b"QUIT\r\n"):
            reader = asyncio.StreamReader()
            reader.feed_data(sent[:cut])
            reading = asyncio.create_task(read_content(reader))
            await asyncio.sleep(0)
            reader.feed_data(sent[cut:] + behind)
            assert await reading == content
            reader.feed_eof()
            assert await reader.read() == behind


async def test_a_mail_of_nothing_but_lines_takes_no_more_memory_than_another(inbox: Inbox) -> None:
    content = b"Subject: x\r\n" + b"\r\n" * 1_000_000
    tracemalloc.start()
    try:
        await send(inbox, content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert inbox.get(1).octets() == content
    assert peak < 20 * len(content)


async def test_what_is_too_large_or_has_a_long_line_is_refused_and_the_session_goes_on(inbox: Inbox) -> None:
    answers: list[int] = []

    def run(client: smtplib.SMTP) -> None:
        for content in (b"a" * 1_500, b"a\r\n" * (18 * 2**20), MAIL):
            client.mail("a@b.example")
            client.rcpt("c@d.example")
            answers.append(client.data(content)[0])

    await speak(inbox, run)
    assert answers == [500, 552, 250]


async def test_a_listing_reads_the_beginning_of_a_long_field_alone(inbox: Inbox) -> None:
    await send(inbox, b"Subject: " + b"\r\n ".join([b"=?utf-8?q?=C3=BC?= a"] * 10_000) + b"\r\n\r\n")
    subject = inbox.get(1).subject
    assert subject.startswith("ü a ü a")
    assert len(subject) < 2_000
    assert subject.endswith(" …")


def test_a_subject_of_nothing_but_folded_blanks_leaves_the_list(tmp_path):
    (tmp_path / "00000001.eml").write_bytes(b"Subject:\r\n" + b" \r\n" * 2_000 + b"From: a@b.example\r\n\r\n")
    (received,) = InboxFolder(tmp_path).messages()
    assert received.subject.strip() == "\N{HORIZONTAL ELLIPSIS}"
    assert received.sender == "a@b.example"
