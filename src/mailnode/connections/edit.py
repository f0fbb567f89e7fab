"""How changing some fields of a connection affects the others."""

from collections.abc import Mapping
from typing import Any

from mailnode.collected import Collected
from mailnode.connections.fields import TYPE_FIELDS, check_fields
from mailnode.errors import ConnectionsError, ErrorCode

Fields = Mapping[str, Any]

# Where secrets are sent, and how: by changing one of these, somebody could have them sent to a server of their own.
DESTINATION_FIELDS = ("service", "hosts", "accessUrl", "tenantId", "authorizeUrl", "deviceUrl", "proxy")
# Values that let secrets be sent in clear text, readable by everybody on the network.
PLAINTEXT_SETTINGS: Fields = {"tlsOption": "none", "allowPlaintextAuth": True}
# Who requests access tokens, and for what: tokens of another account or scope can't be used.
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
# The fields that a new value removes: an expiry belongs to its access token, and that to its refresh token.
_REPLACES = {
    "service": ("hosts",),
    "hosts": ("service",),
    "accessUrl": ("tenantId",),
    "tenantId": ("accessUrl",),
    "refreshToken": ("accessToken", "expiryDate"),
    "accessToken": ("expiryDate",),
}


def edited(kind: str, old: Fields, given: Fields) -> dict[str, Any]:
    """Merge the given fields into the old ones, and give all of them, checked; null removes a field.

    A change of where or how secrets are sent, or that allows clear text, requires the secrets again; an access token
    that can be requested again is dropped.

    Raises:
        ConnectionsError: a field is invalid, or a secret must be given again.
    """
    new = check_fields(kind, _merged(old, given))
    if not exposes_secrets(old, new):
        return new
    is_static = "clientId" not in new
    credentials = [key for key in TYPE_FIELDS[kind].credentials if key in old and (key != "accessToken" or is_static)]
    changed = " and ".join(_exposing_fields(old, new))
    wrong = Collected()
    wrong.errors += [
        ConnectionsError(
            f"changing {changed} requires entering {key} again",
            code=ErrorCode.MISSING_SETTING,
            hint=f"give {key} together with {changed}: stored secrets are not sent to a new server",
        ).locate(key=key)
        for key in credentials
        if key not in given
    ]
    wrong.raise_all()
    return new if "accessToken" in given else {key: new[key] for key in new if key not in {"accessToken", "expiryDate"}}


def exposes_secrets(old: Fields, new: Fields) -> bool:
    """Whether secrets would be sent to other servers, by another route, or in clear text where they were not."""
    return bool(_exposing_fields(old, new))


def invalidates_token(old: Fields, new: Fields) -> bool:
    """Whether the stored access token can't be used any more: it was issued for other fields, or would go elsewhere."""
    can_ask = "clientId" in new or "serviceClient" in new
    return can_ask and (exposes_secrets(old, new) or any(old.get(key) != new.get(key) for key in _ACCOUNT))


def _merged(old: Fields, given: Fields) -> dict[str, Any]:
    replaced = {other for key in _REPLACES if given.get(key) is not None for other in _REPLACES[key]}
    merged = {**{key: old[key] for key in old if key not in replaced}, **given}
    if isinstance(old.get("dkim"), Mapping) and isinstance(given.get("dkim"), Mapping):
        merged["dkim"] = {**old["dkim"], **given["dkim"]}
    return merged


def _exposing_fields(old: Fields, new: Fields) -> list[str]:
    """Name the changed fields that send secrets elsewhere or in clear text."""
    moves = [key for key in DESTINATION_FIELDS if _comparable(old, key) != _comparable(new, key)]
    return moves + [key for key, bare in PLAINTEXT_SETTINGS.items() if new.get(key) == bare != old.get(key)]


def _comparable(fields: Fields, key: str) -> Any:
    return sorted(fields.get(key, ())) if key == "hosts" else fields.get(key)
