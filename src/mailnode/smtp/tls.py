"""TLS: who the server must prove to be, and what a handshake that fails means (RFC 3207, RFC 8314)."""

import asyncio
import ssl
from functools import lru_cache

from mailnode.errors import ErrorCode, SettingsError, SmtpError, TlsFailed
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream

_CERTIFICATE_HINTS = {
    9: "The certificate is not valid yet: check this machine's clock.",
    10: "The certificate has expired: whoever runs the server must renew it.",
    18: "The server signs its own certificate: give that certificate as `ca` (PEM text) to trust it.",
    19: "The certificate comes from a private authority: give that authority's certificate as `ca` (PEM text).",
    20: "The certificate comes from an unknown authority: give its certificate as `ca` (PEM text), if you trust it.",
    62: "The certificate is for another name: use a host name that stands in it.",
    64: "The certificate is for another address: use the host name that stands in it.",
}
_OTHER_CERTIFICATE_HINT = "give the certificate of the server's authority as `ca` (PEM text), if you trust it"
# The plain probe reads a greeting's first octets: three digits.
_CODE_OCTETS = 3


@lru_cache(maxsize=64)
def client_context(ca: str | None) -> ssl.SSLContext:
    """Give a context that checks certificate and name, by `ca` (PEM text) or the system's store; TLS 1.2 or newer."""
    if ca == "":  # which the ssl module takes for "no wish"
        raise _no_certificate()
    try:
        context = ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError, TypeError):
        raise _no_certificate() from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def start_tls(stream: Stream, server: ServerSettings) -> None:
    """Make the stream private, or raise TlsFailed with the reason and the remedy."""
    try:
        await stream.start_tls(client_context(server.ca), server.host, server.deadlines.tls)
    except ssl.SSLCertVerificationError as error:
        raise _bad_certificate(error, server) from None
    except (OSError, EOFError) as error:
        stream.abort()
        if server.tls_option == "tls" and not _is_alert(error) and await _speaks_in_clear(server):
            raise _tls_on_plain_port(server) from None
        raise TlsFailed(
            f"no TLS with {server.address}: {_words(error)}",
            hint="check host and port; the server must speak TLS 1.2 or newer",
            transient=not isinstance(error, ssl.SSLError),
        ) from None


async def speaks_tls(server: ServerSettings) -> bool:
    """Ask, on a connection of its own, whether the port answers a TLS hello; its certificate does not matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        stream = await Stream.open(server)
        try:
            await stream.start_tls(context, server.host, server.deadlines.silence)
        finally:
            stream.abort()
    except (OSError, SmtpError):
        return False
    return True


async def _speaks_in_clear(server: ServerSettings) -> bool:
    deadline = asyncio.get_running_loop().time() + server.deadlines.silence
    try:
        stream = await Stream.open(server)
        try:
            greeting = b""
            while len(greeting) < _CODE_OCTETS:
                greeting += await stream.read(deadline)
        finally:
            stream.abort()
    except SmtpError:
        return False
    return greeting[:_CODE_OCTETS].isdigit()


def plain_on_tls_port(server: ServerSettings) -> TlsFailed:
    """Name the mistake of speaking in clear text to a port that wants TLS from the first octet on."""
    return TlsFailed(
        f"{server.address} speaks TLS from the first octet on, and tlsOption is {server.tls_option}",
        code=ErrorCode.PLAIN_ON_TLS_PORT,
        hint=f"port {server.port} wants TLS at once: set tlsOption to tls",
    )


def _tls_on_plain_port(server: ServerSettings) -> TlsFailed:
    return TlsFailed(
        f"{server.address} greets in clear text, and tlsOption is tls",
        code=ErrorCode.TLS_ON_PLAIN_PORT,
        hint=f"port {server.port} speaks STARTTLS: set tlsOption to starttls (none, if the server has no TLS)",
    )


def _no_certificate() -> SettingsError:
    return SettingsError(
        "`ca` holds no certificate",
        code=ErrorCode.BAD_SETTING,
        hint="give PEM text: -----BEGIN CERTIFICATE----- and so on",
    ).locate(key="ca")


def _bad_certificate(error: ssl.SSLCertVerificationError, server: ServerSettings) -> TlsFailed:
    return TlsFailed(
        f"the certificate of {server.address} can't be trusted: {error.verify_message.strip() or 'no reason given'}",
        code=ErrorCode.BAD_CERTIFICATE,
        hint=_CERTIFICATE_HINTS.get(error.verify_code, _OTHER_CERTIFICATE_HINT),
    )


def _is_alert(error: Exception) -> bool:
    """Whether the server answered in TLS, so that it can't be one of clear text."""
    return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error) or "the server closed the connection"
