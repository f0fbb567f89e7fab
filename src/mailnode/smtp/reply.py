"""Replies, read from octets that may be split anywhere (RFC 5321 4.2)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from mailnode.errors import ErrorCode, SessionLost
from mailnode.printable import quoted, without_controls

# A SASL challenge may be 12288 octets long (RFC 4954 4); no valid line is longer.
MAX_LINE_OCTETS = 16 * 1024
# An EHLO reply has some twenty lines, a refusal with its policy link perhaps ten.
MAX_REPLY_LINES = 256
# So that a reply without an end can't fill the memory.
MAX_REPLY_OCTETS = 64 * 1024

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)")
# An alert and a handshake record (RFC 8446 5.1): what a port of TLS sends in reply to clear text.
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
# The usual replies to a message that is accepted; none of them answers a login.
_COMMON_OCTETS = 80
_COMMON = frozenset({b"250 ", b"354 "})


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its code, its lines without codes, and the enhanced status code (RFC 3463) where it has one."""

    code: int
    lines: tuple[str, ...]
    enhanced_status_code: str | None = None

    @property
    def text(self) -> str:
        """The lines as one text, without reply code and enhanced status code."""
        return " ".join(line for line in self.lines if line)

    @property
    def is_positive(self) -> bool:
        """Whether it is a positive completion, 2xx."""
        return 200 <= self.code < 300  # noqa: PLR2004 -- RFC 5321 4.2.1

    @property
    def is_intermediate(self) -> bool:
        """Whether it is a positive intermediate reply, 3xx."""
        return 300 <= self.code < 400  # noqa: PLR2004 -- RFC 5321 4.2.1

    @property
    def is_transient(self) -> bool:
        """Whether it is a transient refusal, 4xx."""
        return 400 <= self.code < 500  # noqa: PLR2004 -- RFC 5321 4.2.1

    @property
    def is_permanent(self) -> bool:
        """Whether it is a permanent refusal, 5xx."""
        return self.code >= 500  # noqa: PLR2004 -- RFC 5321 4.2.1

    @property
    def is_refusal(self) -> bool:
        """Whether it is a refusal, 4xx or 5xx."""
        return self.code >= 400  # noqa: PLR2004 -- RFC 5321 4.2.1

    @property
    def is_closing(self) -> bool:
        """Whether it is a 421: the server closes the session, whatever the command was (RFC 5321 3.8)."""
        return self.code == 421  # noqa: PLR2004 -- RFC 5321 4.2.3

    def __str__(self) -> str:
        """Give the reply as a person quotes it: `550 5.1.1 no such user`."""
        return " ".join(part for part in (str(self.code), self.enhanced_status_code or "", self.text) if part)


class ReplyParser:
    """Turns octets into replies; an incomplete one waits for more.

    A line that is not a reply line, or a reply over the limits above, raises SessionLost with the code `badReply`:
    replies after it can't be assigned to commands.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._code = b""
        self._octets = 0

    @property
    def has_partial_reply(self) -> bool:
        """Whether part of a reply has arrived, without its end."""
        return bool(self._rest or self._lines)

    def feed(self, octets: bytes) -> Iterator[Reply]:
        """Give the replies that these octets complete, one by one: those before an invalid one are valid."""
        lines = (self._rest + octets).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line[:4] in _COMMON and len(line) <= _COMMON_OCTETS and not self._lines:
                yield _common_reply(line)
            elif reply := self._take(line.removesuffix(b"\r")):
                yield reply
        if self._rest.startswith(_TLS_RECORDS):
            raise _bad_reply("it is TLS", self._rest)
        if len(self._rest) > MAX_LINE_OCTETS:
            raise _bad_reply("a reply line is too long", self._rest)

    def _take(self, line: bytes) -> Reply | None:
        if not line:  # Some servers put an empty line after a reply.
            return None
        code, separator = line[:3], line[3:4]
        if not (code.isdigit() and b"200" <= code <= b"599" and separator in {b" ", b"-", b""}):
            raise _bad_reply("this is not a reply line", line)
        if self._lines and code != self._code:
            raise _bad_reply(f"the code changes from {self._code.decode()} within a reply", line)
        self._code = code
        self._octets += len(line)
        self._lines.append(line[4:])
        if len(line) > MAX_LINE_OCTETS or self._octets > MAX_REPLY_OCTETS or len(self._lines) > MAX_REPLY_LINES:
            raise _bad_reply("the reply is too long", line)
        if separator == b"-":
            return None
        reply = _reply(int(code), self._lines)
        self._lines = []
        self._octets = 0
        return reply


@lru_cache(maxsize=256)
def _common_reply(line: bytes) -> Reply:
    """Read a reply of one line; a server sends the same few again and again."""
    return _reply(int(line[:3]), [line[4:].removesuffix(b"\r")])


def _reply(code: int, lines: list[bytes]) -> Reply:
    texts = [_decode(line) for line in lines]
    found = _ENHANCED.match(texts[-1])
    if found is None or found[1][0] != str(code)[0]:  # RFC 2034 4: both must be of one class
        return Reply(code, tuple(texts))
    return Reply(code, tuple(_without_status(text) for text in texts), found[1])


def _without_status(text: str) -> str:
    found = _ENHANCED.match(text)
    return text[found.end() :] if found else text


def _decode(line: bytes) -> str:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    return without_controls(text)


def _bad_reply(what: str, line: bytes) -> SessionLost:
    if line.startswith(_TLS_RECORDS):
        return SessionLost(
            "the server speaks TLS where clear text was expected",
            code=ErrorCode.PLAIN_ON_TLS_PORT,
            hint="set tlsOption to tls, if this port expects TLS from the start",
        )
    return SessionLost(
        f"the server's reply can't be understood, {what}: {quoted(_decode(line))}",
        code=ErrorCode.BAD_REPLY,
        hint="check that host and port belong to an SMTP server",
        transient=True,
    )
