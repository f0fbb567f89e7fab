"""A mail made ready to be stored and sent: composed, signed, its recipients allowed or redirected, its route known."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from mailnode.connections.connection import Connection, DkimSettings
from mailnode.delivery.delivery import Delivery, Origin, Terms
from mailnode.delivery.policy import ORIGINAL_RECIPIENTS, Policy, redirection_warning
from mailnode.delivery.route import Destination, Route
from mailnode.message.compose import compose, recipients_of
from mailnode.message.dkim import DkimSigner
from mailnode.message.email import Email
from mailnode.message.envelope import Envelope, Message
from mailnode.smtp.outcome import Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedMail:
    """A mail that can be stored as a delivery.

    `route` is where `destination` leads at the moment. `digest` tells one content from another for the same idempotency
    `key`. `subject` is for lists. `place` is where the flow stores the result (JSON), `origin` what a person's retry
    needs to find the flow.
    """

    message: Message
    subject: str = ""
    destination: Destination
    route: Route
    terms: Terms = field(default_factory=Terms)
    key: str | None = None
    digest: str = ""
    run_id: str | None = None
    node_id: str | None = None
    origin: Origin | None = None
    place: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()

    def delivery(self, delivery_id: str, claimed_by: str = "") -> Delivery:
        """Make the delivery that nobody has tried yet."""
        message, server = self.message, self.route.server
        return Delivery(
            id=delivery_id,
            generation=1,
            claimed_by=claimed_by,
            destination=self.destination,
            host=server.host,
            port=server.port,
            route_key=self.route.key,
            reverse_path=message.envelope.reverse_path,
            message_id=message.message_id,
            size=message.size,
            recipients=tuple([Recipient(path, message.fields[path]) for path in message.envelope.forward_paths]),
            terms=self.terms,
            run_id=self.run_id,
            node_id=self.node_id,
            place=self.place,
            warnings=self.warnings,
        )


def prepare(
    email: Email, connection: Connection | None, redirect_all_to: str | None = None, *, html_text: str | None = None
) -> Message:
    """Compose an email for sending with a connection; `html_text` as for `compose`.

    `redirect_all_to`, or the connection's own, is the test mode: that mailbox alone gets the mail, and the true
    recipients stand in a header field; a warning of the message says so.

    Raises:
        ConnectionsError: the connection may not send to one of the recipients.
        ComposeError: the email makes no message, or the connection's key can't sign it.
    """
    policy = Policy(connection, redirect_all_to)
    target = policy.target
    signer = _signer(connection.dkim) if connection and connection.dkim else None
    if target is None:
        message = compose(email, signer=signer, html_text=html_text)
        policy.check(message.fields)
        return message
    own = {name: value for name, value in email.headers.items() if name.lower() != ORIGINAL_RECIPIENTS.lower()}
    email = replace(email, headers={**own, ORIGINAL_RECIPIENTS: ", ".join(recipients_of(email))})
    message = compose(email, signer=signer, html_text=html_text)
    return replace(
        message,
        envelope=Envelope(message.envelope.reverse_path, (target,)),
        fields={target: "to"},
        warnings=(*message.warnings, redirection_warning(target)),
    )


def sender_of(connection: Connection | None) -> str | None:
    """Give the sender where nobody names another: the connection's `from`, or its username if that is an address."""
    if connection is None:
        return None
    username = connection.login.username
    return connection.from_ or (username if "@" in username else None)


@lru_cache(maxsize=64)
def _signer(dkim: DkimSettings) -> DkimSigner:
    return DkimSigner(dkim.domain, dkim.selector, dkim.private_key, skip_fields=dkim.skip_fields)
