"""Why there is no access token, in words for a person, and what helps."""

from mailnode.connections.grant import Grant, RefreshGrant, ServiceAccountGrant
from mailnode.connections.token_remedies import CONSENT, why_consent_was_lost
from mailnode.errors import ErrorCode, TokenError
from mailnode.store.clock import utc

_CONSENT = "give consent again with `mailnode connections authorize {}`"


def over(name: str, *, is_refused: bool) -> TokenError:
    """An access token has come to its end, and nothing is there to renew it with."""
    what = "was refused by the server" if is_refused else "has come to its end"
    return TokenError(
        f"the access token of the connection {name!r} {what}, and there is no refresh token",
        code=ErrorCode.TOKEN_EXPIRED,
        hint="give a new accessToken with its expiryDate; or, once for all, refreshToken, clientId and clientSecret",
    )


def without_consent(name: str) -> TokenError:
    """Nobody has given consent yet."""
    return TokenError(
        f"the connection {name!r} has no refresh token yet",
        code=ErrorCode.CONSENT_NEEDED,
        hint=f"give consent with `mailnode connections authorize {name}`",
    )


def put_off(trouble: TokenError, wait_ms: int) -> TokenError:
    """The endpoint failed a moment ago and is left alone for a while."""
    return TokenError(
        f"{trouble.message}; it is not asked again for {max(1, round(wait_ms / 1000))} s",
        code=trouble.code,
        hint=trouble.hint,
        transient=trouble.transient,
        oauth_error=trouble.oauth_error,
    )


def explained(error: TokenError, name: str, grant: Grant, in_doubt_since: int | None) -> TokenError:
    """Say what an endpoint's refusal means for this connection."""
    if error.oauth_error not in CONSENT:
        return error
    if isinstance(grant, RefreshGrant):
        return _consent_needed(error, name, in_doubt_since)
    if isinstance(grant, ServiceAccountGrant) and error.oauth_error == "invalid_grant":
        hint = (
            "see that the service account may act for `user` with this scope (domain-wide delegation), that the key is"
            " one of its own, and that this machine's clock is right"
        )
        return TokenError(error.message, code=error.code, hint=hint, oauth_error=error.oauth_error)
    return error


def _consent_needed(error: TokenError, name: str, in_doubt_since: int | None) -> TokenError:
    what = f"the refresh token of the connection {name!r} is refused: {error.message}"
    if in_doubt_since is not None:
        when = utc(in_doubt_since)
        what += (
            f". A renewal that began at {when:%Y-%m-%d %H:%M:%S} UTC was cut off by a crash or a lost connection,"
            " and may have used it up"
        )
    more = why_consent_was_lost(error.message)
    hint = _CONSENT.format(name) + (f"; {more}" if more else "")
    return TokenError(what, code=ErrorCode.CONSENT_NEEDED, hint=hint, oauth_error=error.oauth_error)
