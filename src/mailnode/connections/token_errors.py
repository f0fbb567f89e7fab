"""Why there is no access token, and what a person can do about it.

The errors of a token endpoint are those of RFC 6749 5.2 and OpenID Connect Core 3.1.2.6, and the large providers' own.
"""

import re

from mailnode.connections.grant import Grant, RefreshGrant, ServiceAccountGrant
from mailnode.errors import ErrorCode, TokenError
from mailnode.store.clock import utc

# Errors that say no more than "not now", whatever the status beside them (RFC 6749 4.1.2.1, RFC 8628 3.5, Google's).
TRANSIENT = frozenset(
    {"temporarily_unavailable", "server_error", "slow_down", "rate_limit_exceeded", "internal_failure"}
)
# After these the endpoint may have done what was asked of it.
IN_DOUBT = frozenset({"server_error", "internal_failure"})
# The secret is shown in the form at first; these may mean that the endpoint wants it in the Authorization field.
CLIENT_REFUSED = frozenset({"invalid_client", "unauthorized_client"})
# A person has to come by again (OpenID Connect Core 3.1.2.6 beside RFC 6749's word).
CONSENT = frozenset(
    {"invalid_grant", "interaction_required", "consent_required", "login_required", "account_selection_required"}
)

# A pattern that is searched in `error suberror (description)`, and the remedy; the first line that fits counts.
_REMEDIES = (
    # Microsoft's numbers, the particular before the words that come with them
    (r"AADSTS7000215", "give the client secret's value: its id, shown beside it in Microsoft Entra, is not the secret"),
    (r"AADSTS7000222", "the client secret has come to its end: make a new one in Microsoft Entra"),
    (r"AADSTS7000218", "give clientSecret, or allow public client flows for the application in Microsoft Entra"),
    (r"AADSTS700016|AADSTS90002", "check clientId and tenantId: this tenant does not know the application"),
    (
        r"AADSTS53\d{3}",
        "a Conditional Access policy of Microsoft Entra blocks it: exempt the account or the application",
    ),
    # The words
    (
        r"^deleted_client",
        "the application was deleted at the provider: make a new one, and give its id and secret here",
    ),
    (r"^disabled_client", "the application is switched off at the provider: have it switched on, or use another one"),
    (r"^invalid_client", "check clientId and clientSecret; a secret may have come to its end at the provider"),
    (r"^unauthorized_client", "allow the application this grant at the provider, and check its id"),
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
    (r"^invalid_grant", "check the fields of the connection, and this machine's clock; see the provider's words"),
)
# Why consent was lost, where more than giving it again keeps it from being lost once more.
_CONSENT_LOST = (
    (r"AADSTS53\d{3}", "first exempt the account from the Conditional Access policy that blocks it"),
    (r"AADSTS5007[69]|AADSTS50158", "log in with the second factor that the provider wants"),
    (r"AADSTS65001|consent_required", "an administrator may have to allow the application"),
    (r"AADSTS50173|password", "a change of the account's password ended the last one"),
    (r"AADSTS700082|inactiv", "it had not been used for too long"),
    (r"AADSTS50034|AADSTS50057|account (?:has been )?(?:deleted|disabled)", "first see that the account still exists"),
    (
        r"invalid_rapt|reauth",
        "Google Workspace wants it again and again: have its session control exempt the application",
    ),
    (
        r"expired or revoked",
        "a Google application in the state Testing loses it after seven days: set it to In production",
    ),
)
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


def remedy_of(said: str) -> str:
    """Say what to do about a refusal, by what was said: `error suberror (description)`."""
    words = "see the provider's words, and check the fields of the connection"
    return next((hint for pattern, hint in _REMEDIES if re.search(pattern, said, re.IGNORECASE)), words)


def why_consent_was_lost(said: str) -> str:
    """Say what else helps where consent is given again; "" where nothing does."""
    return next((hint for pattern, hint in _CONSENT_LOST if re.search(pattern, said, re.IGNORECASE)), "")
