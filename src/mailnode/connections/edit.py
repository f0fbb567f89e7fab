"""What changing some fields of a connection means for the others."""

from collections.abc import Mapping
from typing import Any

from mailnode.connections.fields import TYPE_FIELDS, check_fields
from mailnode.errors import ConnectionsError, ErrorCode

Fields = Mapping[str, Any]

# Where secrets go, and by which way: whoever changes one of these could have them sent to a server of his own.
DESTINATION_FIELDS = ("service", "hosts", "accessUrl", "tenantId", "authorizeUrl", "deviceUrl", "proxy")
# What lets them go in clear text when it has this value: turning it on would show them to everybody on the way.
PLAINTEXT_SETTINGS: Fields = {"tlsOption": "none", "allowPlaintextAuth": True}
# Who asks for access tokens, and for what: one that was given for something else is not the right one.
_ACCOUNT = (
    "service",
    "hosts",
    "accessUrl",
    "tenantId",
    "user",
    "clientId",
    "clientSecret",
    "scope",
    "serviceClient",
    "privateKey",
)
# What a new value takes away. An expiry belongs to its access token, and that to the refresh token that got it.
_REPLACES = {
    "service": ("hosts",),
    "hosts": ("service",),
    "accessUrl": ("tenantId",),
    "tenantId": ("accessUrl",),
    "refreshToken": ("accessToken", "expiryDate"),
    "accessToken": ("expiryDate",),
}


def edited(kind: str, old: Fields, given: Fields) -> dict[str, Any]:
    """Put given fields over the old ones, and give all of them, checked; null takes a field away.

    Whoever changes where secrets go, by which way, or whether they may go in clear text gives them again; an access
    token that can be had anew is forgotten then.

    Raises:
        ConnectionsError: a field is wrong, or a secret is wanted again.
    """
    new = check_fields(kind, _merged(old, given))
    if not exposes_secrets(old, new):
        return new
    is_static = "clientId" not in new
    credentials = [key for key in TYPE_FIELDS[kind].credentials if key in old and (key != "accessToken" or is_static)]
    if missing := [key for key in credentials if key not in given]:
        wanted = " and ".join(missing)
        changed = " and ".join(_exposing(old, new))
        raise ConnectionsError(
            f"a change of {changed} changes where secrets go or who can read them, so {wanted} must be given again",
            code=ErrorCode.MISSING_SETTING,
            hint=f"give {wanted} together with {changed}",
        ).locate(key=missing[0])
    return new if "accessToken" in given else {key: new[key] for key in new if key not in {"accessToken", "expiryDate"}}


def exposes_secrets(old: Fields, new: Fields) -> bool:
    """Whether secrets go to other servers than before, by another way, or newly in clear text."""
    return bool(_exposing(old, new))


def invalidates_token(old: Fields, new: Fields) -> bool:
    """Whether an access token of before is none for now: it is asked for otherwise, or would go elsewhere."""
    can_ask = "clientId" in new or "serviceClient" in new
    return can_ask and (exposes_secrets(old, new) or any(old.get(key) != new.get(key) for key in _ACCOUNT))


def _merged(old: Fields, given: Fields) -> dict[str, Any]:
    replaced = {other for key in _REPLACES if given.get(key) is not None for other in _REPLACES[key]}
    merged = {**{key: old[key] for key in old if key not in replaced}, **given}
    if isinstance(old.get("dkim"), Mapping) and isinstance(given.get("dkim"), Mapping):
        merged["dkim"] = {**old["dkim"], **given["dkim"]}
    return merged


def _exposing(old: Fields, new: Fields) -> list[str]:
    """Name the fields whose change moves secrets or bares them."""
    moves = [key for key in DESTINATION_FIELDS if _place(old, key) != _place(new, key)]
    return moves + [key for key, bare in PLAINTEXT_SETTINGS.items() if new.get(key) == bare != old.get(key)]


def _place(fields: Fields, key: str) -> Any:
    return sorted(fields.get(key, ())) if key == "hosts" else fields.get(key)
