"""AUTH (RFC 4954): the choice of a mechanism, the exchange, and what a refusal means. It fails closed."""

import re
from collections import deque
from collections.abc import Iterable

from mailnode.errors import ErrorCode, LoginFailed, ServerRefused, SessionLost
from mailnode.smtp import bearer as tokens
from mailnode.smtp import sasl as passwords
from mailnode.smtp.bearer import Bearer, TokenLogin, TokenStatus
from mailnode.smtp.channel import Channel
from mailnode.smtp.extension import Extensions
from mailnode.smtp.refusal import is_session_limit, refused
from mailnode.smtp.remedy import explain, explain_token_refusal
from mailnode.smtp.reply import Reply
from mailnode.smtp.sasl import Exchange, Login, Mechanism
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream

Credentials = Login | Bearer


class TokenRefused(LoginFailed):
    """A permanent refusal of this access token: another one may be accepted."""


# These refuse the command: its syntax, sequence, mechanism, or lack of TLS.
_COMMAND_REFUSED = frozenset({500, 501, 502, 503, 504, 530, 538})
# Naver replies 553 to PLAIN and accepts LOGIN.
_MECHANISM_REFUSED = frozenset({500, 501, 502, 503, 504, 553})
_SYNTAX_ERROR = 501
_TOO_WEAK = 534
_CREDENTIALS_REFUSED = 535
_MECHANISM = r"(?:mechanisms?|auth\w* (?:type|method|scheme))\b"
_ABOUT_MECHANISM = re.compile(
    rf"\b(?:invalid|unsupported|unrecogni[sz]ed|unknown|illegal|bad|no)(?: \w+)? {_MECHANISM}"
    rf"|{_MECHANISM}.*\b(?:not|invalid|unsupported|unavailable|disabled|unknown|weak|denied)\b",
    re.IGNORECASE,
)
# Google replies 534 where it accepts no password; another mechanism would be one more failed login.
_ABOUT_ACCOUNT = re.compile(r"password|browser|InvalidSecondFactor|WebLogin", re.IGNORECASE)
_CHALLENGE = 334
_TLS_PORTS = "use one that does (465 with tls, 587 with starttls)"


async def authenticate(
    channel: Channel, server: ServerSettings, extensions: Extensions, credentials: Credentials | None
) -> str:
    """Log in with the strongest mechanism that both sides know and give its name; "" without credentials."""
    if credentials is None:
        return ""
    if not may_send_secrets(channel.stream, server):
        raise _in_clear_text(server, extensions, credentials)
    names = usable_mechanisms(extensions.auth, credentials)
    if not names:
        raise _not_offered(server, extensions, credentials)
    secret = credentials.token if isinstance(credentials, Bearer) else credentials.password
    tries = deque((name, False) for name in names)
    refusal: LoginFailed | ServerRefused | None = None
    while tries:
        name, waits = tries.popleft()
        exchange = Exchange(name, _mechanism(name, credentials, server), waits=waits)
        try:
            reply = await _converse(channel, server, exchange, credentials)
        except SessionLost as lost:
            if refusal is None or lost.code != ErrorCode.SESSION_LOST:
                raise
            break  # the refusal before is why the server closed the connection
        if reply.is_positive:
            return name
        reply = exchange.redact(reply, secret)
        refusal = _login_refused(reply, exchange, server, credentials)
        if reply.code == _SYNTAX_ERROR and exchange.has_initial_response:
            tries.appendleft((name, True))
        elif not _is_about_mechanism(reply) or _has_error_status(exchange, credentials):
            break
    assert refusal
    raise refusal


def _is_about_mechanism(reply: Reply) -> bool:
    """Whether another mechanism may succeed: the refusal is not about the password or the token."""
    if reply.code == _CREDENTIALS_REFUSED:
        return bool(_ABOUT_MECHANISM.search(reply.text))
    if reply.code == _TOO_WEAK:
        return not _ABOUT_ACCOUNT.search(reply.text)
    return reply.code in _MECHANISM_REFUSED


def usable_mechanisms(offered: Iterable[str], login: Login | TokenLogin | Bearer) -> list[str]:
    """Give the names of the mechanisms that both sides know and this login can use, strongest first."""
    offers = set(offered)
    return [name for name in _known(login) if name in offers]


def may_send_secrets(stream: Stream, server: ServerSettings) -> bool:
    """Whether a secret may be sent: on a private connection, or where clear text is allowed."""
    return is_private(stream, server) or server.allow_plaintext_auth


def is_private(stream: Stream, server: ServerSettings) -> bool:
    """Whether nobody else can read the traffic: over TLS, or on this machine without a proxy."""
    return bool(stream.tls_version) or (stream.is_loopback and server.proxy is None)


def _known(login: Login | TokenLogin | Bearer) -> Iterable[str]:
    return passwords.MECHANISMS if isinstance(login, Login) else tokens.MECHANISMS


def _mechanism(name: str, credentials: Credentials, server: ServerSettings) -> Mechanism:
    if isinstance(credentials, Login):
        return passwords.MECHANISMS[name](credentials)
    return tokens.MECHANISMS[name](credentials, server.host, server.port)


async def _converse(channel: Channel, server: ServerSettings, exchange: Exchange, credentials: Credentials) -> Reply:
    reply = await channel.ask("auth", exchange.command())
    while reply.code == _CHALLENGE:
        try:
            reply = await channel.ask("auth", exchange.respond(reply.text))
        except SessionLost as lost:
            # A challenge after a token is a refusal; some servers then close without the reply.
            if lost.code == ErrorCode.SESSION_LOST and isinstance(credentials, Bearer) and exchange.challenge:
                raise _token_refused(" and closed the connection", None, exchange, server) from None
            raise
    if not reply.is_refusal:
        exchange.finish()
    return reply


def _has_error_status(exchange: Exchange, credentials: Credentials) -> bool:
    return isinstance(credentials, Bearer) and bool(exchange.challenge)


def _login_refused(
    reply: Reply, exchange: Exchange, server: ServerSettings, credentials: Credentials
) -> LoginFailed | ServerRefused:
    if reply.is_closing:
        hint = explain_token_refusal(reply, TokenStatus(), server.host) if isinstance(credentials, Bearer) else ""
        return refused(reply, "auth", server, hint=hint)
    if isinstance(credentials, Bearer):
        return _token_refused(f": {reply}", reply, exchange, server)
    return LoginFailed(
        f"{server.address} refused the login: {reply}",
        hint=explain(reply, "auth", server.host),
        transient=reply.is_transient or is_session_limit(reply),
        reply_code=reply.code,
        enhanced_status_code=reply.enhanced_status_code,
        reply_text=reply.text,
    )


def _token_refused(how: str, reply: Reply | None, exchange: Exchange, server: ServerSettings) -> LoginFailed:
    status = TokenStatus.parse(exchange.challenge)
    why = f"; it reports: {status}" if status.status else ""
    is_transient = reply is not None and reply.is_transient
    is_about_command = (
        reply is not None
        and not exchange.challenge
        and (reply.code in _COMMAND_REFUSED or (reply.code == _CREDENTIALS_REFUSED and _is_about_mechanism(reply)))
    )
    kind = LoginFailed if is_transient or is_about_command else TokenRefused
    return kind(
        f"{server.address} refused the access token{how}{why}",
        hint=explain_token_refusal(reply, status, server.host),
        transient=is_transient,
        reply_code=reply.code if reply else None,
        enhanced_status_code=reply.enhanced_status_code if reply else None,
        reply_text=reply.text if reply else "",
    )


def _in_clear_text(server: ServerSettings, extensions: Extensions, credentials: Credentials) -> LoginFailed:
    secret = "a password" if isinstance(credentials, Login) else "an access token"
    remedy = "set tlsOption to starttls" if extensions.starttls else f"port {server.port} offers no TLS: {_TLS_PORTS}"
    return LoginFailed(
        f"{secret} would go to {server.address} in clear text",
        code=ErrorCode.PLAINTEXT_AUTH,
        hint=f"{remedy}; allowPlaintextAuth permits it on a network that you trust",
    )


def _not_offered(server: ServerSettings, extensions: Extensions, credentials: Credentials) -> LoginFailed:
    if extensions.auth:
        secret = "a password" if isinstance(credentials, Login) else "an access token"
        needed = ", ".join(_known(credentials))
        what = f"{server.address} offers {', '.join(extensions.auth)} and {secret} needs {needed}"
        hint = _other_login_hint(extensions, credentials)
    else:
        what = f"{server.address} offers no login, but one is set"
        hint = "leave the login out if this relay needs none; otherwise check host and port"
        if server.tls_option == "none" and extensions.starttls:
            hint = "many servers offer it over TLS only: set tlsOption to starttls"
        elif server.tls_option == "none":
            hint = (
                f"leave the login out if this relay needs none; port {server.port} offers neither a login nor TLS:"
                f" otherwise {_TLS_PORTS}"
            )
    return LoginFailed(what, code=ErrorCode.AUTH_NOT_OFFERED, hint=hint)


def _other_login_hint(extensions: Extensions, credentials: Credentials) -> str:
    if isinstance(credentials, Bearer):
        if passwords.MECHANISMS.keys() & set(extensions.auth):
            return "this server accepts passwords, not access tokens: use a connection of type basic"
        return "this server accepts no access tokens: ask the provider which logins it accepts"
    if tokens.MECHANISMS.keys() & set(extensions.auth):
        return "this server accepts access tokens, not passwords: use a connection of an OAuth2 type"
    return "ask the provider to allow passwords, or use a server that accepts them"
