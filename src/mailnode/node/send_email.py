"""The Send SMTP Email node: settings and state become a message, a delivery, a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailnode.connections.book import ConnectionBook
from mailnode.connections.connection import Connection
from mailnode.connections.service import Service, find_service
from mailnode.delivery.courier import Courier, Delivered
from mailnode.delivery.delivery import Draft, Terms
from mailnode.delivery.mail import Mail, fields_of, make_mail, sender_of
from mailnode.delivery.route import OtherServer, Route, route
from mailnode.errors import ConnectionsError, ErrorCode, MailnodeError, SettingsError
from mailnode.message.compose import Message
from mailnode.message.email import Email
from mailnode.node.address_guard import AddressGuard
from mailnode.node.expression import Evaluator
from mailnode.node.render import MEGABYTE, Renderer, digest
from mailnode.node.result import step_of, step_of_error
from mailnode.node.settings import SendSmtpEmailSettings, read_settings
from mailnode.node.step import Call, Step, check_place
from mailnode.smtp.proxy import Proxy


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What every node of a process sends with.

    `redirect_all_to` is the test mode: the only address that gets mail, whatever the settings say.
    """

    book: ConnectionBook
    courier: Courier
    guard: AddressGuard
    ehlo_name: str | None = None
    proxy: Proxy | None = None
    redirect_all_to: str | None = None


@dataclass(frozen=True, slots=True)
class Composition:
    """A mail that is ready to be sent."""

    mail: Mail
    route: Route
    digest: str
    key: str | None
    warnings: tuple[str, ...]


class SendSmtpEmailType:
    """`sendSmtpEmail`."""

    def __init__(self, post: Post) -> None:
        """Send with `post`."""
        self._post = post

    def prepare(self, settings: Mapping[str, Any]) -> "SendSmtpEmail":
        """Read the settings; a SettingsError names the first wrong one."""
        return SendSmtpEmail(read_settings(SendSmtpEmailSettings, settings), self._post)


class SendSmtpEmail:
    """A Send SMTP Email node, ready to be reached."""

    def __init__(self, settings: SendSmtpEmailSettings, post: Post) -> None:
        """Take settings that have been read."""
        self._settings = settings
        self._post = post

    async def execute(self, call: Call) -> Step:
        """Make the mail, send it, and wait for the outcome as long as the settings say."""
        try:
            delivered = await self._send(call)
        except MailnodeError as error:
            return step_of_error(self._settings, error.locate(node=call.node_id))
        return step_of(self._settings, delivered.report, delivered.later)

    async def compose(self, call: Call) -> Composition:
        """Make the mail and send nothing.

        Raises:
            MailnodeError: the mail can't be made; `key` says which setting is to blame.
        """
        settings = self._settings
        connection = await self._connection()
        way = self._route(connection)
        evaluator = Evaluator(call.input, call.context, lenient=settings.lenient)
        rendered = await Renderer(settings, evaluator, self._post.guard).render(sender_of(connection))
        self._check_count(rendered.email)
        mail = make_mail(rendered.email, connection, self._post.redirect_all_to)
        self._check_size(mail.message)
        warnings = (*way.warnings, *rendered.warnings, *mail.warnings)
        return Composition(mail, way, digest(rendered.email, way), rendered.key, warnings)

    async def _send(self, call: Call) -> Delivered:
        self._check_storage(call)
        made = await self.compose(call)
        draft = Draft(
            message=made.mail.message,
            fields=made.mail.fields,
            connection=made.route.connection,
            host=made.route.server.host,
            port=made.route.server.port,
            key=made.key or f"{call.run_id}/{call.node_id}",
            digest=made.digest,
            run_id=call.run_id,
            node_id=call.node_id,
            warnings=made.warnings,
        )
        terms = Terms(
            partial_delivery=self._settings.partial_delivery,
            on_unknown=self._settings.on_unknown,
            seconds=self._settings.timeout_seconds,
            lane=call.flow,
        )
        return await self._post.courier.deliver(draft, made.route, terms)

    async def _connection(self) -> Connection | None:
        name = self._settings.connection
        if name is None:
            return None
        try:
            return await self._post.book.get(name)
        except MailnodeError as error:
            raise error.locate(key="connection") from None

    def _route(self, connection: Connection | None) -> Route:
        try:
            return route(self._target(), connection, ehlo_name=self._ehlo_name(), proxy=self._post.proxy)
        except ConnectionsError as error:
            raise error.locate(key="connection") from None

    def _target(self) -> Service | OtherServer:
        smtp = self._settings.smtp
        if smtp is None:
            return find_service(self._settings.email_service)
        return OtherServer(host=smtp.host, port=smtp.port, tls_option=smtp.tls_option, ca=smtp.ca)

    def _ehlo_name(self) -> str | None:
        smtp = self._settings.smtp
        return (smtp.ehlo_name if smtp else None) or self._post.ehlo_name

    def _check_storage(self, call: Call) -> None:
        """A mail whose result has no place must not be sent: nobody would learn of it."""
        place, key = self._settings.store_result, self._settings.result_key
        if place == "none" or key is None:
            return
        try:
            check_place(call.input if place == "input" else call.context, place, key)
        except SettingsError as error:
            raise error.locate(key="resultKey") from None

    def _check_size(self, message: Message) -> None:
        most = self._settings.max_message_mb
        if message.size > most * MEGABYTE:
            raise SettingsError(
                f"the message has {message.size / MEGABYTE:.1f} MB, more than maxMessageMB {most:g}",
                code=ErrorCode.MESSAGE_TOO_LARGE,
                hint="send a link instead of the largest attachment, or raise maxMessageMB",
            ).locate(key="maxMessageMB")

    def _check_count(self, email: Email) -> None:
        count, most = len(fields_of(email)), self._settings.max_recipients
        if count > most:
            raise SettingsError(
                f"{count} recipients are more than maxRecipients {most}",
                code=ErrorCode.TOO_MANY_RECIPIENTS,
                hint="make it several mails, or raise maxRecipients",
            ).locate(key="maxRecipients")
