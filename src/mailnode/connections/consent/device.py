"""Consent on another device (RFC 8628): a person enters a code there, and the token endpoint is polled."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mailnode.connections.endpoint import TokenAnswer, TokenEndpoint
from mailnode.connections.grant import Form, RefreshGrant
from mailnode.connections.values import to_text, to_url
from mailnode.errors import ConnectionsError, ErrorCode, TokenError
from mailnode.store.clock import Clock, unix_ms

Wait = Callable[[float], Awaitable[None]]

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL_SECONDS = 5.0
_LONGEST_INTERVAL_SECONDS = 300.0
_LIFE_SECONDS = 900.0
_LONGEST_LIFE_SECONDS = 3600.0
# The error codes of a refusal: RFC 8628 3.5, and Microsoft's.
_DENIED = frozenset({"access_denied", "authorization_declined"})


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """The device authorization response (RFC 8628 3.2): where to go and which code to enter; `expires_at` is Unix ms.

    `complete_uri` contains the code, "" where the provider has none.
    """

    verification_uri: str
    user_code: str
    complete_uri: str
    expires_at: int
    device_code: str = field(repr=False)
    interval: float = _INTERVAL_SECONDS


async def by_device(
    grant: RefreshGrant,
    show: Callable[[DeviceCode], None],
    *,
    endpoint: TokenEndpoint | None = None,
    clock: Clock = unix_ms,
    wait: Wait = asyncio.sleep,
) -> TokenAnswer:
    """Ask for consent on another device, and give the tokens.

    Raises:
        ConnectionsError: the device authorization URL is not known.
        TokenError: consent is refused or not given before the code expires, or the endpoint issues no token.
    """
    if not grant.device_url:
        raise ConnectionsError(
            "the device authorization URL of this provider is not known",
            code=ErrorCode.MISSING_SETTING,
            hint="authorize in a browser, or set deviceUrl of the connection to that URL",
        ).locate(key="deviceUrl")
    endpoint = endpoint or TokenEndpoint(clock=clock)
    code = await _device_code(grant, endpoint, clock)
    show(code)
    form = {"grant_type": _GRANT_TYPE, "device_code": code.device_code, **grant.client()}
    interval = code.interval
    while clock() + interval * 1000 < code.expires_at:
        await wait(interval)
        try:
            return await endpoint.ask(grant.access_url, form)
        except TokenError as error:
            interval = _next_interval(error, interval)
    raise _too_late()


def _next_interval(error: TokenError, interval: float) -> float:
    """Give the next polling interval in seconds; raise an error that is final."""
    if error.oauth_error == "authorization_pending":
        return interval
    if error.oauth_error == "slow_down" or error.transient:
        # RFC 8628 3.5 requires the same after a lost connection: slower polling.
        return interval + _INTERVAL_SECONDS
    if error.oauth_error == "expired_token":
        raise _too_late() from None
    if error.oauth_error in _DENIED:
        error.hint = "authorize again, and allow mailnode to send mail for this account"
    raise error


async def _device_code(grant: RefreshGrant, endpoint: TokenEndpoint, clock: Clock) -> DeviceCode:
    asked_at = clock()
    try:
        return _read(await endpoint.post(grant.device_url, _request(grant)), asked_at)
    except TokenError as error:
        error.hint = error.hint.replace("accessUrl", "deviceUrl").replace("token URL", "device authorization URL")
        raise
    except (ConnectionsError, KeyError):
        raise TokenError(
            f"{urlsplit(grant.device_url).netloc} does not answer like a device authorization endpoint",
            hint="check deviceUrl: it must be the provider's device authorization URL",
        ) from None


def _request(grant: RefreshGrant) -> Form:
    """Make the request; the client's secret is sent to no other origin than that of the token endpoint."""
    there, here = urlsplit(grant.device_url), urlsplit(grant.access_url)
    is_same = (there.scheme, there.netloc) == (here.scheme, here.netloc)
    client = grant.client() if is_same else {"client_id": grant.client_id}
    return {**client, **({"scope": grant.consent_scope} if grant.consent_scope else {})}


def _read(answer: dict[str, Any], asked_at: int) -> DeviceCode:
    life = min(_seconds(answer.get("expires_in"), _LIFE_SECONDS), _LONGEST_LIFE_SECONDS)
    complete = answer.get("verification_uri_complete")
    return DeviceCode(
        # Some use the name of an earlier draft of the RFC.
        verification_uri=to_url(answer.get("verification_uri") or answer["verification_url"]),
        user_code=to_text(answer["user_code"]),
        complete_uri=to_url(complete) if complete else "",
        expires_at=asked_at + int(life * 1000),
        device_code=to_text(answer["device_code"]),
        interval=min(_seconds(answer.get("interval"), _INTERVAL_SECONDS), _LONGEST_INTERVAL_SECONDS),
    )


def _seconds(value: object, default: float) -> float:
    """Take an interval of at least a second, so that polling is never too fast."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1:
        return default
    return float(min(value, _LONGEST_LIFE_SECONDS))


def _too_late() -> TokenError:
    return TokenError(
        "consent was not given before the code expired",
        code=ErrorCode.CONSENT_NEEDED,
        hint="authorize again with a new code",
    )
