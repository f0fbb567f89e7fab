"""An email made ready under a connection: its recipients allowed or redirected, its message composed and signed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from mailnode.connections.connection import Connection, DkimSettings
from mailnode.delivery.delivery import Field
from mailnode.delivery.policy import ORIGINAL_RECIPIENTS, Policy, redirection_warning
from mailnode.message.compose import Message, compose
from mailnode.message.dkim import DkimSigner
from mailnode.message.email import Email
from mailnode.message.envelope import Envelope
from mailnode.message.mailbox import mailboxes


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that may go out; `fields` says in which header field each forward-path stands."""

    message: Message
    fields: Mapping[str, Field]
    warnings: tuple[str, ...] = ()


def prepare(email: Email, connection: Connection | None, redirect_all_to: str | None = None) -> Mail:
    """Compose an email for sending with a connection.

    `redirect_all_to`, or the connection's own, is the test mode: that mailbox alone gets the mail, and the true
    recipients stand in a header field.

    Raises:
        ConnectionsError: the connection may not send to one of the recipients.
        ComposeError: the email makes no message, or the connection's key can't sign it.
    """
    fields = fields_of(email)
    policy = Policy(connection, redirect_all_to)
    target = policy.target
    signer = _signer(connection.dkim) if connection and connection.dkim else None
    if target is None:
        policy.check(fields)
        message = compose(email, signer=signer)
        return Mail(message, fields, message.warnings)
    own = {name: value for name, value in email.headers.items() if name.lower() != ORIGINAL_RECIPIENTS.lower()}
    email = replace(email, headers={**own, ORIGINAL_RECIPIENTS: ", ".join(fields)})
    message = compose(email, signer=signer)
    redirected = replace(message, envelope=Envelope(message.envelope.reverse_path, (target,)))
    return Mail(redirected, {target: "to"}, (*message.warnings, redirection_warning(target)))


def sender_of(connection: Connection | None) -> str | None:
    """Give the sender where nobody names another: the connection's `from`, or its username if that is an address."""
    if connection is None:
        return None
    username = connection.login.username
    return connection.from_ or (username if "@" in username else None)


def fields_of(email: Email) -> dict[str, Field]:
    """Give each recipient's addr-spec and the first field that names it, in the order of the envelope."""
    named: dict[str, Field] = {}
    for field in ("to", "cc", "bcc"):
        for mailbox in mailboxes(getattr(email, field)):
            named.setdefault(mailbox.addr_spec, field)
    return named


@lru_cache(maxsize=64)
def _signer(dkim: DkimSettings) -> DkimSigner:
    return DkimSigner(dkim.domain, dkim.selector, dkim.private_key, skip_fields=dkim.skip_fields)
