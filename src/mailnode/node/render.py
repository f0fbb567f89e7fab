"""Renders settings and the flow's state to an Email."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from mailnode.collected import Collected
from mailnode.errors import ErrorCode, MailnodeError, SettingsError
from mailnode.message.email import Email
from mailnode.message.invitation import Invitation
from mailnode.message.mailbox import Address, Mailbox
from mailnode.node.address_guard import AddressGuard
from mailnode.node.attachment import FilledAttachment, resolve_all
from mailnode.node.attachment_settings import AttachmentSettings
from mailnode.node.data_images import AttachedImages, attach_data_images
from mailnode.node.expression import Evaluator
from mailnode.node.html import RenderedHtml, in_thread_if_long, render_content
from mailnode.node.invitation import invitation_of
from mailnode.node.layout import Layout, find_layout
from mailnode.node.recipients import AddressTemplate, render_addresses, render_mailbox
from mailnode.node.repeated_attachment import fill_for_each
from mailnode.node.settings import SendSmtpEmailSettings
from mailnode.node.spool import MEGABYTE
from mailnode.node.template import Expression, Template

# Base64 with its line ends takes 1.37 characters a byte; a data URL may be percent-encoded.
_CHARACTERS_PER_BYTE = 3
_MAY_HOLD_CONTROLS = frozenset({"content", "url"})
_LINE_ENDS = str.maketrans("\r\n", "  ")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The email that settings make of a state; `key` is their idempotency key, if they have one.

    `text` is the plain text of its HTML, where that is known, and `skeleton` has the same links and images.
    """

    email: Email
    warnings: tuple[str, ...]
    key: str | None
    text: str | None
    skeleton: str | None


class Renderer:
    """Renders one node's settings for one state."""

    def __init__(
        self,
        settings: SendSmtpEmailSettings,
        evaluator: Evaluator,
        guard: AddressGuard,
        folder: Path | None = None,
    ) -> None:
        """Fetch URLs only from where `guard` allows, and layouts and files from the flow's `folder`."""
        self._settings = settings
        self._evaluator = evaluator
        self._guard = guard
        self._folder = folder
        self._wrong = Collected()

    async def render(self, sender: str | None, own_name: str = "") -> Rendered:
        """Fill in every expression and fetch every attachment; `sender` stands in where settings name no `from`.

        `own_name` is of the run and the node, for an invitation whose settings have no uid.

        Raises:
            MailnodeError: a setting has no value that could stand in a mail; `key` says which, and its `others` are
                those of all settings.
        """
        settings = self._settings
        html = await self._html()
        filled = await self._attachments()
        from_ = await self._from(sender)
        email = Email(
            from_=from_,
            to=await self._addresses("to", settings.to, required=True),
            cc=await self._addresses("cc", settings.cc),
            bcc=await self._addresses("bcc", settings.bcc),
            reply_to=await self._addresses("replyTo", settings.reply_to),
            subject=await self._line("subject", settings.subject),
            text=None if settings.text_content is None else await self._text("textContent", settings.text_content),
            priority=settings.priority,
            envelope_from=await self._envelope_from(),
            in_reply_to=await self._message_ids("inReplyTo", settings.in_reply_to),
            references=await self._message_ids("references", settings.references),
            list_unsubscribe=await self._line("listUnsubscribe", settings.list_unsubscribe),
            auto_submitted=settings.auto_submitted,
            headers={name: await self._line(f"headers.{name}", value) for name, value in settings.headers.items()},
            invitation=await self._or(None, "", self._invitation(own_name, from_)),
        )
        key = None if settings.idempotency_key is None else await self._line("idempotencyKey", settings.idempotency_key)
        self._wrong.raise_all()
        limit = self._max_attachment_bytes
        attached = await resolve_all(filled, limit_each=limit, guard=self._guard, folder=self._folder)
        images = await self._images(html.html)
        files = (*(one.attachment for one in attached), *images.files)
        warnings = (*html.warnings, *(warning for one in attached for warning in one.warnings), *images.warnings)
        email = replace(email, html=images.html or None, attachments=files)
        return Rendered(email, warnings, key, html.text, None if images.files else html.skeleton)

    async def _or(self, otherwise: T, key: str, made: Awaitable[T]) -> T:
        """Await a setting's value; give another one in its place where it has none, and collect the error for later."""
        try:
            return await made
        except MailnodeError as error:
            self._wrong.add(error.locate(key=key))
            if error.code is ErrorCode.EXPRESSION_LIMIT:
                self._wrong.raise_all()  # nobody waits for all that take too long
        return otherwise

    async def _invitation(self, own_name: str, sender: str | Mailbox) -> Invitation | None:
        settings = self._settings.invitation
        if settings is None or not sender:
            return None
        organizer = None
        try:
            if settings.organizer is not None:
                organizer = await render_mailbox(settings.organizer, self._evaluator)
        except MailnodeError as error:
            raise error.locate(key="invitation.organizer") from None
        return await invitation_of(settings, self._text_or_error, organizer, own_name, sender)

    async def _text_or_error(self, key: str, template: Template, *, control_ok: bool = True) -> str:
        try:
            return await self._evaluator.text(template, control_ok=control_ok)
        except MailnodeError as error:
            raise error.locate(key=key) from None

    async def _from(self, sender: str | None) -> str | Mailbox:
        given = self._settings.from_
        return await self._or("", "from", render_mailbox(given, self._evaluator) if given else _sender(sender))

    async def _envelope_from(self) -> str | None:
        given = self._settings.envelope_from
        return None if given is None else await self._line("envelopeFrom", given, required=True)

    async def _addresses(self, key: str, parsed: AddressTemplate, *, required: bool = False) -> tuple[Address, ...]:
        if not parsed.expressions:
            return parsed.addresses
        return await self._or((), key, render_addresses(parsed, self._evaluator, required=required))

    async def _line(self, key: str, template: Template, *, required: bool = False) -> str:
        if template.literal_line is not None:
            return template.literal_line
        return await self._text(key, template, required=required, control_ok=False)

    async def _message_ids(self, key: str, template: Template) -> str:
        if template.literal == "":
            return ""
        # The author may write one a line. A value may be folded as in the header that it comes from, and no more.
        parts = [part.translate(_LINE_ENDS) if isinstance(part, str) else part for part in template.parts]
        return await self._text(key, Template(tuple(parts)))

    async def _text(self, key: str, template: Template, **rules: Any) -> str:
        return await self._or("", key, self._evaluator.text(template, **rules))

    async def _html(self) -> RenderedHtml:
        settings = self._settings
        layout = find_layout(self._folder, settings.layout) if settings.layout else None
        return await self._or(RenderedHtml("", ()), "", self._content(layout))

    async def _content(self, layout: Layout | None) -> RenderedHtml:
        settings = self._settings
        template = layout.around(settings.content) if layout else settings.content
        try:
            return await render_content(template, self._evaluator, inline_styles=settings.inline_styles)
        except MailnodeError as error:
            others, error.others = error.others, ()
            for one in (error, *others):
                one.locate(key="layout" if layout and layout.has_said(one) else "content")
            error.others = others
            raise

    async def _images(self, html: str) -> AttachedImages:
        if self._settings.data_images == "keep":
            return AttachedImages(html)
        return await in_thread_if_long(lambda: attach_data_images(html, limit=self._max_attachment_bytes), len(html))

    @property
    def _max_attachment_bytes(self) -> int:
        """How large an attachment may be."""
        return int(self._settings.max_attachment_mb * MEGABYTE)

    async def _attachments(self) -> list[FilledAttachment]:
        return [
            one
            for index, attachment in enumerate(self._settings.attachments)
            for one in await self._filled(f"attachments[{index}]", attachment)
        ]

    async def _filled(self, key: str, settings: AttachmentSettings) -> list[FilledAttachment]:
        most = _CHARACTERS_PER_BYTE * self._max_attachment_bytes
        templates = {name: value for name, value in settings if isinstance(value, Template) and name != "for_each"}
        items = settings.for_each.single
        if items:
            turns = await self._for_each(key, items, templates, most)
        else:
            turns = [
                {
                    name: await self._text(
                        f"{key}.{name}", template, max_characters=most, control_ok=name in _MAY_HOLD_CONTROLS
                    )
                    for name, template in templates.items()
                }
            ]
        plain = {name: getattr(settings, name, "") for name in ("path", "content_type")}
        return [
            FilledAttachment(settings.type, key=key, turn=f"{number} of {len(turns)}" if items else "", **plain, **turn)
            for number, turn in enumerate(turns, 1)
        ]

    async def _for_each(
        self, key: str, items: Expression, templates: Mapping[str, Template], most: int
    ) -> list[dict[str, str]]:
        rules = {
            name: self._evaluator.rules(max_characters=most, control_ok=name in _MAY_HOLD_CONTROLS)
            for name in templates
        }
        return await self._or([], key, fill_for_each(self._evaluator, items, templates, rules))


async def _sender(sender: str | None) -> str | Mailbox:
    if sender is None:
        raise SettingsError(
            "the email has no sender",
            code=ErrorCode.MISSING_SETTING,
            hint="give the address of the sender, or use a connection that has one",
        )
    return sender
