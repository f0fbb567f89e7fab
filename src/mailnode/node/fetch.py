"""Fetching a URL that a stranger may have chosen: from public addresses, within a size and a time.

Each redirect is judged as the URL was.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.node.address_guard import VARIABLE, Address, AddressGuard
from mailnode.node.decoding import codings_of, decoder_of
from mailnode.node.filename import fetched_filename, served_media_type
from mailnode.node.guarded_http import (
    CONNECT_SECONDS,
    Resolve,
    host_of,
    port_of,
    request_at,
    resolve_host,
    shown_text,
    status_words,
)
from mailnode.node.spool import Spool, check_size
from mailnode.printable import MOST_SHOWN_LONG, quoted, shortened
from mailnode.smtp.trust import client_context

if TYPE_CHECKING:
    import httpx2

MAX_REDIRECTS = 5

_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# 2xx without the whole content: no content, reset, part of it.
_INCOMPLETE = frozenset({204, 205, 206})
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL led to; large content is a seekable binary file, and `content_type` is "" when it says nothing."""

    content: bytes | BinaryIO = field(repr=False)
    size: int
    content_type: str
    filename: str


async def fetch(
    url: str,
    *,
    max_bytes: int,
    allow: AddressGuard,
    seconds: float = 30,
    tls: ssl.SSLContext | None = None,
    resolve: Resolve | None = None,
) -> Fetched:
    """Get an http or https URL whole: at most `max_bytes`, decoded, within `seconds` in all.

    `tls` verifies servers and `resolve` finds a host's addresses; both default to the system's way.

    Raises:
        AttachmentError: badUrl, privateAddress, fetchFailed, fetchTimeout or attachmentTooLarge.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _Fetcher(max_bytes, allow, tls or client_context(), resolve or resolve_host).run(url)
    except TimeoutError:
        raise _timed_out(shown_text(url), seconds) from None


class _Fetcher:
    """One fetch with its redirects."""

    def __init__(self, max_bytes: int, guard: AddressGuard, tls: ssl.SSLContext, resolve: Resolve) -> None:
        self._max_bytes = max_bytes
        self._guard = guard
        self._tls = tls
        self._resolve = resolve

    async def run(self, text: str) -> Fetched:
        """Follow redirects to the content."""
        url = _parsed(text)
        for _ in range(MAX_REDIRECTS + 1):
            async with self._response(url) as response:
                if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                    return await self._read(url, response)
                url = _redirected(url, response.headers["Location"])
        raise _failed(f"{_shown(url)} redirects more than {MAX_REDIRECTS} times", "use the final URL")

    @asynccontextmanager
    async def _response(self, url: "httpx2.URL") -> AsyncIterator["httpx2.Response"]:
        """Ask for a URL on a connection of its own.

        Connections are never kept: a pool knows them by address, and one verified for a name would serve another.
        """
        import httpx2

        addresses = await self._allowed_addresses(url)
        try:
            async with httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
                response = await request_at(addresses, transport, "GET", url, _HEADERS)
                try:
                    yield response
                finally:
                    await response.aclose()
        except httpx2.HTTPError as error:
            _raise_transport_error(url, error)

    async def _allowed_addresses(self, url: "httpx2.URL") -> list[Address]:
        host = host_of(url)
        try:
            addresses = await self._resolve(host, port_of(url))
        except (OSError, UnicodeError):
            raise _failed(
                f"the host {quoted(host, MOST_SHOWN_LONG)} was not found",
                "check the spelling of the URL's host",
                transient=True,
            ) from None
        if not addresses:
            raise _failed(
                f"the host {quoted(host, MOST_SHOWN_LONG)} has no address", "check the spelling of the URL's host"
            )
        for address in addresses:
            if not self._guard.allows(host, address):
                raise AttachmentError(
                    f"{_shown(url)} leads to {address}, which is not a public address",
                    code=ErrorCode.PRIVATE_ADDRESS,
                    hint=f"if mailnode may fetch from there, add {host} to {VARIABLE}",
                )
        return addresses

    async def _read(self, url: "httpx2.URL", response: "httpx2.Response") -> Fetched:
        _check_status(url, response.status_code)
        shown = _shown(url)
        spool = Spool(shown, self._max_bytes)
        codings = codings_of(response.headers.get("Content-Encoding", ""))
        decoder = decoder_of(codings, shown)
        if not codings:
            check_size(shown, _stated_length(response), self._max_bytes)
        async with aclosing(response.aiter_raw()) as chunks:
            async for chunk in chunks:
                for decoded in decoder.decoded(chunk):
                    spool.write(decoded)
        decoder.end()
        content_type = served_media_type(response.headers.get("Content-Type", ""))
        filename = fetched_filename(response.headers.get("Content-Disposition", ""), url.path, content_type)
        return Fetched(spool.content(), spool.size, content_type, filename)


def _parsed(text: str) -> "httpx2.URL":
    import httpx2

    try:
        url = httpx2.URL(text.strip())
    except (httpx2.InvalidURL, UnicodeError):
        raise _bad_url(f"{shown_text(text)} is not a URL", "check it for spaces and control characters") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise _bad_url(f"{shown_text(text)} is not an http or https URL", "write it with its scheme: https://host/file")
    if url.userinfo:
        raise _bad_url(f"the URL {_shown(url)} contains credentials", "remove everything before the @")
    return url


def _redirected(url: "httpx2.URL", location: str) -> "httpx2.URL":
    import httpx2

    try:
        there = _parsed(str(url.join(location)))
    except (httpx2.InvalidURL, UnicodeError, AttachmentError) as error:
        why = error.message if isinstance(error, AttachmentError) else f"{shown_text(location)} is not a URL"
        raise _failed(f"{_shown(url)} redirects to a URL that can't be fetched: {why}", "use another URL") from None
    if url.scheme == "https" and there.scheme != "https":
        raise _failed(f"{_shown(url)} redirects from https to http", "use a URL that stays on https")
    return there


def _shown(url: "httpx2.URL") -> str:
    """Show a URL without what may be secret in it: credentials and query."""
    return shortened(f"{url.scheme}://{url.netloc.decode('ascii')}{url.path}", MOST_SHOWN_LONG)


def _stated_length(response: "httpx2.Response") -> int:
    stated = response.headers.get("Content-Length", "")
    return int(stated) if stated.isascii() and stated.isdigit() else 0


def _check_status(url: "httpx2.URL", status: int) -> None:
    if 200 <= status < 300 and status not in _INCOMPLETE:  # noqa: PLR2004 -- RFC 9110 15.3
        return
    raise _failed(
        f"the server answered {status_words(status)} for {_shown(url)}",
        "open the URL in a private window of a browser: it must work there without a login",
        transient=status in _WORTH_ANOTHER_TRY,
    )


def _raise_transport_error(url: "httpx2.URL", error: "httpx2.HTTPError") -> NoReturn:
    import httpx2

    reason = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        message = f"the certificate of {host_of(url)} is not trusted: {shortened(reason, MOST_SHOWN_LONG)}"
        raise _failed(message, "install a valid certificate on that server") from None
    if "WRONG_VERSION_NUMBER" in reason:
        message = f"{_shown(url)} can't be fetched: the server answers, but without TLS"
        raise _failed(message, "write http:// if the server offers no https there, or correct the port") from None
    if isinstance(error, httpx2.TimeoutException):
        raise _timed_out(_shown(url), CONNECT_SECONDS) from None
    message = f"{_shown(url)} can't be fetched: {shortened(reason, MOST_SHOWN_LONG)}"
    raise _failed(message, "check that the server answers", transient=True) from None


def _timed_out(shown: str, seconds: float) -> AttachmentError:
    return AttachmentError(
        f"{shown} did not arrive within {seconds:g} s",
        code=ErrorCode.FETCH_TIMEOUT,
        hint="check that the server answers; a large file may need a faster server",
        transient=True,
    )


def _bad_url(message: str, hint: str) -> AttachmentError:
    return AttachmentError(message, code=ErrorCode.BAD_URL, hint=hint)


def _failed(message: str, hint: str, *, transient: bool = False) -> AttachmentError:
    return AttachmentError(message, code=ErrorCode.FETCH_FAILED, hint=hint, transient=transient)
