"""Sessions written down, replayed against the protocol without a socket: whole, by line and by byte.

The client's lines of one turn are what it sends at once; escapes are those of Python, `{600}` is so many letters, and a
line that ends with a backslash has no line end. `gate:` tells how the questions are answered, in their order, and
`take:` what is said to messages; what is not told is allowed. `taken:` are the messages that are taken.
"""

import re
from itertools import groupby
from pathlib import Path

import pytest

from mailnode.submission.content import Memory
from mailnode.submission.events import CheckRecipient, CheckSender, Close, ProtocolLimits, StartTls
from mailnode.submission.gate import App, Reply, Submitted
from mailnode.submission.login import Credentials
from mailnode.submission.protocol import SubmissionProtocol

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.smtp"))
CLIENT_TRANSCRIPTS = sorted((Path(__file__).parents[1] / "smtp" / "transcripts").glob("*.smtp"))
SPLITS = {
    "whole": lambda data: [data],
    "by line": lambda data: data.splitlines(keepends=True),
    "by byte": lambda data: [data[at : at + 1] for at in range(len(data))],
}
LIMITS = ProtocolLimits(message_bytes=200, recipients=3, errors=5, idle_commands=6, failed_logins=2)
MEMORY_BYTES = 400


class Replay:
    """A client as written down, and a session that asks nobody."""

    def __init__(self, text):
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        said: dict[str, list[str]] = {}
        while not lines[0].startswith(("S:", "C:")):
            name, _, value = lines.pop(0).partition(": ")
            said.setdefault(name, []).append(value)
        self.answers = [self.reply(value) for value in said.get("gate", [])]
        self.takes = [self.reply(value) for value in said.get("take", [])]
        self.expected = said.get("taken", [])
        where = " ".join(said.get("session", [])).split()
        self.memory = Memory(MEMORY_BYTES)
        self.protocol = SubmissionProtocol(
            "mail.example",
            "192.0.2.1",
            self.memory,
            LIMITS,
            app=App("shop") if "known" in where else Reply(550, "5.7.1", "Nobody") if "unknown" in where else None,
            is_private="private" in where,
            offers_tls="tls" in where,
        )
        self.turns = [(who, [line[3:] for line in said]) for who, said in groupby(lines, key=lambda line: line[0])]
        self.taken: list[Submitted] = []
        self.is_closed = False

    @staticmethod
    def reply(text):
        code, enhanced, words = text.split(" ", 2)
        return Reply(int(code), enhanced, words)

    @staticmethod
    def sent(line):
        line = re.sub(r"\{(\d+)\}", lambda found: "x" * int(found[1]), line)
        has_end = not line.endswith("\\")
        data = line.removesuffix("\\").encode().decode("unicode_escape").encode("latin-1")
        return data + b"\r\n" * has_end

    def answer(self, event):
        match event:
            case Credentials():
                right = event == ("shop", "pencil")
                return App("shop") if right else Reply(535, "5.7.8", "Error: authentication failed")
            case CheckSender() | CheckRecipient():
                return self.answers.pop(0) if self.answers else None
            case Submitted():
                self.taken.append(event)
                return self.takes.pop(0) if self.takes else Reply(250, "2.0.0", "Ok: queued as 1")

    def turn(self):
        """Do what is asked, and give what is said meanwhile."""
        said = b""
        while event := self.protocol.next_event():
            match event:
                case Close():
                    self.is_closed = True
                    break
                case StartTls():
                    said += self.protocol.take_due()
                    self.protocol.tls_started()
                case _:
                    self.protocol.answer(self.answer(event))
        return said + self.protocol.take_due()

    def run(self, split):
        self.protocol.greet()
        heard = self.turn()
        for who, lines in self.turns:
            if who == "S":
                assert heard.decode() == "".join(line + "\r\n" for line in lines)
                heard = b""
                continue
            for piece in SPLITS[split](b"".join(map(self.sent, lines))):
                if not self.is_closed:
                    self.protocol.receive(piece)
                    heard += self.turn()
        assert heard == b""


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_session_goes_as_it_is_written_down(path, split):
    replay = Replay(path.read_text())
    replay.run(split)
    assert [
        f"<{one.reverse_path}> <{'> <'.join(one.forward_paths)}> {str(one.content)[2:-1]}{' SMTPUTF8' * one.smtputf8}"
        for one in replay.taken
    ] == replay.expected
    assert replay.is_closed == path.stem.endswith("-closed")
    replay.protocol.forget_content()
    assert replay.memory.take(MEMORY_BYTES), "the memory of a message was not given back"


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("path", CLIENT_TRANSCRIPTS, ids=lambda path: path.stem)
def test_what_our_client_says_is_understood(path, split):
    """Its transcripts, turned around: a gate that answers as that server did makes this one answer so too."""
    lines = [line for line in path.read_text().splitlines() if line.startswith(("S:", "C:"))]
    codes = [int(line[3:6]) for line in lines if line.startswith("S:") and line[6:7] != "-"]
    commands = [Replay.sent(line[3:]) for line in lines if line.startswith("C:")]
    protocol = SubmissionProtocol("mail.example", "192.0.2.1", Memory(400), LIMITS, app=App("shop"))
    said, taken = b"", []

    def heard():
        return [int(line[:3]) for line in said.decode().splitlines() if line[3] == " "]

    protocol.greet()
    for data in commands:
        for piece in SPLITS[split](data.replace(b"[content]", b"Subject: hi\r\n\r\n..\r\n.")):
            protocol.receive(piece)
            while (event := protocol.next_event()) and event != Close():
                said += protocol.take_due()
                taken += [event.content] if isinstance(event, Submitted) else []
                code = codes[len(heard())]
                is_passed = code == 250 and not isinstance(event, Submitted)
                protocol.answer(None if is_passed else Reply(code, "", "as told"))
            said += protocol.take_due()
    assert heard() == codes
    assert taken == ([b"Subject: hi\r\n\r\n.\r\n"] if b"[content]\r\n" in commands else [])
