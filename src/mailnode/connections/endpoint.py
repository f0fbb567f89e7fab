"""The token endpoint of a provider: one form in, one answer out (RFC 6749 5)."""

import asyncio
import base64
import json
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlsplit

from mailnode.connections.token_errors import CLIENT_REFUSED, CONSENT, IN_DOUBT, TRANSIENT, remedy_of
from mailnode.connections.values import is_loopback, to_token
from mailnode.errors import ConnectionsError, ErrorCode, TokenError, install_hint
from mailnode.printable import MOST_SHOWN_LONG, one_line, quoted, shortened
from mailnode.smtp.proxy import Proxy
from mailnode.smtp.transcript import redact
from mailnode.smtp.trust import client_context
from mailnode.store.clock import Clock, unix_ms

if TYPE_CHECKING:
    import httpx2

ANSWER_SECONDS = 30.0
CONNECT_SECONDS = 10.0
MAX_OCTETS = 1 << 20

_CLIENT = frozenset({"client_id", "client_secret"})
_PUBLIC = frozenset({"grant_type", "scope", "client_id", "redirect_uri"})
_OK = 200
_UNAUTHORIZED = 401
_NOT_NOW = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAY_HAVE_ACTED = frozenset({500, 502, 504})
_LONGEST_LIFE_SECONDS = 10 * 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What an endpoint gives: `expires_at` (Unix ms) is None where it does not say, and so may `refresh_token` be."""

    access_token: str = field(repr=False)
    expires_at: int | None = None
    refresh_token: str | None = field(default=None, repr=False)

    def fields(self) -> dict[str, Any]:
        """Give the tokens as fields of a connection."""
        return {"accessToken": self.access_token, "refreshToken": self.refresh_token, "expiryDate": self.expires_at}


class TokenEndpoint:
    """Asks token endpoints; `tls` verifies them, by default against the system's certificates.

    A `proxy` is gone through but for endpoints on this very machine.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, clock: Clock = unix_ms, proxy: Proxy | None = None) -> None:
        """Ask by `clock`."""
        self._tls = tls
        self._clock = clock
        self._proxy = proxy

    def via(self, proxy: Proxy | None) -> "TokenEndpoint":
        """Give one that asks in the same way, through this proxy."""
        return TokenEndpoint(self._tls, self._clock, proxy)

    async def ask(self, url: str, form: Mapping[str, str]) -> TokenAnswer:
        """Send a form, and give the tokens that come back.

        Raises:
            TokenError: none do; `in_doubt` tells whether the endpoint may have done what the form says all the same.
        """
        asked_at = self._clock()
        answer = await self.post(url, form)
        try:
            access_token = to_token(answer.get("access_token"))
            refresh_token = to_token(answer["refresh_token"]) if answer.get("refresh_token") else None
        except ConnectionsError:
            raise _no_answer(url, "its answer has no token that could be used") from None
        if str(answer.get("token_type", "bearer")).lower() != "bearer":
            raise _no_answer(url, "its tokens are of another kind than bearer") from None
        return TokenAnswer(access_token, _expiry(answer.get("expires_in"), asked_at), refresh_token)

    async def post(self, url: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Send a form, and give the JSON object that comes back with status 200; raises as `ask` does.

        The secret of the application goes in the form, as the large providers show it; where that is refused it goes
        in the Authorization field, once, which is the way that RFC 6749 2.3.1 asks of every endpoint.
        """
        secrets = _secrets(form)
        try:
            return await self._post(url, form, None, secrets)
        except _ClientRefused as error:
            if "client_secret" not in form:
                raise
            login = quote(form["client_id"], safe=""), quote(form["client_secret"], safe="")
            try:
                rest = {key: form[key] for key in form if key not in _CLIENT}
                return await self._post(url, rest, login, {*secrets, _base64(":".join(login))})
            except _ClientRefused as again:
                raise (error if error.oauth_error else again) from None

    async def _post(
        self, url: str, form: Mapping[str, str], login: tuple[str, str] | None, secrets: Collection[str]
    ) -> dict[str, Any]:
        import httpx2

        client = self._client(url)
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                client,
                client.stream("POST", url, data=form, auth=login) as response,
            ):
                return _judge(url, response, await _read(url, response), secrets)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            raise _unreachable(url, error, self._proxy) from None
        except (httpx2.TimeoutException, TimeoutError):
            raise _silent(url, "no answer came in time") from None
        except httpx2.InvalidURL:
            raise TokenError(
                f"{quoted(url)} is no URL that could be asked",
                hint="set accessUrl to the provider's token URL",
            ) from None
        except httpx2.HTTPError:
            raise _silent(url, "the connection ended before its answer was whole") from None

    def _client(self, url: str) -> "httpx2.AsyncClient":
        import httpx2

        try:
            return httpx2.AsyncClient(
                verify=self._tls or client_context(),
                trust_env=False,
                proxy=_way(self._proxy, url),
                timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
                headers={"Accept": "application/json"},
            )
        except ImportError:
            raise TokenError(
                "a SOCKS5 proxy wants the library socksio on the way to a token endpoint",
                hint=install_hint("proxy"),
            ) from None


async def _read(url: str, response: "httpx2.Response") -> bytes:
    body = bytearray()
    async for block in response.aiter_bytes():
        body += block
        if len(body) > MAX_OCTETS:
            raise _no_answer(url, f"its answer is longer than {MAX_OCTETS >> 20} MB")
    return bytes(body)


def _judge(url: str, response: "httpx2.Response", body: bytes, secrets: Collection[str]) -> dict[str, Any]:
    status = response.status_code
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if status == _OK and isinstance(answer, dict) and not answer.get("error"):
        return answer
    if response.is_redirect:
        leads = _clean(response.headers.get("Location", ""), secrets)
        raise TokenError(
            f"{_host(url)} sends us elsewhere, to {leads!r}, and secrets don't follow",
            hint="set accessUrl to the provider's token URL",
        )
    said = answer if isinstance(answer, dict) and isinstance(answer.get("error"), str) else {}
    word = _clean(said.get("error", ""), secrets)
    if status in _NOT_NOW or word in TRANSIENT:
        raise TokenError(
            f"{_host(url)} can't give tokens at the moment (HTTP status {status}{f', {word}' if word else ''})",
            hint="try again later",
            transient=True,
            in_doubt=status in _MAY_HAVE_ACTED or word in IN_DOUBT,
            retry_after=_seconds(response.headers.get("Retry-After")),
            oauth_error=word,
        )
    is_client_refused = word in CLIENT_REFUSED or (status == _UNAUTHORIZED and word not in CONSENT)
    if word:
        raise _refused(url, said, secrets, _ClientRefused if is_client_refused else TokenError)
    kind = _clean(response.headers.get("Content-Type", "no media type"), secrets)
    what = f"it answers with status {status} and {kind!r}"
    raise _no_answer(url, what, in_doubt=status == _OK, kind=_ClientRefused if is_client_refused else TokenError)


class _ClientRefused(TokenError):
    """The endpoint does not know the application, or not by the way in which it showed its secret."""


def _refused(url: str, answer: Mapping[str, Any], secrets: Collection[str], kind: type[TokenError]) -> TokenError:
    error = _clean(answer["error"], secrets)
    description = _clean(answer.get("error_description") or "", secrets)
    # Microsoft's name for the particular reason, and Google's.
    particular = _clean(answer.get("suberror") or answer.get("error_subtype") or "", secrets)
    said = " ".join(filter(None, (error, particular, f"({description})" if description else "")))
    return kind(
        f"{_host(url)} refuses to give a token: {said}",
        code=ErrorCode.TOKEN_REFUSED,
        hint=remedy_of(said),
        oauth_error=error,
    )


def _clean(text: object, secrets: Collection[str]) -> str:
    """Take the words of an endpoint: in one line, bounded, and without the secrets that it may say back."""
    return shortened(redact(one_line(text), secrets), MOST_SHOWN_LONG)


def _secrets(form: Mapping[str, str]) -> set[str]:
    """Give what is secret in a form, as it is and in the ways in which an endpoint may have read it."""
    values = [value for key, value in form.items() if key not in _PUBLIC]
    return {write(value) for value in values for write in (str, quote, quote_plus, _base64)}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _expiry(seconds: object, asked_at: int) -> int | None:
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit():
        seconds = int(seconds[:12])
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        return None
    return asked_at + int(min(seconds, _LONGEST_LIFE_SECONDS) * 1000)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < len("100000") else None


def _way(proxy: Proxy | None, url: str) -> "httpx2.Proxy | None":
    import httpx2

    if proxy is None or is_loopback(urlsplit(url).hostname or ""):
        return None
    login = None if proxy.username is None else (proxy.username, proxy.password)
    return httpx2.Proxy(proxy.address, auth=login)


def _unreachable(url: str, error: Exception, proxy: Proxy | None) -> TokenError:
    if isinstance(_cause(error), ssl.SSLCertVerificationError):
        return TokenError(
            f"the certificate of {_host(url)} can't be trusted",
            hint="check accessUrl; where a company's own authority vouches for it, name that in SSL_CERT_FILE",
        )
    if isinstance(_cause(error), ssl.SSLError):
        return TokenError(f"{_host(url)} does not speak TLS there", hint="check scheme and port of accessUrl")
    by, its = (f" through the proxy {proxy.address}", "the proxy") if proxy else ("", "this machine")
    return TokenError(
        f"the token endpoint {_host(url)} can't be reached{by}",
        hint=f"check the host of accessUrl, and that {its} may talk to it",
        transient=True,
    )


def _cause(error: BaseException) -> BaseException:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _silent(url: str, what: str) -> TokenError:
    return TokenError(
        f"{_host(url)} was asked for a token, and {what}", hint="try again later", transient=True, in_doubt=True
    )


def _no_answer(url: str, what: str, *, in_doubt: bool = True, kind: type[TokenError] = TokenError) -> TokenError:
    return kind(
        f"{_host(url)} does not answer as a token endpoint does: {what}",
        hint="check accessUrl: it must be the provider's token URL",
        in_doubt=in_doubt,
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc
