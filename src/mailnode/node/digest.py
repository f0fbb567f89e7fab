"""Digests that tell one email from another: of a node's settings without its route, and of an email itself."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, BinaryIO

from mailnode.message.email import Email

SEND_SMTP_EMAIL = "sendSmtpEmail"
_BLOCK_BYTES = 2**20
_FIELDS = tuple(field.name for field in fields(Email) if field.name != "attachments")
# The server, the login, and for how long it is tried.
ROUTE_KEYS = frozenset({"emailService", "smtp", "connection", "retryHours"})
# How it is sent and where the result is stored; whatever is in neither set is content.
HANDLING_KEYS = frozenset(
    {
        *("storeResult", "resultKey", "stopOnError", "asynchronous", "timeoutSeconds", "idempotencyKey"),
        *("partialDelivery", "onUnknown", "maxRecipients", "maxAttachmentMB", "maxMessageMB"),
    }
)


def without_route(node_type: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the settings of a node without those that only say by which route its mail goes."""
    if node_type != SEND_SMTP_EMAIL:
        return settings
    return {key: value for key, value in settings.items() if key not in ROUTE_KEYS}


def content_digest(node_type: str, settings: Mapping[str, Any]) -> str:
    """Tell nodes apart by what they say of the mail, as their file has it: in hexadecimal."""
    content = {key: value for key, value in settings.items() if key not in ROUTE_KEYS | HANDLING_KEYS}
    text = json.dumps([node_type, content], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def email_digest(email: Email, *, has_sender: bool = True, has_uid: bool = True) -> str:
    """Give a digest of an email without its Date and Message-ID, in hexadecimal, to compare emails of one key.

    The server has no part in it: an email may be sent by another one. Without `has_sender` its sender is the
    connection's, and without `has_uid` the uid of its invitation is the run's: neither is what its author gave it.
    """
    given = {name: getattr(email, name) for name in _FIELDS}
    if not has_sender:
        given["from_"] = ""
    if email.invitation and not has_uid:
        given["invitation"] = replace(email.invitation, uid="own")
    # Earlier versions did not have these fields: without them, an email that one of them began has the same digest.
    for name in ("auto_submitted", "invitation"):
        if given[name] is None:
            del given[name]
    hashed = hashlib.sha256(json.dumps(given, default=repr).encode())
    for attachment in email.attachments:
        hashed.update(repr(replace(attachment, content=b"")).encode())
        for block in _blocks(attachment.content):
            hashed.update(block)
    return hashed.hexdigest()


def _blocks(content: bytes | str | BinaryIO) -> Iterator[bytes]:
    if isinstance(content, str):
        yield content.encode("utf-8", "surrogatepass")
    elif isinstance(content, bytes):
        yield content
    else:
        content.seek(0)
        yield from iter(lambda: content.read(_BLOCK_BYTES), b"")
