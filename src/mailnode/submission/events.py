"""What a session is to do between a client's commands, and how much a client may do."""

from dataclasses import dataclass, field
from typing import NamedTuple

from mailnode.submission.gate import Submitted
from mailnode.submission.login import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolLimits:
    """How much a client may do; errors, and commands that do nothing, count between two messages."""

    message_bytes: int = 50 * 2**20
    recipients: int = 1000
    errors: int = 20
    idle_commands: int = 100
    failed_logins: int = 5


class CheckSender(NamedTuple):
    """Ask whether the app may send from this reverse-path."""

    path: str


class CheckRecipient(NamedTuple):
    """Ask whether the app may send to this forward-path."""

    path: str


@dataclass(frozen=True, slots=True)
class StartTls:
    """Write what is due, which is the last clear text, and begin with TLS."""


@dataclass(frozen=True, slots=True)
class Close:
    """Write what is due, and close."""


# Credentials and Submitted are to be given to the gate.
Event = Credentials | CheckSender | CheckRecipient | Submitted | StartTls | Close


@dataclass(slots=True)
class Transaction:
    """What a client has said of the message that it is about to send."""

    reverse_path: str
    smtputf8: bool
    forward_paths: dict[str, None] = field(default_factory=dict)
