"""Which fields of a connection are secrets, and how they are kept apart from what may be shown."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

# A path leads into an object within the fields.
PATHS = ("password", "clientSecret", "privateKey", "proxy", "dkim.privateKey")


def split(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Part fields into those that may be shown, and the secrets by their path."""
    public = deepcopy(dict(fields))
    secrets = {}
    for path in PATHS:
        holder, key = _holder(public, path)
        if key in holder:
            secrets[path] = holder.pop(key)
    return public, secrets


def join(public: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """Put the secrets back into their places."""
    fields = deepcopy(dict(public))
    for path, secret in secrets.items():
        holder, key = _holder(fields, path)
        holder[key] = secret
    return fields


def _holder(fields: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    *outer, key = path.split(".")
    for name in outer:
        fields = fields.get(name, {})
    return fields, key
