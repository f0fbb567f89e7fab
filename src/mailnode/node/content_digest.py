"""What of a node's settings says which mail it is, and what only how it goes: the same mail may go by another route."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEND_SMTP_EMAIL = "sendSmtpEmail"
# Which server, as whom, and for how long.
ROUTE_KEYS = frozenset({"emailService", "smtp", "connection", "retryHours"})
# How hard it is tried, and who is told; whatever is in neither set is content.
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
    said = {key: value for key, value in settings.items() if key not in ROUTE_KEYS | HANDLING_KEYS}
    text = json.dumps([node_type, said], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
