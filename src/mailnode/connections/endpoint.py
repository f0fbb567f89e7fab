"""Requests to the token endpoint of a provider (RFC 6749 5)."""

import asyncio
import base64
import json
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlsplit

from mailnode.connections.token_errors import CLIENT_REFUSED, CONSENT, IN_DOUBT, TRANSIENT, remedy_of
from mailnode.connections.values import to_token
from mailnode.errors import ConnectionsError, ErrorCode, TokenError, install_hint
from mailnode.network_address import is_loopback
from mailnode.printable import MOST_SHOWN_LONG, one_line, quoted, shortened
from mailnode.smtp.proxy import Proxy
from mailnode.smtp.transcript import redact
from mailnode.smtp.trust import client_context
from mailnode.store.clock import Clock, unix_ms

if TYPE_CHECKING:
    import httpx2

ANSWER_SECONDS = 30.0
CONNECT_SECONDS = 10.0
MAX_BYTES = 1 << 20

_CLIENT = frozenset({"client_id", "client_secret"})
_PUBLIC = frozenset({"grant_type", "scope", "client_id", "redirect_uri"})
_OK = 200
_UNAUTHORIZED = 401
_NOT_NOW = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAY_HAVE_ACTED = frozenset({500, 502, 504})
_LONGEST_LIFE_SECONDS = 10 * 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """Tokens that an endpoint issued; `expires_at` (Unix ms) and `refresh_token` are None where it gave none."""

    access_token: str = field(repr=False)
    expires_at: int | None = None
    refresh_token: str | None = field(default=None, repr=False)

    def fields(self) -> dict[str, Any]:
        """Give the tokens as fields of a connection."""
        return {"accessToken": self.access_token, "refreshToken": self.refresh_token, "expiryDate": self.expires_at}


class TokenEndpoint:
    """Sends requests to token endpoints; `tls` verifies them, by default against the system's certificates.

    A `proxy` is used except for endpoints on this machine.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, clock: Clock = unix_ms, proxy: Proxy | None = None) -> None:
        """Take the time from `clock`."""
        self._tls = tls
        self._clock = clock
        self._proxy = proxy

    def via(self, proxy: Proxy | None) -> "TokenEndpoint":
        """Give the same through this proxy."""
        return TokenEndpoint(self._tls, self._clock, proxy)

    async def ask(self, url: str, form: Mapping[str, str]) -> TokenAnswer:
        """Send a form, and give the tokens of the answer.

        Raises:
            TokenError: there are none; `in_doubt` says whether the endpoint may have acted on the request anyway.
        """
        asked_at = self._clock()
        answer = await self.post(url, form)
        try:
            access_token = to_token(answer.get("access_token"))
            refresh_token = to_token(answer["refresh_token"]) if answer.get("refresh_token") else None
        except ConnectionsError:
            raise _not_an_endpoint(url, "its answer contains no usable token") from None
        if str(answer.get("token_type", "bearer")).lower() != "bearer":
            raise _not_an_endpoint(url, "its token type is not bearer") from None
        return TokenAnswer(access_token, _expiry(answer.get("expires_in"), asked_at), refresh_token)

    async def post(self, url: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Send a form, and give the JSON object of an answer with status 200; raises as `ask` does.

        The client secret is sent in the form, as the large providers document it; where that is refused it is sent once
        in the Authorization field, which RFC 6749 2.3.1 requires every endpoint to support.
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
                return _read_answer(url, response, await _read(url, response), secrets)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            raise _unreachable(url, error, self._proxy) from None
        except (httpx2.TimeoutException, TimeoutError):
            raise _not_answered(url, "did not answer in time") from None
        except httpx2.InvalidURL:
            raise TokenError(
                f"{quoted(url)} is not a valid URL",
                hint="set accessUrl to the provider's token URL",
            ) from None
        except httpx2.HTTPError:
            raise _not_answered(url, "closed the connection before its answer was complete") from None

    def _client(self, url: str) -> "httpx2.AsyncClient":
        import httpx2

        try:
            return httpx2.AsyncClient(
                verify=self._tls or client_context(),
                trust_env=False,
                proxy=_proxy_for(self._proxy, url),
                timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
                headers={"Accept": "application/json"},
            )
        except ImportError:
            raise TokenError(
                "token requests through a SOCKS5 proxy need the library socksio",
                hint=install_hint("proxy"),
            ) from None


async def _read(url: str, response: "httpx2.Response") -> bytes:
    body = bytearray()
    async for block in response.aiter_bytes():
        body += block
        if len(body) > MAX_BYTES:
            raise _not_an_endpoint(url, f"its answer is longer than {MAX_BYTES >> 20} MB")
    return bytes(body)


def _read_answer(url: str, response: "httpx2.Response", body: bytes, secrets: Collection[str]) -> dict[str, Any]:
    status = response.status_code
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if status == _OK and isinstance(answer, dict) and not answer.get("error"):
        return answer
    if response.is_redirect:
        leads = _shown_text(response.headers.get("Location", ""), secrets)
        raise TokenError(
            f"{_host(url)} redirects to {leads!r}, and secrets are not sent there",
            hint="set accessUrl to the provider's token URL",
        )
    said = answer if isinstance(answer, dict) and isinstance(answer.get("error"), str) else {}
    word = _shown_text(said.get("error", ""), secrets)
    if status in _NOT_NOW or word in TRANSIENT:
        raise TokenError(
            f"{_host(url)} can't issue tokens at the moment (HTTP status {status}{f', {word}' if word else ''})",
            hint="try again later",
            transient=True,
            in_doubt=status in _MAY_HAVE_ACTED or word in IN_DOUBT,
            retry_after=_seconds(response.headers.get("Retry-After")),
            oauth_error=word,
        )
    is_client_refused = word in CLIENT_REFUSED or (status == _UNAUTHORIZED and word not in CONSENT)
    if word:
        raise _refused(url, said, secrets, _ClientRefused if is_client_refused else TokenError)
    kind = _shown_text(response.headers.get("Content-Type", "no media type"), secrets)
    what = f"it answered with status {status} and {kind!r}"
    raise _not_an_endpoint(url, what, in_doubt=status == _OK, kind=_ClientRefused if is_client_refused else TokenError)


class _ClientRefused(TokenError):
    """The endpoint rejected the client, or the way in which its secret was sent."""


def _refused(url: str, answer: Mapping[str, Any], secrets: Collection[str], kind: type[TokenError]) -> TokenError:
    error = _shown_text(answer["error"], secrets)
    description = _shown_text(answer.get("error_description") or "", secrets)
    # The more specific reason, by Microsoft and by Google.
    particular = _shown_text(answer.get("suberror") or answer.get("error_subtype") or "", secrets)
    said = " ".join(filter(None, (error, particular, f"({description})" if description else "")))
    return kind(
        f"{_host(url)} refused to issue a token: {said}",
        code=ErrorCode.TOKEN_REFUSED,
        hint=remedy_of(said),
        oauth_error=error,
    )


def _shown_text(text: object, secrets: Collection[str]) -> str:
    """Give the text of an endpoint on one line, shortened, and without secrets that it may have repeated."""
    return shortened(redact(one_line(text), secrets), MOST_SHOWN_LONG)


def _secrets(form: Mapping[str, str]) -> set[str]:
    """Give the secrets in a form, also in the encodings in which an endpoint may repeat them."""
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


def _proxy_for(proxy: Proxy | None, url: str) -> "httpx2.Proxy | None":
    import httpx2

    if proxy is None or is_loopback(urlsplit(url).hostname or ""):
        return None
    login = None if proxy.username is None else (proxy.username, proxy.password)
    return httpx2.Proxy(proxy.address, auth=login)


def _unreachable(url: str, error: Exception, proxy: Proxy | None) -> TokenError:
    if isinstance(_cause(error), ssl.SSLCertVerificationError):
        return TokenError(
            f"the certificate of {_host(url)} is not trusted",
            hint="check accessUrl; for a certificate authority of your own set SSL_CERT_FILE",
        )
    if isinstance(_cause(error), ssl.SSLError):
        return TokenError(f"{_host(url)} does not speak TLS on that port", hint="check scheme and port of accessUrl")
    by, its = (f" through the proxy {proxy.address}", "the proxy") if proxy else ("", "this machine")
    return TokenError(
        f"the token endpoint {_host(url)} can't be reached{by}",
        hint=f"check the host of accessUrl, and that {its} can reach it",
        transient=True,
    )


def _cause(error: BaseException) -> BaseException:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _not_answered(url: str, what: str) -> TokenError:
    return TokenError(f"the token endpoint {_host(url)} {what}", hint="try again later", transient=True, in_doubt=True)


def _not_an_endpoint(url: str, what: str, *, in_doubt: bool = True, kind: type[TokenError] = TokenError) -> TokenError:
    return kind(
        f"{_host(url)} does not answer like a token endpoint: {what}",
        hint="check accessUrl: it must be the provider's token URL",
        in_doubt=in_doubt,
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc
