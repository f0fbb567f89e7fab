"""What client and server sent in a session, redacted and bounded, for a person who wants to know why a mail failed."""

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice

from mailnode.errors import MailnodeError, SessionLost, SmtpError
from mailnode.printable import shortened, without_controls
from mailnode.smtp.command import Command
from mailnode.smtp.reply import Reply

# A shorter secret, or part of one, may be an ordinary word of the server's.
_SHORTEST_SECRET = 5
_LONG_WORD = re.compile(r"[A-Za-z0-9+/_~-]{8,}(?:\.[A-Za-z0-9+/_~-]+)*=*")
_REDACTED = "***"


def redact(text: str, secrets: Collection[str]) -> str:
    """Replace secrets in a text, whole or cut short, by `***`."""

    def judge(word: re.Match[str]) -> str:
        return _REDACTED if any(word[0] in secret for secret in secrets) else word[0]

    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, _REDACTED)
    return _LONG_WORD.sub(judge, text)


MOST_LINES = 64
MOST_CHARACTERS = 200
# The beginning of a session tells who talks to whom, the end what went wrong.
_FIRST_LINES = 24
_LAST_LINES = MOST_LINES - _FIRST_LINES
_CHALLENGE = 334
_HIDDEN = "***"

# Octets are what the client wrote, a reply is what the server sent, and a text is a note of ours.
Entry = bytes | Reply | str


class Transcript:
    """Records how a session was opened, without secrets, and makes text of it and of what was sent afterwards.

    Each line begins with `C:` or `S:`, or is a note in brackets.
    """

    def __init__(self) -> None:
        self._opening: list[Entry] = []
        self._secrets: list[str] = []

    def hide(self, secret: str) -> None:
        """Redact a secret wherever the server repeats it."""
        self._secrets.append(secret)

    def add_command(self, command: Command) -> None:
        """Record a command of the opening; of a login only its mechanism."""
        line = command.line
        if command.phase == "auth":
            verb, _, response = line.rpartition(" ")
            if line.startswith("AUTH ") and verb == "AUTH":
                response = ""  # the mechanism alone
            if response:
                self._secrets.append(response)
                line = f"{verb} {_HIDDEN}".lstrip()
            elif not line:
                line = _HIDDEN
        self._opening.append(f"{line}\r\n".encode())

    def add_reply(self, reply: Reply) -> None:
        """Record a reply of the opening."""
        self._opening.append(reply)

    def add_note(self, text: str) -> None:
        """Record something else that happened in the opening."""
        self._opening.append(text)

    def text(self, entries: Iterable[Entry] = (), *, messages: int = 0) -> str:
        """Give the text for one message; with `messages` sent before it on this session, the opening is left out."""
        if messages:
            count = f"{messages:,} message{'s' if messages > 1 else ''}"
            opening: list[Entry] = [f"session already open; {count} before"]
        else:
            opening = self._opening
        lines = _lines(chain(opening, entries))
        first = list(islice(lines, _FIRST_LINES))
        last = list(islice(lines, _LAST_LINES))
        further = deque(lines, _LAST_LINES - 1)
        if further:
            last = ["...", *[*last, *further][1 - _LAST_LINES :]]
        return "\n".join(self._shown(line) for line in chain(first, last))

    def attach_to(self, error: BaseException, entries: Iterable[Entry] = (), *, messages: int = 0) -> None:
        """Give an error the text: one of ours in `dialogue`, any other (a cancellation too) as a note.

        The cause of a cancellation that was waiting for a server gets it too. A SessionLost may quote the server:
        secrets in it are redacted.
        """
        if isinstance(error, SessionLost):
            error.message = redact(error.message, self._secrets)
            error.args = (error.message,)
        if isinstance(error, MailnodeError):
            is_servers_word = isinstance(error, SmtpError) and error.reply_code is not None
            last = () if is_servers_word else (error.message,)
            error.dialogue = self.text(chain(entries, last), messages=messages)
        else:
            text = self.text(chain(entries, ("cancelled",)), messages=messages)
            error.add_note(text)
            if isinstance(error.__cause__, SmtpError):
                error.__cause__.dialogue = text

    def _shown(self, line: str) -> str:
        if not line.startswith("C: "):
            line = redact(line, self._secrets)
        return shortened(without_controls(line), MOST_CHARACTERS)


def content_entry(number: int, *, ended: bool) -> bytes:
    """Give the entry for content, of which only the size is shown."""
    return f"({number:,} bytes of content{'' if ended else ', not ended'})".encode()


def _lines(entries: Iterable[Entry]) -> Iterator[str]:
    closing_reply = None
    for one in entries:
        if isinstance(one, str):
            yield f"({one})"
        elif isinstance(one, bytes):
            yield from (f"C: {line}" for line in one.decode().splitlines())
        elif one is not closing_reply:  # one 421 answers all that was asked
            closing_reply = one if one.is_closing else None
            yield from _lines_of(one)


def _lines_of(reply: Reply) -> Iterator[str]:
    if reply.code == _CHALLENGE:
        yield f"S: {_CHALLENGE} {_HIDDEN}"
        return
    status = f"{reply.enhanced_status_code} " if reply.enhanced_status_code else ""
    last = len(reply.lines) - 1
    for number, line in enumerate(reply.lines):
        yield f"S: {reply.code}{' ' if number == last else '-'}{status}{line}".rstrip()
