"""What a port really speaks, asked on connections of their own that hand over nothing."""

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple

from mailnode.errors import ErrorCode, SmtpError
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream

# The plain probe reads a greeting's first octets: three digits.
_CODE_OCTETS = 3
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


def untrusting_context() -> ssl.SSLContext:
    """Give a context that takes any certificate: for looking at a server, never for saying a secret to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def speaks_tls(server: ServerSettings) -> bool:
    """Ask whether the port answers a TLS hello; its certificate does not matter."""
    try:
        stream = await Stream.open(server)
        try:
            await stream.start_tls(untrusting_context(), server.host, server.deadlines.silence)
        finally:
            stream.abort()
    except (OSError, SmtpError):
        return False
    return True


async def speaks_in_clear(server: ServerSettings) -> bool:
    """Ask whether the port greets in clear text."""
    return (await _listen(server, _CODE_OCTETS)).octets[:_CODE_OCTETS].isdigit()


async def language_of(server: ServerSettings) -> str | None:
    """Name the protocol of a port that did not greet as SMTP does: `IMAP`, `HTTP`...

    It is "" when the port says nothing, None when it hangs up. What it says is heard over TLS where `tls_option` is
    `tls` and the port bears it. It is spoken to, since a web server says nothing unasked.
    """
    heard = _Heard()
    if server.tls_option == "tls":
        heard = await _listen(server, _HEARD_OCTETS, words=_WORDS, private=True)
    if not heard.octets:
        heard = await _listen(server, _HEARD_OCTETS, words=_WORDS)
    for language, fits in _LANGUAGES:
        if fits(heard.octets):
            return language
    if heard.octets:
        return "something else"
    return None if heard.hung_up else ""


async def _listen(server: ServerSettings, enough: int, *, words: bytes = b"", private: bool = False) -> _Heard:
    """Hear what a port says within the time of silence: a line, or so many octets."""
    deadline = asyncio.get_running_loop().time() + server.deadlines.silence
    octets = b""
    try:
        stream = await Stream.open(server)
        try:
            if private:
                await stream.start_tls(untrusting_context(), server.host, server.deadlines.silence)
            if words:
                stream.write(words)
            while len(octets) < enough and b"\n" not in octets:
                octets += await stream.read(deadline)
        finally:
            stream.abort()
    except (OSError, SmtpError) as error:
        return _Heard(octets, not (isinstance(error, SmtpError) and error.code == ErrorCode.TIMEOUT))
    return _Heard(octets)
