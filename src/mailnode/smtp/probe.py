"""Which protocol a port speaks, found out on separate connections that send no mail."""

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple

from mailnode.errors import ErrorCode, SmtpError
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream
from mailnode.smtp.trust import untrusting_context

_CODE_OCTETS = 3
# A reply ends with the line that has no hyphen behind its code (RFC 5321 4.2.1); a line without a code is no reply.
_LAST_LINE = re.compile(rb"^(?:\d{3}(?!-)|(?!\d{3})).*\n", re.MULTILINE)
# Enough to recognise a protocol.
_MOST_OCTETS = 200
_EHLO = b"EHLO doctor.invalid\r\n"

_PROTOCOLS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    (
        "FTP",
        lambda received: received.startswith(b"220") and b"FTP" in received.upper() and b"SMTP" not in received.upper(),
    ),
    ("SMTP", lambda received: received[:_CODE_OCTETS].isdigit()),
    ("IMAP", lambda received: received.startswith((b"* OK", b"* BYE", b"* PREAUTH"))),
    ("POP3", lambda received: received.startswith((b"+OK", b"-ERR"))),
    ("SSH", lambda received: received.startswith(b"SSH-")),
    ("HTTP", lambda received: received.startswith(b"HTTP/") or b"<html" in received.lower()),
    ("TLS", lambda received: received[:2] in {b"\x15\x03", b"\x16\x03"}),
)


class _Received(NamedTuple):
    octets: bytes = b""
    is_closed: bool = False


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
    """What a port sends as its greeting, and in reply to EHLO; both may be incomplete or empty."""

    greeting: bytes
    answer: bytes

    @property
    def is_reply(self) -> bool:
        """Whether it greets in clear text, as SMTP does."""
        return self.greeting[:_CODE_OCTETS].isdigit()


async def ask_in_clear(server: ServerSettings, seconds: float) -> Offer:
    """Send EHLO in clear text, and read for so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    greeting = answer = b""
    try:
        stream = await Stream.open(server)
        try:
            while not _LAST_LINE.search(greeting):
                greeting += await stream.read(deadline)
            stream.write(_EHLO)
            while not _LAST_LINE.search(answer):
                answer += await stream.read(deadline)
        finally:
            stream.abort()
    except (OSError, SmtpError):
        pass  # what was received so far is enough
    return Offer(greeting, answer)


async def detect_protocol(server: ServerSettings, *, sends_ehlo: bool) -> str | None:
    """Name the protocol of a port that did not greet as SMTP does: `IMAP`, `HTTP`...

    It is "" when the port sends nothing, None when it closes the connection. Where `tls_option` is `tls`, TLS is tried
    first. With `sends_ehlo` EHLO is sent at once, since a web server sends nothing by itself.
    """
    received = _Received()
    if server.tls_option == "tls":
        received = await _listen(server, sends_ehlo=sends_ehlo, private=True)
    if not received.octets:
        received = await _listen(server, sends_ehlo=sends_ehlo)
    for protocol, fits in _PROTOCOLS:
        if fits(received.octets):
            return protocol
    if received.octets:
        return "something else"
    return None if received.is_closed else ""


async def _listen(server: ServerSettings, *, sends_ehlo: bool, private: bool = False) -> _Received:
    """Read what a port sends within the time of a probe: one line, or so many octets."""
    deadline = asyncio.get_running_loop().time() + server.deadlines.probe
    octets = b""
    try:
        stream = await Stream.open(server)
        try:
            if private:
                await stream.start_tls(untrusting_context(), server.host, server.deadlines.probe)
            if sends_ehlo:
                stream.write(_EHLO)
            while len(octets) < _MOST_OCTETS and b"\n" not in octets:
                octets += await stream.read(deadline)
        finally:
            stream.abort()
    except (OSError, SmtpError) as error:
        return _Received(octets, not (isinstance(error, SmtpError) and error.code == ErrorCode.TIMEOUT))
    return _Received(octets)
