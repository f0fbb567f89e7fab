"""Which addresses of a host take a connection, and which other ports and TLS modes of it would work."""

import asyncio
import errno
import os
import socket
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from mailnode.errors import ConnectFailed, ErrorCode, SessionLost, SmtpError
from mailnode.smtp.authentication import may_send_secrets, usable_mechanisms
from mailnode.smtp.channel import Channel
from mailnode.smtp.connect import Address, attempt, resolve
from mailnode.smtp.doctor.finding import FindingLog, Step, WorkingSettings
from mailnode.smtp.handshake import greet
from mailnode.smtp.proxy import Proxy
from mailnode.smtp.server import Deadlines, ServerSettings, TlsOption
from mailnode.smtp.stream import Stream

_SILENCE = "no answer"
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


@dataclass(slots=True)
class _AddressAttempt:
    """One address, and whether it took the connection."""

    address: Address
    ms: float = 0.0
    sock: socket.socket | None = None
    why_not: str = ""
    has_no_route: bool = False

    @property
    def name(self) -> str:
        return _name(self.address)

    async def connect(self, seconds: float) -> None:
        """Connect, or note why not."""
        began = monotonic()
        try:
            async with asyncio.timeout(seconds):
                self.sock = await attempt(self.address)
        except TimeoutError:
            self.why_not = _SILENCE
        except OSError as error:
            self.why_not = os.strerror(error.errno).lower() if error.errno else str(error)
            self.has_no_route = error.errno in _NO_ROUTE
        self.ms = (monotonic() - began) * 1000


async def connect_to_all(server: ServerSettings, log: FindingLog) -> Stream:
    """Resolve the host, connect to all its addresses at once, and go on with the first that takes it.

    Through a proxy there is one connection, since the proxy resolves the host. Findings are logged, and so is a failure
    before it is raised (ConnectFailed).
    """
    if server.proxy is not None:
        return await _through(server.proxy, server, log)
    try:
        addresses = await resolve(server)
        if not addresses:
            raise _failed(server, [])
    except ConnectFailed as error:
        _note(log, "resolve", error)
        raise
    log.note("resolve", "ok", ", ".join(map(_name, addresses)))
    tries = [_AddressAttempt(address) for address in addresses]
    try:
        await asyncio.gather(*(one.connect(server.deadlines.connect) for one in tries))
        chosen = _judge(tries, server, log)
        sock, chosen.sock = chosen.sock, None
        assert sock
        return await Stream.over(sock)
    finally:
        for one in tries:
            if one.sock is not None:
                one.sock.close()


async def _through(proxy: Proxy, server: ServerSettings, log: FindingLog) -> Stream:
    log.note("resolve", "skipped", f"the proxy {proxy.address} resolves the host, not this machine")
    try:
        stream = await Stream.open(server)
    except ConnectFailed as error:
        _note(log, "connect", error)
        raise
    log.note("connect", "ok", f"through the proxy {proxy.address}")
    return stream


def _judge(tries: Sequence[_AddressAttempt], server: ServerSettings, log: FindingLog) -> _AddressAttempt:
    """Log which addresses took the connection and which did not; give the first that did."""
    good = [one for one in tries if one.sock is not None]
    dead: defaultdict[str, list[_AddressAttempt]] = defaultdict(list)
    for one in tries:
        if one.sock is None:
            dead[one.why_not].append(one)
    if not good:
        error = _failed(server, list(dead))
        _note(log, "connect", error)
        raise error
    is_one = len(tries) == 1  # whose time is that of the step
    log.note("connect", "ok", ", ".join(one.name if is_one else f"{one.name} ({one.ms:.0f} ms)" for one in good))
    for why, ones in dead.items():
        names = ", ".join(one.name for one in ones)
        hint = "mail uses the other addresses; have these fixed, or removed from the host's DNS records"
        if all(one.has_no_route for one in ones):
            hint = "mail uses the other addresses; this machine has no route to these (often IPv6)"
        log.note("connect", "warning", f"{names}: {why}", hint=hint)
    return good[0]


def _note(log: FindingLog, step: Step, error: ConnectFailed) -> None:
    log.note(step, "failed", error.message, hint=error.hint, code=error.code)


def _failed(server: ServerSettings, reasons: Sequence[str]) -> ConnectFailed:
    if reasons == [_SILENCE]:
        return ConnectFailed(
            f"{server.address} did not answer within {server.deadlines.connect:g} s",
            code=ErrorCode.TIMEOUT,
            hint="check host and port; many networks block outgoing mail ports (25 above all): try 587 or 465",
            transient=True,
        )
    return ConnectFailed(
        f"could not connect to {server.address}: {'; '.join(reasons) or 'it has no address'}",
        hint="check host and port (587 and 465 are usual), that the server is running, and that no firewall blocks it",
        transient=True,
    )


def _name(address: Address) -> str:
    return str(address[1][0])


PortOption = tuple[int, TlsOption]

USUAL_PORTS: tuple[PortOption, ...] = ((465, "tls"), (587, "starttls"), (25, "starttls"))

# Errors that another port or TLS mode may avoid.
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


async def find_working_settings(
    server: ServerSettings, error: SmtpError, usual: Sequence[PortOption] = USUAL_PORTS
) -> WorkingSettings | None:
    """Try the other TLS modes of the port and the usual ports of the host, all at once; give the best that works.

    It works if the server answers EHLO, over TLS with a certificate that is trusted, and takes a login if there is one.
    """
    if error.code not in _CURABLE or error.phase in {"mail", "rcpt"}:
        return None
    others = [_other(server, option) for option in _candidates(server, error, usual)]
    works = await asyncio.gather(*map(_works, others))
    return next((WorkingSettings.of(other) for other, good in zip(others, works, strict=True) if good), None)


def _candidates(server: ServerSettings, error: SmtpError, usual: Sequence[PortOption]) -> Iterator[PortOption]:
    """Give the ports and TLS modes to try, the best one first: TLS, then the port that was asked for.

    A port that has greeted in clear text gets no TLS hello, since it could not read that.
    """
    asked = (server.port, server.tls_option)
    own: list[PortOption] = [(server.port, "tls"), (server.port, "starttls")]
    in_clear: list[PortOption] = [(server.port, "none")]
    if error.code in _PORT_IS_DEAD:
        own, in_clear = [], []
    elif error.code != ErrorCode.PLAIN_ON_TLS_PORT and not (
        error.code == ErrorCode.SESSION_LOST and error.phase == "greeting"
    ):
        own = own[1:]
    yield from (option for option in dict.fromkeys([*own, *usual, *in_clear]) if option != asked)


def _other(server: ServerSettings, option: PortOption) -> ServerSettings:
    given = server.deadlines
    short = {name: min(getattr(given, name), _SECONDS) for name in ("connect", "tls", "greeting", "ehlo")}
    deadlines = Deadlines(**short, silence=given.silence, probe=min(given.probe, _SECONDS / 2))
    return replace(server, port=option[0], tls_option=option[1], deadlines=deadlines)


async def _works(server: ServerSettings) -> bool:
    try:
        channel = Channel(await Stream.open(server), server.deadlines)
    except SmtpError:
        return False
    is_polite = True
    try:
        extensions = await greet(channel, server)
        return server.login is None or (
            may_send_secrets(channel.stream, server) and bool(usable_mechanisms(extensions.auth, server.login))
        )
    except SmtpError as error:
        is_polite = not isinstance(error, SessionLost)
        return False
    finally:
        channel.hang_up(politely=is_polite)
