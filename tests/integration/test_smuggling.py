"""Content that would like to be two mails, or another one: three servers that are not ours have the same one."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from email import message_from_bytes, policy
from typing import Any

import pytest

from mailnode.message.compose import compose
from mailnode.message.email import Attachment, Email, RawPart
from mailnode.message.envelope import Message
from mailnode.smtp.client import SmtpClient
from support.aiosmtp import submission
from support.exim import Exim
from support.messages import letter
from support.postfix import Postfix
from support.scripted_smtp import LOCKSTEP, PIPELINING, ScriptedServer

SECOND = "MAIL FROM:<evil@x.example>{0}RCPT TO:<evil@y.example>{0}DATA{0}Subject: second{0}{0}evil{0}.{0}"
# Ends of content as some server has read one, by RFC 5321 2.3.8 and against it (CVE-2023-51764 to 51766).
ENDS = [
    "\r\n.\r\n",
    "\n.\n",
    "\r.\r",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r\n",
    "\r\n.\r",
    "\n.\r",
    "\r.\n",
    "\r\n\0.\r\n",
    "\r\n.\0\r\n",
]
TEXTS = [f"before{end}{SECOND.format(end[-1])}after" for end in ENDS] + [
    ".",
    "..",
    ".\r\n",
    "\r\n.",
    ".a\r\n..b\r\n...c",
    "a\0b\r\n.\r\n\0",
    "x" * 5000,
    "." * 5000,
    ("." * 998 + "\r\n") * 3,
    "x" * 997 + ".\r\n.\r\n",
    "\r" * 300,
    "\n" * 300,
    "\x1a\r\n\x04\r\n",
    "\u2028.\u2028\u0085.\u0085",
    "From here\r\n>From there\r\n",
    "",
]
LIMIT = 998


def mails(number: int, text: str) -> Iterator[Message]:
    """One mail with it as text and HTML, one with it as a file, one with it in a part that was made elsewhere."""
    base: dict[str, Any] = {"from_": "shop@x.example", "subject": f"Case {number}", "text": "x"}
    octets = text.encode()
    file = Attachment(content=octets, filename="a")
    yield compose(Email(**base | {"to": f"s{number}-0@y.example", "text": text, "html": f"<p>{text}</p>"}))
    yield compose(Email(**base, to=f"s{number}-1@y.example", attachments=[file]))
    if b"\0" not in octets:  # such a part is refused: tests/message/test_raw_part.py
        part = RawPart(content=b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + octets)
        yield compose(Email(**base, to=f"s{number}-2@y.example", attachments=[part]))


def composed() -> list[Message]:
    return [mail for number, text in enumerate(TEXTS) for mail in mails(number, text)]


async def send(port: int, letters: Sequence[Message]) -> None:
    """Send all over few sessions, so that one runs into the next where it can."""
    async with SmtpClient("127.0.0.1", port, tls_option="none", max_sessions=2) as client:
        ends = [one async for one in client.send_many(letters)]
    assert [one.error for one in ends if one.error] == []


def assert_whole(letters: Sequence[Message], received: dict[str, bytes]) -> None:
    """Hold what a server kept against what was composed; its own fields stand before ours."""
    assert set(received) == {mail.message_id for mail in letters}
    for mail in letters:
        kept = re.sub(rb"\r\n|\n", b"\r\n", received[mail.message_id])
        assert kept[kept.index(b"From: shop@x.example") :] == mail.octets()


async def test_three_servers_have_the_same_one_mail_of_each(postfix: Postfix, exim: Exim) -> None:
    letters = composed()
    recipients = Counter(path for mail in letters for path in mail.envelope.forward_paths)
    starts = len(postfix.log()), len(exim.log())
    async with submission(login=False) as server:
        await send(server.port, letters)
    await send(postfix.port, letters)
    await send(exim.port, letters)
    assert Counter(path for envelope in server.envelopes for path in envelope.rcpt_tos) == recipients
    assert await postfix.received(starts[0], len(letters)) == recipients
    assert await exim.received(starts[1], len(letters)) == recipients
    at_aiosmtpd = [envelope.original_content or b"" for envelope in server.envelopes]
    assert_whole(letters, {message_id(kept): kept for kept in at_aiosmtpd})
    ours = {one.message_id for one in letters}
    at_postfix = {message_id(kept): kept for kept in postfix.contents()}
    assert_whole(letters, {name: kept for name, kept in at_postfix.items() if name in ours})
    bodies = Counter(re.sub(rb"\r\n", b"\n", mail.octets().partition(b"\r\n\r\n")[2]) for mail in letters)
    assert not bodies - exim.bodies()


def message_id(octets: bytes) -> str:
    return str(message_from_bytes(octets, policy=policy.default)["Message-ID"])


@pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP], ids=["pipelining", "lockstep"])
@pytest.mark.parametrize("made", ["composed", "given"])
async def test_what_stands_between_data_and_the_dot_is_clean_and_stuffed(extensions: Sequence[str], made: str) -> None:
    letters = (
        composed() if made == "composed" else [letter(content=cut) for text in TEXTS for cut in cuts(text.encode())]
    )
    async with ScriptedServer(extensions=extensions) as server:
        await send(server.port, letters)
    assert len(server.accepted) == len(letters)
    assert Counter(one.content for one in server.accepted) == Counter(whole(one) for one in letters)
    octets = b"".join(bytes(visit.octets) for visit in server.visits)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", octets)
    assert not any(b"evil" in command.encode() for visit in server.visits for command in visit.commands)


def whole(one: Message) -> bytes:
    """What is to arrive: every line ends with CRLF, the last one too."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", b"".join(one.blocks()))
    return lines if lines.endswith(b"\r\n") or not lines else lines + b"\r\n"


def cuts(octets: bytes) -> list[tuple[bytes, ...]]:
    """A content in one block, and in blocks that part each line end and dot from what is before it."""
    if len(octets) > LIMIT:
        return [(octets,)]
    pieces = tuple(bytes([octet]) for octet in octets)
    middle = len(octets) // 2
    return [(octets,), pieces, (octets[:middle], octets[middle:])]
