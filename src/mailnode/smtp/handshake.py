"""The way into a session: connect, greet, log in; and what was said on it, should it lead nowhere."""

from time import monotonic
from typing import NamedTuple

from mailnode.errors import SessionLost, SmtpError
from mailnode.smtp.authentication import Credentials, authenticate
from mailnode.smtp.bearer import Bearer
from mailnode.smtp.dialogue import Dialogue
from mailnode.smtp.extension import Extensions
from mailnode.smtp.opening import greet
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream
from mailnode.smtp.transcript import Transcript


class Handshake(NamedTuple):
    """A session that was opened, and how; `auth_mechanism` and `tls_version` are "" where there is none."""

    dialogue: Dialogue
    extensions: Extensions
    transcript: Transcript
    tls_version: str
    auth_mechanism: str
    connect_ms: float
    auth_ms: float


async def enter(server: ServerSettings, credentials: Credentials | None) -> Handshake:
    """Connect, greet and log in; raises ConnectFailed, TlsFailed, ServerRefused, LoginFailed or SessionLost."""
    transcript = _begun(server, credentials)
    try:
        return await _enter(server, credentials, transcript)
    except BaseException as error:
        if isinstance(error, SessionLost) and server.address not in error.message:
            error.message = f"{server.address}: {error.message}"
            error.args = (error.message,)
        transcript.attach(error)
        raise


async def _enter(server: ServerSettings, credentials: Credentials | None, transcript: Transcript) -> Handshake:
    began = monotonic()
    dialogue = Dialogue(await Stream.open(server), server.deadlines)
    dialogue.protocol.transcript = transcript
    try:
        extensions = await greet(dialogue, server)
        connected = monotonic()
        mechanism = await authenticate(dialogue, server, extensions, credentials)
    except BaseException as error:
        dialogue.protocol.transcript = None  # the error is the last word
        dialogue.leave(politely=isinstance(error, SmtpError) and not isinstance(error, SessionLost))
        raise
    dialogue.protocol.transcript = None
    return Handshake(
        dialogue,
        extensions,
        transcript,
        dialogue.stream.tls_version,
        mechanism,
        (connected - began) * 1000,
        (monotonic() - connected) * 1000 if mechanism else 0.0,
    )


def _begun(server: ServerSettings, credentials: Credentials | None) -> Transcript:
    transcript = Transcript()
    if credentials is not None:
        transcript.conceal(credentials.token if isinstance(credentials, Bearer) else credentials.password)
    through = f" through {server.proxy.address}" if server.proxy else ""
    private = ", TLS from the start" if server.tls_option == "tls" else ""
    transcript.note(f"connecting to {server.host} port {server.port}{through}{private}")
    return transcript
