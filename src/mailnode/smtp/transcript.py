"""What was said in a session, for a person who wants to know why a mail did not go: redacted and bounded."""

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice

from mailnode.errors import MailnodeError, SessionLost, SmtpError
from mailnode.printable import shortened, without_controls
from mailnode.smtp.command import Command
from mailnode.smtp.reply import Reply

# A shorter secret, or a shorter part of one, may be a word of the speaker's own.
_SHORTEST_SECRET = 5
_LONG_WORD = re.compile(r"[A-Za-z0-9+/_~-]{8,}(?:\.[A-Za-z0-9+/_~-]+)*=*")
_VEIL = "***"


def veiled(text: str, secrets: Collection[str]) -> str:
    """Take secrets out of a text, whole or cut short."""

    def judge(word: re.Match[str]) -> str:
        return _VEIL if any(word[0] in secret for secret in secrets) else word[0]

    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, _VEIL)
    return _LONG_WORD.sub(judge, text)


MOST_LINES = 64
MOST_CHARACTERS = 200
# How a session begins tells who speaks to whom; the end tells what went wrong.
_FIRST_LINES = 24
_LAST_LINES = MOST_LINES - _FIRST_LINES
_CHALLENGE = 334
_HIDDEN = "***"

# Octets are what the client wrote, a reply is what the server said, and a text is a note of ours.
Said = bytes | Reply | str


class Transcript:
    """Keeps how a session was opened, without the secrets, and makes text of it and of what was said afterwards.

    Each line begins with `C:` or `S:`, or is a note in brackets.
    """

    def __init__(self) -> None:
        self._opening: list[Said] = []
        self._secrets: list[str] = []

    def conceal(self, secret: str) -> None:
        """Take a secret out of whatever the server says, should it repeat it."""
        self._secrets.append(secret)

    def write(self, command: Command) -> None:
        """Keep a command of the opening; of a login no more than its mechanism."""
        line = command.line
        if command.phase == "auth":
            verb, _, said = line.rpartition(" ")
            if line.startswith("AUTH ") and verb == "AUTH":
                said = ""  # the mechanism alone
            if said:
                self._secrets.append(said)
                line = f"{verb} {_HIDDEN}".lstrip()
            elif not line:
                line = _HIDDEN
        self._opening.append(f"{line}\r\n".encode())

    def hear(self, reply: Reply) -> None:
        """Keep a reply of the opening."""
        self._opening.append(reply)

    def note(self, text: str) -> None:
        """Keep what happened in the opening that nobody said."""
        self._opening.append(text)

    def text(self, said: Iterable[Said] = (), *, messages: int = 0) -> str:
        """Tell of one message; what was said before it is left out when it was about so many other messages."""
        if messages:
            count = f"{messages:,} message{'s' if messages > 1 else ''}"
            opening: list[Said] = [f"session open already; {count} before"]
        else:
            opening = self._opening
        lines = _lines(chain(opening, said))
        first = list(islice(lines, _FIRST_LINES))
        last = list(islice(lines, _LAST_LINES))
        further = deque(lines, _LAST_LINES - 1)
        if further:
            last = ["...", *[*last, *further][1 - _LAST_LINES :]]
        return "\n".join(self._shown(line) for line in chain(first, last))

    def attach(self, error: BaseException, said: Iterable[Said] = (), *, messages: int = 0) -> None:
        """Let an error tell what had been said: one of ours in `dialogue`, any other (cancelling too) in a note.

        What a cancelled wait was for gets it too.

        One that quotes a server which makes no sense loses the secrets that are in its quotation.
        """
        if isinstance(error, SessionLost):
            error.message = veiled(error.message, self._secrets)
            error.args = (error.message,)
        if isinstance(error, MailnodeError):
            is_servers_word = isinstance(error, SmtpError) and error.reply_code is not None
            last = () if is_servers_word else (error.message,)
            error.dialogue = self.text(chain(said, last), messages=messages)
        else:
            text = self.text(chain(said, ("given up",)), messages=messages)
            error.add_note(text)
            if isinstance(error.__cause__, SmtpError):
                error.__cause__.dialogue = text

    def _shown(self, line: str) -> str:
        if not line.startswith("C: "):
            line = veiled(line, self._secrets)
        return shortened(without_controls(line), MOST_CHARACTERS)


def octets_of_content(number: int, *, ended: bool) -> bytes:
    """Stand for content, of which nothing but its size is told."""
    return f"({number:,} bytes of content{'' if ended else ', not ended'})".encode()


def _lines(said: Iterable[Said]) -> Iterator[str]:
    farewell = None
    for one in said:
        if isinstance(one, str):
            yield f"({one})"
        elif isinstance(one, bytes):
            yield from (f"C: {line}" for line in one.decode().splitlines())
        elif one is not farewell:  # one 421 answers all that was asked
            farewell = one if one.is_farewell else None
            yield from _lines_of(one)


def _lines_of(reply: Reply) -> Iterator[str]:
    if reply.code == _CHALLENGE:
        yield f"S: {_CHALLENGE} {_HIDDEN}"
        return
    status = f"{reply.enhanced_status_code} " if reply.enhanced_status_code else ""
    last = len(reply.lines) - 1
    for number, line in enumerate(reply.lines):
        yield f"S: {reply.code}{' ' if number == last else '-'}{status}{line}".rstrip()
