"""Email that a program sends without a flow: a delivery all the same, with the result that a node would store."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, TypedDict, Unpack

from mailnode.connections.connection import Connection
from mailnode.connections.service import Service, find_service
from mailnode.delivery.delivery import Terms
from mailnode.delivery.dispatcher import Dispatcher
from mailnode.delivery.policy import Policy, original_recipients_field, redirection_warning
from mailnode.delivery.prepare import Numbered, PreparedMail, prepare_numbered, sender_of, signer_of
from mailnode.delivery.result import Result
from mailnode.delivery.route import Destination, OtherServer, Route, Router
from mailnode.errors import ErrorCode, UsageError
from mailnode.message.email import Email
from mailnode.message.envelope import Envelope, Message
from mailnode.message.parsed import parse, readable
from mailnode.message.ready_made import Sendable, message_of
from mailnode.node.digest import email_digest
from mailnode.smtp.outcome import PartialDelivery
from mailnode.smtp.server import TlsOption

SECONDS, RETRY_HOURS = 60.0, 24.0

# What a program makes anew each time it writes the same message.
_FRESH_FIELD = re.compile(rb"^(?:date|message-id):[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", re.IGNORECASE | re.MULTILINE)
_MOST_BOUNDARIES = 100
_BOUNDARY = re.compile(rb'boundary="?([^"\r\n;]+)', re.IGNORECASE)


class EnqueueOptions(TypedDict, total=False):
    """Where an email that is queued goes, and what is done with it.

    The server is that of `service` or `host` (with `port`, `tls_option` and `ca`, as for SmtpClient); left out it is
    the one that `connection` is for. It is tried for `retry_hours` (24). The others are a node's settings of the same
    names.
    """

    connection: str
    service: str
    host: str
    port: int
    tls_option: TlsOption
    ca: str
    retry_hours: float
    partial_delivery: PartialDelivery
    on_unknown: Literal["resend", "hold"]


class SendOptions(EnqueueOptions, total=False):
    """How a program sends: beside what EnqueueOptions says, whether it waits.

    With `wait`, as usual, the email is tried now, for `timeout_seconds` (60) at most; without, it is queued. `key` is
    the idempotency key.
    """

    key: str
    wait: bool
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class DirectSender:
    """Sends them; `redirect_all_to` is the mailbox that gets all mail of this process."""

    router: Router
    dispatcher: Dispatcher
    redirect_all_to: str | None = None

    async def send(
        self, given: Sendable | bytes, envelope: Envelope | None = None, **options: Unpack[SendOptions]
    ) -> Result:
        """Do what `Mailnode.send` tells."""
        if unknown := options.keys() - SendOptions.__annotations__.keys():
            raise TypeError(f"send() got an unexpected keyword argument {min(unknown)!r}")
        mail = await self.prepare(given, envelope, options)
        if mail.terms.queued:
            return await self.dispatcher.queue(mail)
        return (await self.dispatcher.deliver(mail)).result

    async def prepare(self, given: Sendable | bytes, envelope: Envelope | None, options: SendOptions) -> PreparedMail:
        """Make a mail that can be stored.

        Raises:
            MailnodeError: it can't be made, or no route is found; nothing is stored then.
        """
        target = named_server(options)
        connection = await self.router.connection(
            Destination(target or OtherServer(host=""), options.get("connection", ""))
        )
        return ready_mail(given, envelope, options, connection, self.router.route_of, self.redirect_all_to)


def ready_mail(
    given: Sendable | bytes,
    envelope: Envelope | None,
    options: SendOptions,
    connection: Connection | None,
    route_of: Callable[[Destination, Connection | None], Route],
    redirect_all_to: str | None,
) -> PreparedMail:
    """Make a mail that can be stored, which goes with `connection`; `route_of` finds the route to its server.

    Raises:
        MailnodeError: it can't be made, or no route is found.
    """
    destination = Destination(named_server(options) or _target_of(connection, options), options.get("connection", ""))
    route = route_of(destination, connection)
    digest = _digest(given, envelope) if options.get("key") is not None else ""
    if isinstance(given, Email) and not given.from_:
        given = replace(given, from_=sender_of(connection) or "")
    message, numbered = _message(given, envelope, connection, redirect_all_to)
    return PreparedMail(
        message=message,
        subject=given.subject if isinstance(given, Email) else _subject(message),
        destination=destination,
        route=route,
        terms=_terms(options),
        key=options.get("key"),
        digest=digest,
        warnings=(*route.warnings, *message.warnings),
        numbered=numbered,
    )


def _terms(options: SendOptions) -> Terms:
    given: dict[str, object] = {"seconds": options.get("timeout_seconds", SECONDS)}
    given |= {name: options[name] for name in ("partial_delivery", "on_unknown") if name in options}
    try:
        terms = Terms.from_json(given)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error), hint="see SendOptions for what each option may be") from None
    return terms if options.get("wait", True) else terms.for_queue(options.get("retry_hours", RETRY_HOURS))


def named_server(options: SendOptions) -> Service | OtherServer | None:
    """Give the server that is named, if one is."""
    service, host = options.get("service"), options.get("host")
    if service and host:
        raise UsageError("service and host exclude each other", hint="give only one of them")
    if service:
        return _as_it_is(service, options)
    return _at(host, options) if host else None


def _target_of(connection: Connection | None, options: SendOptions) -> Service | OtherServer:
    """Give the server that a connection is for."""
    if connection and connection.service:
        return _as_it_is(connection.service, options)
    if connection and len(connection.hosts) == 1:
        return _at(connection.hosts[0], options)
    why = f"the connection {connection.name!r} is for more than one host" if connection else "no server is named"
    hint = "give host, and port if it is not 465" if connection else "give a connection, a service or a host"
    raise UsageError(why, hint=hint, code=ErrorCode.MISSING_SETTING)


def _at(host: str, options: SendOptions) -> OtherServer:
    return OtherServer(host=host, port=options.get("port"), tls_option=options.get("tls_option"), ca=options.get("ca"))


def _as_it_is(name: str, options: SendOptions) -> Service:
    """Give a service, whose ports and encryption are known."""
    service = find_service(name)
    given = {"port": options.get("port"), "tls_option": options.get("tls_option"), "ca": options.get("ca")}
    for option in (key for key, value in given.items() if value is not None):
        raise UsageError(
            f"the service {service.name} leaves no choice of {option}", hint=f"leave {option} out, or give host too"
        )
    return service


def _message(
    given: Sendable | bytes, envelope: Envelope | None, connection: Connection | None, redirect_all_to: str | None
) -> tuple[Message, Numbered | None]:
    if isinstance(given, Email) and envelope is None:
        return prepare_numbered(given, connection, redirect_all_to)
    policy = Policy(connection, redirect_all_to)
    message = message_of(given, envelope, signer=signer_of(connection))
    if (target := policy.target) is None:
        policy.check(message.fields)
        return message, None
    # On top, where a signature of the message does not cover it.
    head = original_recipients_field(message.fields)
    redirected = replace(
        message,
        envelope=Envelope(message.envelope.reverse_path, (target,)),
        fields={target: "to"},
        size=len(head) + message.size,
        pieces=(head, *message.pieces),
        warnings=(*message.warnings, redirection_warning(target)),
    )
    return redirected, None


def _subject(message: Message) -> str:
    head = message.octets().partition(b"\r\n\r\n")[0]
    return readable(parse(head, header_only=True).get("Subject", ""))


def _digest(given: Sendable | bytes, envelope: Envelope | None) -> str:
    """Tell one content from another for the same key: without what is made anew each time a program writes it."""
    if isinstance(given, Email):
        return email_digest(given)
    message = message_of(given, envelope)
    head, end, body = message.octets().partition(b"\r\n\r\n")
    content = _FRESH_FIELD.sub(b"", head + b"\r\n") + end + body
    # Each is replaced in all of it: what a text says of thousands stays as it is.
    for number, boundary in enumerate(islice(dict.fromkeys(_BOUNDARY.findall(content)), _MOST_BOUNDARIES)):
        content = content.replace(boundary, b"boundary-%d" % number)
    hashed = hashlib.sha256(repr((message.envelope.reverse_path, sorted(message.fields.items()))).encode())
    hashed.update(content)
    return hashed.hexdigest()
