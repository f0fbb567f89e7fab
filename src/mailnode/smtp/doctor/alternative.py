"""Settings of the same host that would work where those that were given do not: found by trying, as far as EHLO."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mailnode.errors import ErrorCode, SessionLost, SmtpError
from mailnode.smtp.authentication import choose, keeps_secrets
from mailnode.smtp.dialogue import Dialogue
from mailnode.smtp.doctor.finding import WorkingSettings
from mailnode.smtp.opening import greet
from mailnode.smtp.server import Deadlines, ServerSettings, TlsOption
from mailnode.smtp.stream import Stream

Way = tuple[int, TlsOption]

USUAL_WAYS: tuple[Way, ...] = ((465, "tls"), (587, "starttls"), (25, "starttls"))

# What goes wrong on the way to a server that another port or TLS mode may put right.
_CURABLE = frozenset(
    {
        ErrorCode.CONNECT_FAILED,
        ErrorCode.TIMEOUT,
        ErrorCode.SESSION_LOST,
        ErrorCode.BAD_REPLY,
        ErrorCode.TLS_FAILED,
        ErrorCode.TLS_ON_PLAIN_PORT,
        ErrorCode.PLAIN_ON_TLS_PORT,
        ErrorCode.STARTTLS_NOT_OFFERED,
        ErrorCode.SERVER_REFUSED,
        ErrorCode.AUTH_NOT_OFFERED,
        ErrorCode.PLAINTEXT_AUTH,
    }
)
# After these the same port has nothing to say in any mode.
_PORT_IS_DEAD = frozenset({ErrorCode.CONNECT_FAILED, ErrorCode.TIMEOUT})
_SECONDS = 5.0


async def alternative(
    server: ServerSettings, error: SmtpError, usual: Sequence[Way] = USUAL_WAYS
) -> WorkingSettings | None:
    """Try the other TLS modes of the port and the usual ports of the host, all at once; give the best that works.

    It works if the server answers EHLO, over TLS with a certificate that is trusted, and takes a login if there is one.
    """
    if error.code not in _CURABLE or error.phase in {"mail", "rcpt"}:
        return None
    others = [_other(server, way) for way in _ways(server, error, usual)]
    works = await asyncio.gather(*map(_works, others))
    return next((WorkingSettings.of(other) for other, good in zip(others, works, strict=True) if good), None)


def _ways(server: ServerSettings, error: SmtpError, usual: Sequence[Way]) -> Iterator[Way]:
    """Give the ways to try, the best one first: TLS, then the port that was asked for.

    What has greeted in clear text gets no TLS hello: it would be taken for somebody who talks out of turn.
    """
    asked = (server.port, server.tls_option)
    own: list[Way] = [(server.port, "tls"), (server.port, "starttls")]
    in_clear: list[Way] = [(server.port, "none")]
    if error.code in _PORT_IS_DEAD:
        own, in_clear = [], []
    elif error.code != ErrorCode.PLAIN_ON_TLS_PORT and not (
        error.code == ErrorCode.SESSION_LOST and error.phase == "greeting"
    ):
        own = own[1:]
    yield from (way for way in dict.fromkeys([*own, *usual, *in_clear]) if way != asked)


def _other(server: ServerSettings, way: Way) -> ServerSettings:
    given = server.deadlines
    short = {name: min(getattr(given, name), _SECONDS) for name in ("connect", "tls", "greeting", "ehlo")}
    deadlines = Deadlines(**short, silence=given.silence, probe=min(given.probe, _SECONDS / 2))
    return replace(server, port=way[0], tls_option=way[1], deadlines=deadlines)


async def _works(server: ServerSettings) -> bool:
    try:
        dialogue = Dialogue(await Stream.open(server), server.deadlines)
    except SmtpError:
        return False
    is_polite = True
    try:
        extensions = await greet(dialogue, server)
        return server.login is None or (
            keeps_secrets(dialogue.stream, server) and bool(choose(extensions.auth, server.login))
        )
    except SmtpError as error:
        is_polite = not isinstance(error, SessionLost)
        return False
    finally:
        dialogue.leave(politely=is_polite)
