"""The trace that a message leaves (RFC 5321 4.4, 6.3): a field of this server, by which one that goes round is seen."""

import socket
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime

from mailnode.errors import SettingsError
from mailnode.smtp.server import check_ehlo_name

# RFC 5321 6.3 counts the fields of all servers; Postfix and others take as many.
MOST_HOPS = 50


def own_name(ehlo_name: str | None) -> str:
    """Give the name that clients are told: the one of MAILNODE_EHLO_NAME, or that of this machine."""
    with suppress(SettingsError):
        return check_ehlo_name(ehlo_name or socket.gethostname())
    return "localhost"


def received_field(host: str) -> bytes:
    """Give the field that is put above a message: where it was taken and when, and nothing of who handed it in."""
    return f"Received: by {host} (mailnode); {format_datetime(datetime.now(UTC))}\r\n".encode()
