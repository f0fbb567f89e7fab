"""The Send SMTP Email node of a flow builder: compose, send, and tell the truth about it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailnode.app import Mailnode
    from mailnode.errors import MailnodeError
    from mailnode.message.compose import Message, compose
    from mailnode.message.dkim import DkimSigner
    from mailnode.message.email import Attachment, Email, RawPart
    from mailnode.message.envelope import Envelope
    from mailnode.message.mailbox import Mailbox
    from mailnode.smtp.bearer import TokenLogin
    from mailnode.smtp.client import SmtpClient, send
    from mailnode.smtp.outcome import Outcome
    from mailnode.smtp.sasl import Login

# Where each public name stands; it is loaded when it is asked for, since a send must not wait for the whole house.
_PUBLIC = {
    "Attachment": "message.email",
    "DkimSigner": "message.dkim",
    "Email": "message.email",
    "Envelope": "message.envelope",
    "Login": "smtp.sasl",
    "Mailbox": "message.mailbox",
    "Mailnode": "app",
    "MailnodeError": "errors",
    "Message": "message.compose",
    "Outcome": "smtp.outcome",
    "RawPart": "message.email",
    "SmtpClient": "smtp.client",
    "TokenLogin": "smtp.bearer",
    "compose": "message.compose",
    "send": "smtp.client",
}

__all__ = [
    "Attachment",
    "DkimSigner",
    "Email",
    "Envelope",
    "Login",
    "Mailbox",
    "Mailnode",
    "MailnodeError",
    "Message",
    "Outcome",
    "RawPart",
    "SmtpClient",
    "TokenLogin",
    "compose",
    "send",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
