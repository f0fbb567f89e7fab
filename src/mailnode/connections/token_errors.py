"""Why there is no access token, and what a person can do about it.

The errors of a token endpoint are those of RFC 6749 5.2 and OpenID Connect Core 3.1.2.6, and the large providers' own.
"""

import re

from mailnode.connections.grant import Grant, RefreshGrant, ServiceAccountGrant
from mailnode.errors import ErrorCode, TokenError
from mailnode.store.clock import utc

# Temporary errors, whatever the HTTP status (RFC 6749 4.1.2.1, RFC 8628 3.5, Google's).
TRANSIENT = frozenset(
    {"temporarily_unavailable", "server_error", "slow_down", "rate_limit_exceeded", "internal_failure"}
)
# After these the endpoint may have acted on the request.
IN_DOUBT = frozenset({"server_error", "internal_failure"})
# The secret is sent in the form first; these may mean that the endpoint expects it in the Authorization field.
CLIENT_REFUSED = frozenset({"invalid_client", "unauthorized_client"})
# A person has to give consent again (RFC 6749 and OpenID Connect Core 3.1.2.6).
CONSENT = frozenset(
    {"invalid_grant", "interaction_required", "consent_required", "login_required", "account_selection_required"}
)

# Patterns for `error suberror (description)`, with their remedies; the first match counts.
_REMEDIES = (
    # Microsoft's numbers, before the error codes that come with them
    (r"AADSTS7000215", "give the client secret's value: its id, shown beside it in Microsoft Entra, is not the secret"),
    (r"AADSTS7000222", "the client secret has expired: create a new one in Microsoft Entra"),
    (r"AADSTS7000218", "give clientSecret, or allow public client flows for the application in Microsoft Entra"),
    (r"AADSTS700016|AADSTS90002", "check clientId and tenantId: this tenant does not know the application"),
    (
        r"AADSTS53\d{3}",
        "a Conditional Access policy of Microsoft Entra blocks it: exempt the account or the application",
    ),
    # Error codes
    (
        r"^deleted_client",
        "the application was deleted at the provider: create a new one, and enter its id and secret here",
    ),
    (r"^disabled_client", "the application is disabled at the provider: enable it, or use another one"),
    (r"^invalid_client", "check clientId and clientSecret; the secret may have expired at the provider"),
    (r"^unauthorized_client", "allow this grant for the application at the provider, and check clientId"),
    (r"^invalid_scope", "check scope: the provider does not know it, or the application may not ask for it"),
    (r"^invalid_(?:resource|target)", "check scope: the provider does not know whose API it names"),
    (r"^unsupported_grant_type", "use another type of connection: the provider does not know this one's grant"),
    (r"^invalid_request", "check accessUrl and the fields of the connection against the provider's documentation"),
    (r"^access_denied", "have the application allowed at the provider"),
    (r"^(?:admin_policy_enforced|org_internal)", "have the organisation's administrator allow the application"),
    (
        r"^(?:interaction|consent|login|account_selection)_required",
        "ask the account's owner, or an administrator, to consent to the application's permissions at the provider",
    ),
    (
        r"^invalid_grant",
        "check the fields of the connection against the provider's message, and the clock of this machine",
    ),
)
# Why consent was lost, where giving it again is not enough to keep it.
_CONSENT_LOST = (
    (r"AADSTS53\d{3}", "first exempt the account from the Conditional Access policy that blocks it"),
    (r"AADSTS5007[69]|AADSTS50158", "log in with the second factor that the provider requires"),
    (r"AADSTS65001|consent_required", "an administrator may have to allow the application"),
    (r"AADSTS50173|password", "a change of the account's password has revoked the last one"),
    (r"AADSTS700082|inactiv", "the last one was not used for too long"),
    (
        r"AADSTS50034|AADSTS50057|account (?:has been )?(?:deleted|disabled)",
        "first check that the account still exists",
    ),
    (
        r"invalid_rapt|reauth",
        "the session control of Google Workspace requires it regularly: exempt the application from it",
    ),
    (
        r"expired or revoked",
        "consent to a Google application in the state Testing expires after seven days: set it to In production",
    ),
)
_CONSENT = "authorize the connection again"


def expired(name: str, *, is_refused: bool) -> TokenError:
    """Make the error of an access token that has expired and can't be renewed."""
    what = "was refused by the server" if is_refused else "has expired"
    return TokenError(
        f"the access token of the connection {name!r} {what}, and there is no refresh token",
        code=ErrorCode.TOKEN_EXPIRED,
        hint="give a new accessToken and expiryDate; or refreshToken, clientId and clientSecret, so that it is renewed",
    )


def consent_needed(name: str) -> TokenError:
    """Make the error of a connection without consent."""
    return TokenError(
        f"the connection {name!r} has no refresh token yet",
        code=ErrorCode.CONSENT_NEEDED,
        hint="authorize the connection",
    )


def postponed(error: TokenError, wait_ms: int) -> TokenError:
    """Make the error of a request that is put off, because the last one failed a moment ago."""
    return TokenError(
        f"{error.message}; the next request is made in {max(1, round(wait_ms / 1000))} s",
        code=error.code,
        hint=error.hint,
        transient=error.transient,
        oauth_error=error.oauth_error,
    )


def explained(error: TokenError, name: str, grant: Grant, in_doubt_since: int | None) -> TokenError:
    """Explain what the refusal of an endpoint means for this connection."""
    if error.oauth_error not in CONSENT:
        return error
    if isinstance(grant, RefreshGrant):
        return _consent_needed(error, name, in_doubt_since)
    if isinstance(grant, ServiceAccountGrant) and error.oauth_error == "invalid_grant":
        hint = (
            "check that the service account may act for `user` with this scope (domain-wide delegation), that the key"
            " is its own, and that the clock of this machine is right"
        )
        return TokenError(error.message, code=error.code, hint=hint, oauth_error=error.oauth_error)
    return error


def _consent_needed(error: TokenError, name: str, in_doubt_since: int | None) -> TokenError:
    what = f"the refresh token of the connection {name!r} was refused: {error.message}"
    if in_doubt_since is not None:
        when = utc(in_doubt_since)
        what += (
            f". A renewal that began at {when:%Y-%m-%d %H:%M:%S} UTC was interrupted by a crash or a lost connection,"
            " and may have used it up"
        )
    more = why_consent_was_lost(error.message)
    hint = _CONSENT + (f"; {more}" if more else "")
    return TokenError(what, code=ErrorCode.CONSENT_NEEDED, hint=hint, oauth_error=error.oauth_error)


def remedy_of(said: str) -> str:
    """Give the remedy for a refusal, `error suberror (description)`."""
    words = "check the fields of the connection against the provider's message"
    return next((hint for pattern, hint in _REMEDIES if re.search(pattern, said, re.IGNORECASE)), words)


def why_consent_was_lost(said: str) -> str:
    """Say what else to do when consent is given again; "" for nothing."""
    return next((hint for pattern, hint in _CONSENT_LOST if re.search(pattern, said, re.IGNORECASE)), "")
