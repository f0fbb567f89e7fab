"""TLS: how the server must identify itself, and what a failed handshake means (RFC 3207, RFC 8314)."""

import asyncio
import re
import ssl

from mailnode.errors import ErrorCode, ServerRefused, SessionLost, TlsFailed
from mailnode.smtp.doctor.certificate import fault_of
from mailnode.smtp.probe import Offer, ask_in_clear
from mailnode.smtp.refusal import refused
from mailnode.smtp.reply import ReplyParser
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream
from mailnode.smtp.trust import client_context

PLAINTEXT_LOGIN = "allowPlaintextAuth in the connection, unless the server is on this machine"
_HANDSHAKE_REFUSED = (
    "the server ended the handshake: it may require a client certificate, which mailnode does not send, or TLS older"
    " than 1.2; use another port or server, or ask its operator"
)
SILENCE_HINT = "check host and port; a firewall may be dropping the server's replies, or it hangs: try 587 or 465"
# A server that greets in clear text does so again about as soon; a port of TLS is not kept waiting for longer.
_WAIT_FACTOR = 4
_EXTRA_SECONDS = 1.0
_STARTTLS = re.compile(rb"^250[- ]STARTTLS\b", re.IGNORECASE | re.MULTILINE)


async def start_tls(stream: Stream, server: ServerSettings, context: ssl.SSLContext | None = None) -> None:
    """Start TLS on the stream, or raise TlsFailed with the reason and the remedy.

    A server that is too busy for TLS may say so in clear text (Exim does): then ServerRefused is raised.
    `context` replaces the one that trusts `ca` or the system's certificates. For a certificate that is not trusted, the
    cause of the error has OpenSSL's verdict.
    """
    began = asyncio.get_running_loop().time()
    try:
        await stream.start_tls(context or client_context(server.ca), server.host, server.deadlines.tls)
    except ssl.SSLCertVerificationError as error:
        raise _bad_certificate(error, server) from error
    except asyncio.CancelledError as cancelled:
        raise cancelled from _no_answer(server, "has not answered the TLS hello")
    except (OSError, EOFError) as error:
        stream.abort()
        has_changed = False
        if server.tls_option == "tls" and not _is_alert(error):
            seconds = _WAIT_FACTOR * (asyncio.get_running_loop().time() - began) + _EXTRA_SECONDS
            offer = await ask_in_clear(server, min(seconds, server.deadlines.probe))
            if offer.is_reply:
                raise _clear_text_error(server, offer) from None
            if isinstance(error, ConnectionAbortedError):  # so both loops say that the handshake took too long
                what = "accepts the connection but sends nothing, neither in clear text nor in reply to a TLS hello"
                raise _no_answer(server, what) from None
            has_changed = not offer.greeting
        raise client_certificate_error(error, server) or TlsFailed(
            f"TLS with {server.address} failed: {_reason(error)}",
            hint=_HANDSHAKE_REFUSED
            if _is_alert(error)
            else "check host and port; the server must speak TLS 1.2 or newer",
            transient=has_changed or not isinstance(error, ssl.SSLError),
        ) from None


def _no_answer(server: ServerSettings, what: str) -> TlsFailed:
    return TlsFailed(f"{server.address} {what}", code=ErrorCode.TIMEOUT, hint=SILENCE_HINT, transient=True)


def plain_on_tls_port(server: ServerSettings) -> TlsFailed:
    """Give the error for clear text on a port that expects TLS from the start."""
    return TlsFailed(
        f"{server.address} expects TLS from the start of the connection, and tlsOption is {server.tls_option}",
        code=ErrorCode.PLAIN_ON_TLS_PORT,
        hint=f"port {server.port} expects TLS from the start: set tlsOption to tls",
    )


def _clear_text_error(server: ServerSettings, offer: Offer) -> TlsFailed | ServerRefused:
    """Give the error for a server that answers in clear text: it refuses the session, or its port is not one of TLS."""
    try:
        greeting = next(ReplyParser().feed(offer.greeting), None)
    except SessionLost:
        greeting = None
    if greeting and greeting.is_refusal:
        return refused(greeting, "greeting", server)
    if _STARTTLS.search(offer.answer):
        hint = f"port {server.port} speaks STARTTLS: set tlsOption to starttls"
    elif offer.answer.startswith(b"250"):
        hint = no_tls_hint(server)
    else:
        hint = f"port {server.port} begins in clear text: set tlsOption to starttls (none, if the server has no TLS)"
    return TlsFailed(
        f"{server.address} greets in clear text, and tlsOption is tls", code=ErrorCode.TLS_ON_PLAIN_PORT, hint=hint
    )


def no_tls_hint(server: ServerSettings) -> str:
    """Give the remedy for a port that greets in clear text and offers no STARTTLS."""
    hint = f"port {server.port} offers no TLS: use one that does (465 with tls, 587 with starttls), or set tlsOption to"
    hint += " none"
    if server.login is None or server.allow_plaintext_auth:
        return f"{hint}, if the email may travel unencrypted"
    return f"{hint} on a network that you trust; the login is then sent in clear text, which requires {PLAINTEXT_LOGIN}"


def client_certificate_error(error: BaseException | None, server: ServerSettings) -> TlsFailed | None:
    """Give the error for a server that requires a client certificate; None where it does not.

    In TLS 1.3 its alert comes after our side of the handshake, instead of the first reply.
    """
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    if "ALERT" not in reason or "CERTIFICATE" not in reason:
        return None
    return TlsFailed(
        f"{server.address} requires a client certificate, and mailnode sends none: {_reason(error)}",
        hint="use another port or server that accepts a login instead of a certificate",
    )


def _bad_certificate(error: ssl.SSLCertVerificationError, server: ServerSettings) -> TlsFailed:
    fault = fault_of(error.verify_code, error.verify_message)
    return TlsFailed(
        f"the certificate of {server.address} can't be trusted: {fault.what}",
        code=ErrorCode.BAD_CERTIFICATE,
        hint=fault.hint,
    )


def _is_alert(error: Exception) -> bool:
    """Whether the server answered in TLS, so that its port is not one of clear text."""
    return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")


def _reason(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error) or "the server closed the connection"
