"""The Send SMTP Email node: makes an email of its settings and the flow's state, and sends it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from mailnode.connections.connection import Connection
from mailnode.delivery.delivery import Origin, Terms
from mailnode.delivery.dispatcher import Dispatcher, WaitResult
from mailnode.delivery.prepare import Numbered, PreparedMail, prepare_numbered, sender_of
from mailnode.delivery.route import Destination, OtherServer, Route, Router
from mailnode.errors import ConnectionsError, ErrorCode, MailnodeError, SettingsError, StoreError
from mailnode.message.compose import recipients_of
from mailnode.message.email import Attachment, Email, RawPart
from mailnode.message.envelope import Message
from mailnode.message.mailbox import parse_mailbox
from mailnode.node.address_guard import AddressGuard
from mailnode.node.digest import SEND_SMTP_EMAIL, content_digest, email_digest
from mailnode.node.expression import Evaluator
from mailnode.node.html import in_thread_if_long
from mailnode.node.layout import find_layout
from mailnode.node.lint import advise
from mailnode.node.node_api import NodeCall, NodeReturn, check_path
from mailnode.node.node_return import return_of, return_of_error
from mailnode.node.render import Rendered, Renderer
from mailnode.node.setting_types import OTHER
from mailnode.node.settings import SendSmtpEmailSettings
from mailnode.node.settings_reader import read_settings, settings_errors
from mailnode.node.spool import MEGABYTE
from mailnode.store.retry import RETRY_SECONDS, retry_transient


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServices:
    """What all nodes of a process send with.

    `redirect_all_to` is the test mode: the only address that gets mail, whatever the settings say.
    """

    router: Router
    dispatcher: Dispatcher
    guard: AddressGuard
    redirect_all_to: str | None = None


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """Where a node's email is sent, and for how many hours it is tried."""

    destination: Destination
    retry_hours: float


@dataclass(frozen=True, slots=True)
class Composition:
    """What a dry run shows: an email, the message made of it, its route, and warnings for its author."""

    email: Email
    message: Message
    route: Route
    warnings: tuple[str, ...]


class SendSmtpEmailType:
    """`sendSmtpEmail`."""

    def __init__(self, services: MailServices) -> None:
        """Send with `services`."""
        self._services = services

    def prepare(self, settings: Mapping[str, Any]) -> "SendSmtpEmail":
        """Read the settings; a SettingsError names the first wrong one."""
        read = read_settings(SendSmtpEmailSettings, settings)
        return SendSmtpEmail(read, self._services, content_digest(SEND_SMTP_EMAIL, settings))

    def errors(self, settings: Mapping[str, Any]) -> list[MailnodeError]:
        """Give everything that is wrong with the settings."""
        return settings_errors(SendSmtpEmailSettings, settings)


class SendSmtpEmail:
    """A Send SMTP Email node with its settings read; `content_digest` identifies what it sends, whatever its route."""

    def __init__(self, settings: SendSmtpEmailSettings, services: MailServices, content_digest: str) -> None:
        """Take settings that have been read."""
        self._settings = settings
        self._services = services
        self.content_digest = content_digest

    @property
    def settings(self) -> SendSmtpEmailSettings:
        """The settings."""
        return self._settings

    @property
    def route_settings(self) -> RouteSettings:
        """Where the settings send the email."""
        return RouteSettings(self._destination, self._settings.retry_hours)

    @property
    def is_stored_at_once(self) -> bool:
        """Whether nothing that takes long stands before its delivery is stored, as reading an attachment would."""
        return all(attachment.type not in {"url", "file"} for attachment in self._settings.attachments)

    def check_layout(self, folder: Path) -> None:
        """Read the layout that the settings name, of the flows in `folder`; MailnodeError if it can't be used."""
        if self._settings.layout:
            find_layout(folder, self._settings.layout).around(self._settings.content)

    async def execute(self, call: NodeCall) -> NodeReturn:
        """Make the email and send it: now, waiting up to `timeoutSeconds` for the outcome, or later."""
        try:
            delivered = await self._send(call)
        except MailnodeError as error:
            if isinstance(error, StoreError) and error.transient:
                raise  # no outcome of the mail: nothing was sent, and the same run can be gone on with
            return return_of_error(self._settings, error.locate(node=call.node_id))
        return return_of(self._settings, delivered.result, delivered.later)

    async def try_out(self, call: NodeCall, address: str) -> NodeReturn:
        """Send the mail to one address alone, at once, by the server and login that the settings name.

        Nothing of the flow is touched: no result is stored, and its idempotency key stays free.

        Raises:
            MailnodeError: the address is invalid, or the connection may not send to it.
        """
        mailbox = parse_mailbox(address)
        alone = {"asynchronous": False, "store_result": "none", "result_key": None, "idempotency_key": None}
        settings = self._settings.model_copy(update={**alone, "stop_on_error": False})
        connection = await self._connection(self._destination)
        if connection:
            connection.check_recipients([mailbox.addr_spec])
        services = replace(self._services, redirect_all_to=mailbox.addr_spec)
        # Of no flow: what a test sends is not what the flow would.
        return await SendSmtpEmail(settings, services, self.content_digest).execute(replace(call, file=""))

    async def compose(self, call: NodeCall) -> Composition:
        """Make the email without sending it.

        Raises:
            MailnodeError: the email can't be made; `key` says which setting is to blame.
        """
        email, mail = await self._prepare(call)
        return Composition(email, mail.message, mail.route, mail.warnings)

    async def route(self) -> Route:
        """Find the server that the settings name, with the login of their connection; raises as `compose` does."""
        return (await self._route(self._destination))[1]

    async def _send(self, call: NodeCall) -> WaitResult:
        self._check_storage(call)
        _, mail = await self._prepare(call)
        if self._settings.asynchronous:
            return WaitResult(await self._services.dispatcher.queue(mail))
        end_run = call.end_run
        return await self._services.dispatcher.deliver(
            mail, (lambda result: end_run(return_of(self._settings, result))) if end_run else None
        )

    async def _prepare(self, call: NodeCall) -> tuple[Email, PreparedMail]:
        settings = self._settings
        destination = self._destination
        connection, route = await self._route(destination)
        evaluator = Evaluator(call.input, call.context, lenient=settings.lenient)
        key = f"{call.run_id}/{call.node_id}"
        renderer = Renderer(settings, evaluator, self._services.guard, call.folder)
        rendered = await renderer.render(sender_of(connection), key)
        self._check_count(rendered.email)
        message, invited = await self._compose(rendered, connection)
        self._check_size(message)
        advice = await self._advice(rendered, message, connection)
        mail = PreparedMail(
            message=message,
            subject=rendered.email.subject,
            destination=destination,
            route=route,
            terms=self._terms(call),
            key=rendered.key or key,
            digest=email_digest(rendered.email, has_sender=settings.from_ is not None, has_uid=settings.has_uid),
            run_id=call.run_id,
            node_id=call.node_id,
            origin=Origin(call.file, call.flow, call.node_id, self.content_digest) if call.file else None,
            place={"place": settings.store_result, "key": settings.result_key} if settings.result_key else None,
            warnings=(*route.warnings, *rendered.warnings, *message.warnings, *advice),
            numbered=invited,
        )
        return rendered.email, mail

    async def _compose(self, rendered: Rendered, connection: Connection | None) -> tuple[Message, Numbered | None]:
        email = rendered.email
        make = partial(prepare_numbered, email, connection, self._services.redirect_all_to, html_text=rendered.text)
        return await in_thread_if_long(make, _characters(email))

    async def _advice(self, made: Rendered, message: Message, connection: Connection | None) -> tuple[str, ...]:
        login = connection.login.username if connection else ""
        keeps = self._settings.data_images == "keep"
        look = partial(advise, made.email, message.root, login, keeps_data_images=keeps, skeleton=made.skeleton)
        return await in_thread_if_long(look, _characters(made.email))

    def _terms(self, call: NodeCall) -> Terms:
        settings = self._settings
        given = Terms(
            partial_delivery=settings.partial_delivery,
            on_unknown=settings.on_unknown,
            seconds=settings.timeout_seconds,
            flow=call.flow,
        )
        return given.for_queue(settings.retry_hours) if settings.asynchronous else given

    @cached_property
    def _destination(self) -> Destination:
        settings = self._settings
        connection, service, smtp = settings.connection or "", settings.email_service, settings.smtp
        if service != OTHER:
            return Destination(service, connection)
        assert smtp, "other services have smtp settings"
        server = OtherServer(host=smtp.host, port=smtp.port, tls_option=smtp.tls_option, ca=smtp.ca)
        return Destination(server, connection, smtp.ehlo_name)

    async def _connection(self, destination: Destination) -> Connection | None:
        if not destination.connection:
            return None
        patience = min(RETRY_SECONDS, self._settings.timeout_seconds)
        return await retry_transient(lambda: self._services.router.connection(destination), seconds=patience)

    async def _route(self, destination: Destination) -> tuple[Connection | None, Route]:
        try:
            connection = await self._connection(destination)
        except MailnodeError as error:
            raise error.locate(key="connection") from None
        try:
            return connection, self._services.router.route_of(destination, connection)
        except ConnectionsError as error:
            raise error.locate(key="connection") from None
        except SettingsError as error:
            raise error.locate(key="smtp") from None

    def _check_storage(self, call: NodeCall) -> None:
        """An email whose result can't be stored must not be sent: nobody would learn of it."""
        place, key = self._settings.store_result, self._settings.result_key
        if place == "none" or key is None:
            return
        try:
            check_path(call.input if place == "input" else call.context, place, key)
        except SettingsError as error:
            raise error.locate(key="resultKey") from None

    def _check_size(self, message: Message) -> None:
        most = self._settings.max_message_mb
        if message.size > most * MEGABYTE:
            raise SettingsError(
                f"the message is {message.size / MEGABYTE:.1f} MB; the limit (maxMessageMB) is {most:g} MB",
                code=ErrorCode.MESSAGE_TOO_LARGE,
                hint="send a link instead of the largest attachment, or raise maxMessageMB",
            ).locate(key="maxMessageMB")

    def _check_count(self, email: Email) -> None:
        count, most = len(recipients_of(email)), self._settings.max_recipients
        if count > most:
            raise SettingsError(
                f"there are {count} recipients; the limit (maxRecipients) is {most}",
                code=ErrorCode.TOO_MANY_RECIPIENTS,
                hint="send several emails, or raise maxRecipients",
            ).locate(key="maxRecipients")


def _characters(email: Email) -> int:
    """Give how much of an email is read while it is made: a file is not, unless it is a message or a part."""
    texts = (email.html or "", email.text or "")
    parts = (one.content for one in email.attachments if _is_parsed(one))
    return sum(len(one) for one in (*texts, *parts) if isinstance(one, bytes | str))


def _is_parsed(attachment: Attachment | RawPart) -> bool:
    return isinstance(attachment, RawPart) or attachment.content_type.lower().startswith("message/")
