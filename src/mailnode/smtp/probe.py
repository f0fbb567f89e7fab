"""What a port really speaks, asked on connections of their own that hand over nothing."""

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple

from mailnode.errors import ErrorCode, SmtpError
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream
from mailnode.smtp.trust import untrusting_context

_CODE_OCTETS = 3
# A reply ends with the line that has no hyphen behind its code (RFC 5321 4.2.1); what has no code is no reply.
_LAST_LINE = re.compile(rb"^(?:\d{3}(?!-)|(?!\d{3})).*\n", re.MULTILINE)
# Enough to know a protocol by; all that we listen for.
_HEARD_OCTETS = 200
_WORDS = b"EHLO doctor.invalid\r\n"

_LANGUAGES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("FTP", lambda heard: heard.startswith(b"220") and b"FTP" in heard.upper() and b"SMTP" not in heard.upper()),
    ("SMTP", lambda heard: heard[:_CODE_OCTETS].isdigit()),
    ("IMAP", lambda heard: heard.startswith((b"* OK", b"* BYE", b"* PREAUTH"))),
    ("POP3", lambda heard: heard.startswith((b"+OK", b"-ERR"))),
    ("SSH", lambda heard: heard.startswith(b"SSH-")),
    ("HTTP", lambda heard: heard.startswith(b"HTTP/") or b"<html" in heard.lower()),
    ("TLS", lambda heard: heard[:2] in {b"\x15\x03", b"\x16\x03"}),
)


class _Heard(NamedTuple):
    octets: bytes = b""
    hung_up: bool = False


async def speaks_tls(server: ServerSettings) -> bool:
    """Ask whether the port answers a TLS hello; its certificate does not matter."""
    try:
        stream = await Stream.open(server)
        try:
            await stream.start_tls(untrusting_context(), server.host, server.deadlines.probe)
        finally:
            stream.abort()
    except (OSError, SmtpError):
        return False
    return True


class Offer(NamedTuple):
    """What a port says unasked, and to EHLO; as much of it as came, perhaps nothing."""

    greeting: bytes
    answer: bytes

    @property
    def is_reply(self) -> bool:
        """Whether it greets in clear text, as SMTP does."""
        return self.greeting[:_CODE_OCTETS].isdigit()


async def ask_in_clear(server: ServerSettings, seconds: float) -> Offer:
    """Ask in clear text what the port offers, and listen for so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    greeting = answer = b""
    try:
        stream = await Stream.open(server)
        try:
            while not _LAST_LINE.search(greeting):
                greeting += await stream.read(deadline)
            stream.write(_WORDS)
            while not _LAST_LINE.search(answer):
                answer += await stream.read(deadline)
        finally:
            stream.abort()
    except (OSError, SmtpError):
        pass  # what came so far tells enough
    return Offer(greeting, answer)


async def detect_protocol(server: ServerSettings, *, speaks: bool) -> str | None:
    """Name the protocol of a port that did not greet as SMTP does: `IMAP`, `HTTP`...

    It is "" when the port says nothing, None when it hangs up. What it says is heard over TLS where `tls_option` is
    `tls` and the port bears it. With `speaks` it is spoken to, since a web server says nothing unasked.
    """
    heard = _Heard()
    if server.tls_option == "tls":
        heard = await _listen(server, speaks=speaks, private=True)
    if not heard.octets:
        heard = await _listen(server, speaks=speaks)
    for language, fits in _LANGUAGES:
        if fits(heard.octets):
            return language
    if heard.octets:
        return "something else"
    return None if heard.hung_up else ""


async def _listen(server: ServerSettings, *, speaks: bool, private: bool = False) -> _Heard:
    """Hear what a port says within the time of a probe: a line, or so many octets."""
    deadline = asyncio.get_running_loop().time() + server.deadlines.probe
    octets = b""
    try:
        stream = await Stream.open(server)
        try:
            if private:
                await stream.start_tls(untrusting_context(), server.host, server.deadlines.probe)
            if speaks:
                stream.write(_WORDS)
            while len(octets) < _HEARD_OCTETS and b"\n" not in octets:
                octets += await stream.read(deadline)
        finally:
            stream.abort()
    except (OSError, SmtpError) as error:
        return _Heard(octets, not (isinstance(error, SmtpError) and error.code == ErrorCode.TIMEOUT))
    return _Heard(octets)
