"""Recorded sessions, replayed against the protocol without a socket: whole, by line and by octet."""

from itertools import groupby
from pathlib import Path

import pytest

from mailnode.smtp.command import Command
from mailnode.smtp.content import DotStuffer
from mailnode.smtp.extension import Extensions
from mailnode.smtp.protocol import SmtpProtocol
from mailnode.smtp.reply import Reply
from mailnode.smtp.transaction import Transaction
from support.messages import letter

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.smtp"))
MESSAGE = letter("bob@y.example", "cy@y.example", content=b".hi\r\n" + b"x" * 13 + b"\r\n")
CONTENT = "[content]"
SPLITS = {
    "whole": lambda octets: [octets],
    "by line": lambda octets: octets.splitlines(keepends=True),
    "by octet": lambda octets: [octets[at : at + 1] for at in range(len(octets))],
}


class Replay:
    """What the transcript says: it checks what is written and says what is heard."""

    def __init__(self, text, split):
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        self.outcome = lines.pop(0).removeprefix("outcome: ").split()
        self.turns = [(who, [line[3:] for line in said]) for who, said in groupby(lines, key=lambda line: line[0])]
        self.protocol = SmtpProtocol()
        self.split = split

    def write(self, octets):
        who, expected = self.turns.pop(0)
        assert (who, octets.decode()) == ("C", "".join(line + "\r\n" for line in expected))

    def hear(self):
        who, said = self.turns.pop(0)
        assert who == "S"
        for piece in SPLITS[self.split]("".join(line + "\r\n" for line in said).encode()):
            self.protocol.receive(piece)
        assert self.protocol.pending == 0


def replay(path, split):
    play = Replay(path.read_text(), split)
    heard: list[Reply] = []
    play.protocol.expect("greeting", heard.append)
    play.hear()
    play.write(play.protocol.send(Command("ehlo", "EHLO client.example", heard.append)))
    play.hear()
    extensions = Extensions.parse(heard[1].lines)
    transaction = Transaction(MESSAGE, MESSAGE.envelope.forward_paths, extensions)
    for group in transaction.groups(pipelining=extensions.pipelining):
        play.write(play.protocol.send(*group))
        play.hear()
        if play.protocol.closing_reply:
            transaction.on_session_closed(play.protocol.closing_reply)
            break
    if transaction.may_send_content:
        assert play.turns.pop(0) == ("C", [CONTENT])
        stuffer = DotStuffer()
        assert b"".join(map(stuffer.stuff, MESSAGE.blocks())) + stuffer.dot == b"..hi\r\n" + b"x" * 13 + b"\r\n.\r\n"
        play.protocol.expect("content", transaction.on_content_reply)
        transaction.is_dot_sent = True
        play.hear()
    assert not play.turns
    return play.outcome, transaction.verdict()


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_recorded_session_is_judged_as_it_should_be(path, split):
    (phase, code, *statuses), judgement = replay(path, split)
    assert (judgement.phase, str(judgement.reply.code)) == (phase, code)
    assert [recipient.status for recipient in judgement.recipients] == statuses


def test_a_refusal_is_kept_with_its_words():
    _, judgement = replay(Path(__file__).parent / "transcripts" / "gmail-utf8.smtp", "by octet")
    reply = judgement.recipients[0].reply
    assert reply.enhanced_status_code == "4.2.2"
    assert reply.text.startswith("Das Postfach des Empf\u00e4ngers ist voll \u2013 bitte sp\u00e4ter. https://support")
