"""The fields of a connection as people give them (camelCase, JSON): checked one by one and together."""

import difflib
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from mailnode.collected import Collected
from mailnode.connections.grant import check_endpoint
from mailnode.connections.rate_limit import to_rate_limit
from mailnode.connections.service import find_service
from mailnode.connections.values import (
    bad,
    shown,
    to_addr_spec,
    to_expiry,
    to_flag,
    to_hosts,
    to_mailbox,
    to_proxy,
    to_recipients,
    to_rsa_key,
    to_secret,
    to_service,
    to_tenant,
    to_text,
    to_texts,
    to_tls_option,
    to_token,
    to_url,
)
from mailnode.errors import DkimError, ErrorCode
from mailnode.printable import MOST_SHOWN

TOKENS = ("accessToken", "refreshToken", "expiryDate")

Checks = Mapping[str, Callable[[Any], Any]]


def check_fields(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the fields of a connection of this type, and normalize them as they are stored.

    A field that is null counts as not given.

    Raises:
        ConnectionsError: the type or a field is unknown, or a field is missing, invalid, or excludes another; `key`
            names it, `others` are all else that is wrong, and no message contains a secret.
    """
    if kind not in TYPE_FIELDS:
        raise bad(f"there is no connection type {shown(kind)}", "type", f"use one of {', '.join(TYPE_FIELDS)}")
    wrong = Collected()
    fields = check_keys(given, {**TYPE_FIELDS[kind].checks, **COMMON}, TYPE_FIELDS[kind].required, wrong)
    is_place_known = not wrong.keys & {"service", "hosts"}
    if is_place_known and ("service" in fields) == ("hosts" in fields):
        which = "both service and hosts are given" if "hosts" in fields else "neither service nor hosts is given"
        hint = "give service, or hosts for a server that is not a listed service"
        code = None if "hosts" in fields else ErrorCode.MISSING_SETTING
        wrong.errors.append(bad(which, "service", hint, code))
        is_place_known = False
    if is_place_known and "service" in fields:
        with wrong.collecting():
            find_service(fields["service"]).port_for(fields.get("tlsOption"))
    if kind == "oauth2" and not wrong.keys & {"clientId", "clientSecret", *TOKENS}:
        with wrong.collecting():
            _check_tokens(fields)
    if kind != "basic" and is_place_known and not wrong.keys & {"accessUrl", "tenantId"}:
        with wrong.collecting():
            check_endpoint(kind, fields)
    wrong.raise_all()
    return fields


def check_keys(given: Mapping[str, Any], checks: Checks, required: tuple[str, ...], wrong: Collected) -> dict[str, Any]:
    """Give the fields that are as they should be; all that is wrong with the others is collected."""
    fields: dict[str, Any] = {}
    for key, value in given.items():
        if key not in checks:
            near = difflib.get_close_matches(str(key)[:MOST_SHOWN], checks, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(checks)}"
            wrong.errors.append(
                bad(f"there is no field {shown(key)}", str(key)[:MOST_SHOWN], hint, ErrorCode.UNKNOWN_KEY)
            )
        elif value is not None:
            with wrong.collecting(key):
                fields[key] = checks[key](value)
    missing = [key for key in required if key not in fields and key not in wrong.keys]
    hint = f"give {' and '.join(required)}"
    wrong.errors += [bad(f"{key} is missing", key, hint, ErrorCode.MISSING_SETTING) for key in missing]
    return fields


def _check_tokens(fields: Mapping[str, Any]) -> None:
    """Check that a token is given, or can be requested."""
    for key, wanted in (("refreshToken", "clientId"), ("clientSecret", "clientId"), ("expiryDate", "accessToken")):
        if key in fields and wanted not in fields:
            raise bad(f"{key} requires {wanted}", wanted, f"give {wanted} too", ErrorCode.MISSING_SETTING)
    if "accessToken" not in fields and "clientId" not in fields:
        raise bad(
            "there is neither a token nor a clientId to get one with",
            "refreshToken",
            "give refreshToken with clientId and clientSecret, or accessToken; or give clientId and clientSecret, and"
            " authorize the connection",
            ErrorCode.MISSING_SETTING,
        )


def _dkim(value: Any) -> dict[str, Any]:
    from mailnode.message.dkim import DkimSigner

    # The value is not shown: somebody may have put the key itself here.
    if not isinstance(value, Mapping):
        raise bad("dkim must be an object", hint="give {domain, selector, privateKey}, and optionally skipFields")
    wrong = Collected()
    dkim = check_keys(value, DKIM, ("domain", "selector", "privateKey"), wrong)
    wrong.raise_all()
    try:
        DkimSigner(dkim["domain"], dkim["selector"], dkim["privateKey"], skip_fields=dkim.get("skipFields", ()))
    except DkimError as error:
        raise bad(error.message, error.key or "privateKey", error.hint, error.code) from None
    return dkim


DKIM: Checks = {"domain": to_text, "selector": to_text, "privateKey": to_secret, "skipFields": to_texts}
# The fields that every type has.
COMMON: Checks = {
    "service": to_service,
    "hosts": to_hosts,
    "from": to_mailbox,
    "tlsOption": to_tls_option,
    "allowPlaintextAuth": to_flag,
    "proxy": to_proxy,
    "rateLimit": to_rate_limit,
    "allowedRecipients": to_recipients,
    "redirectAllTo": to_addr_spec,
    "dkim": _dkim,
}


@dataclass(frozen=True, slots=True)
class TypeFields:
    """The fields of a connection type beside those that all types have: their checks, and which are required.

    A secret of `credentials` belongs to the server that it was made for.
    """

    checks: Checks
    required: tuple[str, ...]
    credentials: tuple[str, ...]


TYPE_FIELDS: Mapping[str, TypeFields] = {
    "basic": TypeFields({"username": to_text, "password": to_secret}, ("username", "password"), ("password",)),
    "oauth2": TypeFields(
        {
            "user": to_text,
            "clientId": to_text,
            "clientSecret": to_secret,
            "accessToken": to_token,
            "refreshToken": to_token,
            "expiryDate": to_expiry,
            "accessUrl": to_url,
            "authorizeUrl": to_url,
            "deviceUrl": to_url,
            "scope": to_text,
            "tenantId": to_tenant,
        },
        ("user",),
        ("clientSecret", "refreshToken", "accessToken"),
    ),
    "oauth2ClientCredentials": TypeFields(
        {
            "user": to_text,
            "clientId": to_text,
            "clientSecret": to_secret,
            "accessUrl": to_url,
            "scope": to_text,
            "tenantId": to_tenant,
        },
        ("user", "clientId", "clientSecret"),
        ("clientSecret",),
    ),
    "oauth2ServiceAccount": TypeFields(
        {
            "user": to_text,
            "serviceClient": to_text,
            "privateKey": to_rsa_key,
            "scope": to_text,
            "accessUrl": to_url,
        },
        ("user", "serviceClient", "privateKey"),
        ("privateKey",),
    ),
}

# The fields that are kept encrypted; a path with a dot leads into an object.
SECRET_PATHS = ("password", "clientSecret", "privateKey", "proxy", "dkim.privateKey")


def split_secrets(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Split fields into public ones, and the secrets by their path."""
    public = deepcopy(dict(fields))
    secrets = {}
    for path in SECRET_PATHS:
        holder, key = _containing(public, path)
        if key in holder:
            secrets[path] = holder.pop(key)
    return public, secrets


def join_secrets(public: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """Merge public fields and secrets again."""
    fields = deepcopy(dict(public))
    for path, secret in secrets.items():
        holder, key = _containing(fields, path)
        holder[key] = secret
    return fields


def _containing(fields: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    *outer, key = path.split(".")
    for name in outer:
        fields = fields.get(name, {})
    return fields, key
