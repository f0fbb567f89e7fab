"""TLS: who the server must prove to be, and what a handshake that fails means (RFC 3207, RFC 8314)."""

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

PLAINTEXT_LOGIN = "allowPlaintextAuth in the connection, unless the server is this very machine"
_HANDSHAKE_REFUSED = (
    "the server ended the handshake: it may want a client certificate, which mailnode does not show, or TLS older than"
    " 1.2; use another port or server, or ask its operator"
)
SILENCE_HINT = "check host and port; a firewall may swallow what the server says, or it hangs: try 587 or 465"
# What has just been said in clear text is said again about as soon; a port that wants TLS is not held up for longer.
_PATIENCE = 4
_PATIENCE_SECONDS = 1.0
_STARTTLS = re.compile(rb"^250[- ]STARTTLS\b", re.IGNORECASE | re.MULTILINE)


async def start_tls(stream: Stream, server: ServerSettings, context: ssl.SSLContext | None = None) -> None:
    """Make the stream private, or raise TlsFailed with the reason and the remedy.

    A server that is too busy for TLS may say so in clear text (Exim does): then ServerRefused is raised.
    Only a `context` of the caller's own could trust another certificate than `ca` or the system does. Of a certificate
    that is not trusted the error's cause tells OpenSSL's verdict.
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
            seconds = _PATIENCE * (asyncio.get_running_loop().time() - began) + _PATIENCE_SECONDS
            offer = await ask_in_clear(server, min(seconds, server.deadlines.probe))
            if offer.is_reply:
                raise _not_private(server, offer) from None
            if isinstance(error, ConnectionAbortedError):  # so both loops say that the handshake took too long
                said = "takes the connection and says nothing, neither in clear text nor to a TLS hello"
                raise _no_answer(server, said) from None
            has_changed = not offer.greeting
        raise certificate_wanted(error, server) or TlsFailed(
            f"no TLS with {server.address}: {_words(error)}",
            hint=_HANDSHAKE_REFUSED
            if _is_alert(error)
            else "check host and port; the server must speak TLS 1.2 or newer",
            transient=has_changed or not isinstance(error, ssl.SSLError),
        ) from None


def _no_answer(server: ServerSettings, what: str) -> TlsFailed:
    return TlsFailed(f"{server.address} {what}", code=ErrorCode.TIMEOUT, hint=SILENCE_HINT, transient=True)


def plain_on_tls_port(server: ServerSettings) -> TlsFailed:
    """Name the mistake of speaking in clear text to a port that wants TLS from the start of the connection."""
    return TlsFailed(
        f"{server.address} expects TLS from the start of the connection, and tlsOption is {server.tls_option}",
        code=ErrorCode.PLAIN_ON_TLS_PORT,
        hint=f"port {server.port} wants TLS at once: set tlsOption to tls",
    )


def _not_private(server: ServerSettings, offer: Offer) -> TlsFailed | ServerRefused:
    """Say that the server refuses us in clear text, or that its port is another than we take it for."""
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
    """Say what to do about a port that greets in clear text and offers no STARTTLS."""
    hint = f"port {server.port} offers no TLS: use one that does (465 with tls, 587 with starttls), or set tlsOption to"
    hint += " none"
    if server.login is None or server.allow_plaintext_auth:
        return f"{hint}, if the mail need not be private on its way there"
    return f"{hint} in a network that you trust; the login goes in clear text then, which wants {PLAINTEXT_LOGIN}"


def certificate_wanted(error: BaseException | None, server: ServerSettings) -> TlsFailed | None:
    """Say that the server wants to see a certificate of ours, where it says so; None where it does not.

    In TLS 1.3 it does when the handshake is over for us, and its alert comes instead of the first reply.
    """
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    if "ALERT" not in reason or "CERTIFICATE" not in reason:
        return None
    return TlsFailed(
        f"{server.address} wants a client certificate, and mailnode shows none: {_words(error)}",
        hint="use a port of the server, or another server, that lets you in by a login instead of a certificate",
    )


def _bad_certificate(error: ssl.SSLCertVerificationError, server: ServerSettings) -> TlsFailed:
    trouble = fault_of(error.verify_code, error.verify_message)
    return TlsFailed(
        f"the certificate of {server.address} can't be trusted: {trouble.what}",
        code=ErrorCode.BAD_CERTIFICATE,
        hint=trouble.hint,
    )


def _is_alert(error: Exception) -> bool:
    """Whether the server answered in TLS, so that it can't be one of clear text."""
    return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")


def _words(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error) or "the server closed the connection"
