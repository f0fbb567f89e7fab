"""Posting an event: to a judged address, without redirects, and without a look at what the receiver answers.

A webhook has connections of its own, which are kept for the next event.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailnode.errors import ErrorCode, SettingsError
from mailnode.events.webhook import Event, Webhook, signed_headers
from mailnode.node.address_guard import Address, AddressGuard
from mailnode.node.guarded_http import (
    Resolve,
    host_of,
    port_of,
    request_at,
    resolve_host,
    shown_text,
    status_words,
)
from mailnode.printable import MOST_SHOWN_LONG, one_line, quoted, shortened
from mailnode.smtp.trust import client_context

if TYPE_CHECKING:
    import ssl

    import httpx2

ALLOW_VARIABLE = "MAILNODE_WEBHOOK_ALLOW"
SECONDS = 20.0
# For how long the addresses of a host are known.
_RESOLVED_SECONDS = 30.0
# For how long an idle connection is kept: most servers close theirs after five seconds.
_KEPT_SECONDS = 2.0
# So much of an answer is read, so that its connection can be kept, and thrown away.
_MOST_ANSWER = 16_384
_ANSWER_SECONDS = 2.0
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a post: `trouble` is "" where the receiver took it, `status_code` None where it said nothing.

    `retry_after` is how many seconds the receiver asks for before the next try.
    """

    status_code: int | None = None
    trouble: str = ""
    hint: str = ""
    retry_after: float = 0.0


def check_url(text: str, guard: AddressGuard) -> str:
    """Check the URL of a webhook: https, or http where MAILNODE_WEBHOOK_ALLOW names its host.

    Raises:
        SettingsError: events can't be posted to it.
    """
    import httpx2

    try:
        url = httpx2.URL(text.strip())
    except (httpx2.InvalidURL, UnicodeError):
        raise _bad_url(f"{shown_text(text)} is not a URL", "check it for spaces and control characters") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise _bad_url(f"{shown_text(text)} is not an https URL", "write it with its scheme: https://host/path")
    if url.port is not None and not 0 < url.port <= _LAST_PORT:
        raise _bad_url(f"{shown_text(text)} has no possible port", "correct the number after the host")
    if url.userinfo:
        raise _bad_url("the URL contains credentials", "remove everything before the @: events are signed instead")
    if url.fragment:
        raise _bad_url("the URL has a part after #, which no server sees", "leave it out")
    if url.scheme == "http" and not guard.names(host_of(url)):
        raise _bad_url(
            f"{shown_url(text)} is not encrypted",
            f"use https; for a host of your own network add {host_of(url)} to {ALLOW_VARIABLE}",
        )
    return str(url)


def shown_url(text: str) -> str:
    """Show a URL without its query, which may be secret."""
    address, is_queried, _ = text.partition("?")
    return shortened(address + ("?…" if is_queried else ""), MOST_SHOWN_LONG)


@dataclass(slots=True)
class _Kept:
    """What is kept of a receiver between two posts."""

    transport: "httpx2.AsyncHTTPTransport"
    addresses: list[Address] = field(default_factory=list)
    resolved_at: float = -_RESOLVED_SECONDS


class Poster:
    """Posts events of webhooks; `tls` verifies servers and `resolve` finds addresses, both in the system's way."""

    def __init__(
        self, guard: AddressGuard, tls: "Callable[[], ssl.SSLContext]" = client_context, resolve: Resolve = resolve_host
    ) -> None:
        """Post to addresses that `guard` lets pass."""
        self._guard = guard
        self._tls = tls
        self._resolve = resolve
        self._kept: dict[str, _Kept] = {}

    async def post(self, webhook: Webhook, event: Event) -> Answer:
        """Post an event once."""
        import httpx2

        try:
            async with asyncio.timeout(SECONDS):
                return await self._post(webhook, event)
        except TimeoutError:
            return Answer(trouble=f"there was no answer within {SECONDS:g} s", hint="answer before the work is done")
        except SettingsError as error:
            return Answer(trouble=error.message, hint=error.hint)
        except (OSError, UnicodeError):
            host = httpx2.URL(webhook.url).host
            return Answer(trouble=f"the host {quoted(host, MOST_SHOWN_LONG)} was not found", hint="check its spelling")
        except httpx2.HTTPError as error:
            if kept := self._kept.get(webhook.id):
                kept.resolved_at = -_RESOLVED_SECONDS
            return _transport_trouble(error)

    async def _post(self, webhook: Webhook, event: Event) -> Answer:
        import httpx2

        url = httpx2.URL(check_url(webhook.url, self._guard))  # the list may have been changed
        kept = await self._receiver(webhook, url)
        headers = signed_headers(event, webhook.secret, int(time.time()))
        response = await request_at(kept.addresses, kept.transport, "POST", url, headers, event.body)
        try:
            await _throw_away(response)
        finally:
            await response.aclose()
        return _answer(response)

    async def _receiver(self, webhook: Webhook, url: "httpx2.URL") -> _Kept:
        import httpx2

        kept = self._kept.get(webhook.id)
        if kept is None:
            limits = httpx2.Limits(keepalive_expiry=_KEPT_SECONDS)
            transport = httpx2.AsyncHTTPTransport(verify=self._tls(), trust_env=False, limits=limits)
            kept = self._kept[webhook.id] = _Kept(transport)
        now = asyncio.get_running_loop().time()
        if now >= kept.resolved_at + _RESOLVED_SECONDS:
            host = host_of(url)
            found = await self._resolve(host, port_of(url))
            if not found:
                raise _bad_url(f"the host {quoted(host, MOST_SHOWN_LONG)} has no address", "check its spelling")
            for address in found:
                if not self._guard.allows(host, address):
                    raise SettingsError(
                        f"{host} leads to {address}, which is not a public address",
                        code=ErrorCode.PRIVATE_ADDRESS,
                        hint=f"if mailnode may post to it, add {host} to {ALLOW_VARIABLE}",
                    )
            kept.addresses, kept.resolved_at = found, now
        return kept

    async def close(self) -> None:
        """Close what is open."""
        kept, self._kept = self._kept, {}
        for one in kept.values():
            await one.transport.aclose()


async def _throw_away(response: "httpx2.Response") -> None:
    import httpx2

    read = 0
    with suppress(httpx2.HTTPError, TimeoutError):  # the status has said what came of it
        async with asyncio.timeout(_ANSWER_SECONDS):
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > _MOST_ANSWER:
                    return


def _answer(response: "httpx2.Response") -> Answer:
    status = response.status_code
    if 200 <= status < 300:  # noqa: PLR2004 -- RFC 9110 15.3
        return Answer(status)
    if 300 <= status < 400:  # noqa: PLR2004 -- RFC 9110 15.4
        return Answer(
            status,
            f"the receiver answered {status_words(status)}, and no redirect is followed",
            "give the webhook its final URL",
        )
    stated = response.headers.get("Retry-After", "")
    return Answer(
        status,
        f"the receiver answered {status_words(status)}",
        "the log of the receiver says why",
        float(stated) if stated.isascii() and stated.isdigit() and len(stated) < 9 else 0.0,  # noqa: PLR2004 -- seconds
    )


def _transport_trouble(error: "httpx2.HTTPError") -> Answer:
    import httpx2

    reason = shortened(one_line(error) or type(error).__name__, MOST_SHOWN_LONG)  # every database can hold it
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return Answer(trouble=f"its certificate is not trusted: {reason}", hint="install a valid certificate there")
    if "WRONG_VERSION_NUMBER" in reason:
        return Answer(trouble="the receiver answers, but without TLS", hint="correct the port of the URL")
    if isinstance(error, httpx2.ConnectTimeout):
        return Answer(trouble="the receiver can't be reached", hint="check that it runs, and its firewall")
    return Answer(trouble=f"the receiver can't be reached: {reason}", hint="check that it runs, and its firewall")


def _bad_url(message: str, hint: str) -> SettingsError:
    return SettingsError(message, code=ErrorCode.BAD_URL, hint=hint).locate(key="url")
