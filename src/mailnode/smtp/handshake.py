"""Opening a session: connect, TLS, greeting, EHLO, STARTTLS, AUTH. All of it fails closed."""

import asyncio
import re
import socket
import ssl
from dataclasses import replace
from time import monotonic
from typing import NamedTuple

from mailnode.errors import ErrorCode, SessionLost, SmtpError, TlsFailed
from mailnode.smtp.authentication import Credentials, authenticate
from mailnode.smtp.bearer import Bearer
from mailnode.smtp.channel import Channel
from mailnode.smtp.extension import Extensions
from mailnode.smtp.probe import speaks_tls
from mailnode.smtp.refusal import refused
from mailnode.smtp.reply import Reply
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream
from mailnode.smtp.tls import SILENCE_HINT, client_certificate_error, no_tls_hint, plain_on_tls_port, start_tls
from mailnode.smtp.transcript import Transcript

# Dovecot 2.3 relays the content, and then crashes on an RCPT that was pipelined behind the final dot, before it replies
# ("assertion failed: (conn->state.pending_rcpt_cmds == 0)"): the outcome would be unknown.
_PANICS = re.compile(r"\bDovecot\b")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


async def greet(channel: Channel, server: ServerSettings, context: ssl.SSLContext | None = None) -> Extensions:
    """Go as far as EHLO in the TLS mode of the settings, and give the extensions; `context` as of `start_tls`."""
    if server.tls_option == "tls":
        await start_tls(channel.stream, server, context)
    greeting = await read_greeting(channel, server)
    extensions = await send_ehlo(channel, server)
    if server.tls_option == "starttls":
        await send_starttls(channel, server, extensions, context)
        extensions = await send_ehlo(channel, server)
    return replace(extensions, pipelines_messages=not _PANICS.search(greeting.text))


async def read_greeting(channel: Channel, server: ServerSettings) -> Reply:
    """Wait for the greeting; raises TlsFailed where a port of TLS is silent because it waits for our TLS hello."""
    replies: list[Reply] = []
    channel.protocol.expect("greeting", replies.append)
    silence = _Silence(server)
    try:
        await _await_greeting(channel, silence)
    except SessionLost as lost:
        if lost.code == ErrorCode.PLAIN_ON_TLS_PORT and server.tls_option != "tls":
            raise plain_on_tls_port(server) from None
        if (wanted := client_certificate_error(lost.__cause__, server)) is not None:
            raise wanted from None
        if channel.protocol.has_partial_reply or lost.code not in {ErrorCode.TIMEOUT, ErrorCode.SESSION_LOST}:
            raise
        raise (silence.error() if lost.code == ErrorCode.TIMEOUT else _hung_up(lost, server)) from lost.__cause__
    except asyncio.CancelledError as cancelled:
        raise cancelled from silence.error()
    greeting = replies[0]
    if not greeting.is_positive:
        raise refused(greeting, "greeting", server)
    return greeting


async def _await_greeting(channel: Channel, silence: "_Silence") -> None:
    server = silence.server
    if server.tls_option != "tls" and server.deadlines.silence < server.deadlines.greeting:
        try:
            await channel.settle(server.deadlines.silence)
        except SessionLost as lost:
            if lost.code != ErrorCode.TIMEOUT:
                raise
            if not channel.protocol.has_partial_reply:
                # A port of TLS waits for our hello.
                if await speaks_tls(server):
                    raise plain_on_tls_port(server) from None
                silence.is_probed = True
    await channel.settle(max(0.0, server.deadlines.greeting - silence.seconds))


class _Silence:
    """How long a port has sent nothing so far, and whether it was probed with a TLS hello in vain."""

    def __init__(self, server: ServerSettings) -> None:
        self.server = server
        self.is_probed = False
        self._since = monotonic()

    @property
    def seconds(self) -> float:
        return monotonic() - self._since

    def error(self) -> SessionLost:
        address, hint, where = self.server.address, SILENCE_HINT, ""
        if self.is_probed:
            where = ", neither in clear text nor in reply to a TLS hello,"
        elif self.server.tls_option == "tls":
            where = " over TLS"
        else:
            hint = (
                "a port that expects TLS from the start (such as 465) is silent like this: if it is one, set tlsOption"
                f" to tls; otherwise {SILENCE_HINT}"
            )
        what = f"{address} accepts the connection but sends nothing{where} for {round(self.seconds, 1):g} s"
        return SessionLost(what, code=ErrorCode.TIMEOUT, phase="greeting", hint=hint, transient=True)


async def send_ehlo(channel: Channel, server: ServerSettings) -> Extensions:
    """Send EHLO, or HELO where it is not known, and give the extensions that the server offers."""
    name = ehlo_name(server, channel.stream)
    try:
        reply = await channel.ask("ehlo", f"EHLO {name}")
    except SessionLost as lost:
        raise (client_certificate_error(lost.__cause__, server) or lost) from lost.__cause__
    if reply.is_positive:
        return Extensions.parse(reply.lines)
    replies = f"EHLO {name}: {reply}"
    # HELO has no extensions: it will do only where neither STARTTLS nor a login is needed.
    if reply.is_permanent and server.tls_option != "starttls" and server.login is None:
        try:
            second = await channel.ask("ehlo", f"HELO {name}")
        except SessionLost as lost:
            replies += f"; to HELO: {lost.message}"
        else:
            if second.is_positive:
                return Extensions()
            replies += f"; to HELO: {second}"
    raise refused(reply, "ehlo", server, text=f"to {replies}")


async def send_starttls(
    channel: Channel, server: ServerSettings, extensions: Extensions, context: ssl.SSLContext | None = None
) -> None:
    """Start TLS on the session, or raise TlsFailed; `context` as of `start_tls`."""
    if not extensions.starttls:
        raise TlsFailed(
            f"{server.address} does not offer STARTTLS",
            code=ErrorCode.STARTTLS_NOT_OFFERED,
            hint=no_tls_hint(server),
        )
    reply = await channel.ask("tls", "STARTTLS")
    if not reply.is_positive:
        raise TlsFailed(
            f"{server.address} refused STARTTLS: {reply}",
            hint="try again later, or ask its operator",
            transient=reply.is_transient,
            reply_code=reply.code,
            enhanced_status_code=reply.enhanced_status_code,
            reply_text=reply.text,
        )
    # An attacker in between could have added replies behind this one, as if they were the server's (RFC 3207 6).
    channel.protocol.drop_received()
    await start_tls(channel.stream, server, context)


def ehlo_name(server: ServerSettings, stream: Stream) -> str:
    """Give the EHLO name: that of the settings, else this host's if it has a dot, else our address (4.1.3)."""
    if server.ehlo_name is not None:
        return server.ehlo_name
    name = socket.gethostname()
    if _DOMAIN.fullmatch(name):
        return name
    address = stream.local_address
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"  # noqa: PLR2004 -- IP version 6


def _hung_up(lost: SessionLost, server: ServerSettings) -> SessionLost:
    hint = "try again later: the server may have too many connections, or accept none from this machine"
    if server.tls_option != "tls":
        hint += "; if its port expects TLS from the start (465 does), set tlsOption to tls"
    what = f"{server.address} sent no greeting: {lost.message}"
    return SessionLost(what, code=lost.code, phase="greeting", hint=hint, transient=True)


class ServerInfo(NamedTuple):
    """What a server showed: `tls_version` and `auth_mechanism` are "" where there is no TLS or no login."""

    host: str
    port: int
    tls_version: str
    extensions: Extensions
    auth_mechanism: str


class Handshake(NamedTuple):
    """An opened session, and how it was opened; `auth_mechanism` and `tls_version` are "" where there is none."""

    channel: Channel
    extensions: Extensions
    transcript: Transcript
    tls_version: str
    auth_mechanism: str
    connect_ms: float
    auth_ms: float


async def perform_handshake(server: ServerSettings, credentials: Credentials | None) -> Handshake:
    """Connect, greet and log in; raises ConnectFailed, TlsFailed, ServerRefused, LoginFailed or SessionLost."""
    transcript = _new_transcript(server, credentials)
    try:
        return await _perform(server, credentials, transcript)
    except BaseException as error:
        if isinstance(error, SessionLost) and server.address not in error.message:
            error.message = f"{server.address}: {error.message}"
            error.args = (error.message,)
        transcript.attach_to(error)
        raise


async def _perform(server: ServerSettings, credentials: Credentials | None, transcript: Transcript) -> Handshake:
    began = monotonic()
    channel = Channel(await Stream.open(server), server.deadlines)
    channel.protocol.transcript = transcript
    try:
        extensions = await greet(channel, server)
        connected = monotonic()
        mechanism = await authenticate(channel, server, extensions, credentials)
    except BaseException as error:
        channel.protocol.transcript = None  # the transcript ends with the error
        channel.hang_up(politely=isinstance(error, SmtpError) and not isinstance(error, SessionLost))
        raise
    channel.protocol.transcript = None
    return Handshake(
        channel,
        extensions,
        transcript,
        channel.stream.tls_version,
        mechanism,
        (connected - began) * 1000,
        (monotonic() - connected) * 1000 if mechanism else 0.0,
    )


def _new_transcript(server: ServerSettings, credentials: Credentials | None) -> Transcript:
    transcript = Transcript()
    if credentials is not None:
        transcript.hide(credentials.token if isinstance(credentials, Bearer) else credentials.password)
    through = f" through {server.proxy.address}" if server.proxy else ""
    private = ", TLS from the start" if server.tls_option == "tls" else ""
    transcript.add_note(f"connecting to {server.host} port {server.port}{through}{private}")
    return transcript
