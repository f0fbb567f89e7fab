"""A mail made ready to be stored and sent: composed, signed, its recipients allowed or redirected, its route known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from mailnode.connections.connection import Connection, DkimSettings
from mailnode.delivery.delivery import Delivery, Origin, Terms
from mailnode.delivery.policy import ORIGINAL_RECIPIENTS, Policy, redirection_warning
from mailnode.delivery.route import Destination, Route
from mailnode.message.compose import compose, recipients_of
from mailnode.message.dkim import DkimSigner
from mailnode.message.email import Email
from mailnode.message.envelope import Envelope, Message
from mailnode.message.invitation import Invitation
from mailnode.message.text import html_to_text
from mailnode.smtp.outcome import Recipient


class Numbered(NamedTuple):
    """An invitation whose sequence number is taken when its delivery is stored, and what composes its message then."""

    invitation: Invitation
    compose: Callable[[Invitation], Message]

    @property
    def told(self) -> dict[str, Any]:
        """What a result tells of it."""
        return {"uid": self.invitation.uid, "sequence": self.invitation.sequence}


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedMail:
    """A mail that can be stored as a delivery.

    `route` is where `destination` leads at the moment. `digest` tells one content from another for the same idempotency
    `key`. `subject` is for lists. `place` is where the flow stores the result (JSON), `origin` what a person's retry
    needs to find the flow. `numbered` makes the message of an invitation once more, with the number that `message`
    does not have yet. `app` is the program that handed it in.
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
    numbered: Numbered | None = None
    app: str | None = None

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
            app=self.app,
            warnings=self.warnings,
            invitation=self.numbered and self.numbered.told,
        )


def prepare(
    email: Email, connection: Connection | None, redirect_all_to: str | None = None, *, html_text: str | None = None
) -> Message:
    """Compose an email for sending with a connection; `html_text` as for `compose`.

    `redirect_all_to`, or the connection's own, is the test mode: that mailbox alone gets the mail, and the true
    recipients stand in a header field; a warning of the message says so. An invitation in it is for that mailbox alone,
    with a uid of its own: no calendar can take it for the true one, or write to anybody else.

    Raises:
        ConnectionsError: the connection may not send to one of the recipients.
        ComposeError: the email makes no message, or the connection's key can't sign it.
    """
    policy = Policy(connection, redirect_all_to)
    target = policy.target
    signer = signer_of(connection)
    if target is None:
        message = compose(email, signer=signer, html_text=html_text)
        policy.check(message.fields)
        return message
    if email.invitation:
        email = replace(email, invitation=email.invitation.as_test(target))
    own = {name: value for name, value in email.headers.items() if name.lower() != ORIGINAL_RECIPIENTS.lower()}
    email = replace(email, headers={**own, ORIGINAL_RECIPIENTS: ", ".join(recipients_of(email))})
    message = compose(email, signer=signer, html_text=html_text)
    return replace(
        message,
        envelope=Envelope(message.envelope.reverse_path, (target,)),
        fields={target: "to"},
        warnings=(*message.warnings, redirection_warning(target)),
    )


def prepare_numbered(
    email: Email, connection: Connection | None, redirect_all_to: str | None = None, *, html_text: str | None = None
) -> tuple[Message, Numbered | None]:
    """Give what `prepare` makes, which it raises for, and of an invitation what makes it again with its number."""
    message = prepare(email, connection, redirect_all_to, html_text=html_text)
    if email.invitation is None:
        return message, None
    target = Policy(connection, redirect_all_to).target
    invitation = email.invitation.as_test(target) if target else email.invitation
    same = replace(email, message_id=message.message_id, date=email.date or datetime.now(UTC))
    if email.html is not None and html_text is None:
        html_text = html_to_text(email.html)  # not once more while the database waits
    return message, Numbered(
        invitation,
        lambda counted: prepare(replace(same, invitation=counted), connection, redirect_all_to, html_text=html_text),
    )


def sender_of(connection: Connection | None) -> str | None:
    """Give the sender where nobody names another: the connection's `from`, or its username if that is an address."""
    if connection is None:
        return None
    username = connection.login.username
    return connection.from_ or (username if "@" in username else None)


def signer_of(connection: Connection | None) -> DkimSigner | None:
    """Give what signs the mail of a connection, if it has a key."""
    return _signer(connection.dkim) if connection and connection.dkim else None


@lru_cache(maxsize=64)
def _signer(dkim: DkimSettings) -> DkimSigner:
    return DkimSigner(dkim.domain, dkim.selector, dkim.private_key, skip_fields=dkim.skip_fields)
