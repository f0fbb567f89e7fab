"""What the refusals of a token endpoint mean to a person: RFC 6749 5.2, OpenID Connect and the large providers' own."""

import re

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


def remedy_of(said: str) -> str:
    """Say what to do about a refusal, by what was said: `error suberror (description)`."""
    words = "see the provider's words, and check the fields of the connection"
    return next((hint for pattern, hint in _REMEDIES if re.search(pattern, said, re.IGNORECASE)), words)


def why_consent_was_lost(said: str) -> str:
    """Say what else helps where consent is given again; "" where nothing does."""
    return next((hint for pattern, hint in _CONSENT_LOST if re.search(pattern, said, re.IGNORECASE)), "")
