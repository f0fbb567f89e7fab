"""From an Email to its envelope and its bytes: mixed(alternative(text, related(html, files)), files) (RFC 2046)."""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple, TypeVar, get_args

from mailnode.errors import ComposeError, ErrorCode, MailnodeError
from mailnode.message.addr_spec import a_labels
from mailnode.message.cid_references import CidReferences
from mailnode.message.dkim import DkimSigner
from mailnode.message.email import Attachment, AutoSubmitted, Email, Priority, RawPart
from mailnode.message.envelope import Envelope, Field, Message, blocks_of
from mailnode.message.header import (
    address_field,
    check_own_field_name,
    own_field,
    text_field,
    unsubscribe_fields,
)
from mailnode.message.invitation import calendar_of
from mailnode.message.mailbox import (
    MOST_CACHED_CHARACTERS,
    Address,
    Addresses,
    Mailbox,
    addresses,
    members,
    parse_mailbox,
)
from mailnode.message.message_id import own_message_id, threading
from mailnode.message.part import attachment_part, calendar_part, text_part
from mailnode.message.raw_part import raw_part
from mailnode.message.text import html_to_text
from mailnode.message.tree import BuiltPart, joined, multipart
from mailnode.printable import quoted

T = TypeVar("T")

_PRIORITY: dict[Priority, bytes] = {
    "high": b"X-Priority: 1 (Highest)\r\nX-MSMail-Priority: High\r\nImportance: High\r\n",
    "normal": b"",
    "low": b"X-Priority: 5 (Lowest)\r\nX-MSMail-Priority: Low\r\nImportance: Low\r\n",
}
_AUTO_SUBMITTED: dict[AutoSubmitted, bytes] = {
    word: f"Auto-Submitted: {word}\r\n".encode("ascii") for word in get_args(AutoSubmitted)
}
_EMAIL_HINT = 'give Email(from_="jane@example.org", to="joe@example.com", subject="Hi", text="Hello")'
_ATTACHMENT_HINT = 'give Attachment.from_path("invoice.pdf")'
# Of another media type than the part that is shown, so that no reader shows the invitation twice.
_CALENDAR_FILE = {"filename": "invite.ics", "content_type": "application/ics"}
_SEED = re.compile(r"[A-Za-z0-9]{1,40}")


def compose(email: Email, *, signer: DkimSigner | None = None, html_text: str | None = None) -> Message:
    """Compose an email; with a signer, its DKIM-Signature is the first header field.

    `html_text` is what `html_to_text` would make of its HTML, for who has that already.

    Raises:
        ComposeError: no message can be made of it; MailboxError, HeaderError and PartError name the part that is wrong.
    """
    if not isinstance(email, Email):
        raise ComposeError(f"an Email is required, not {quoted(email)}", hint=_EMAIL_HINT)
    to, cc = _addresses("to", email.to), _addresses("cc", email.cc)
    fields = _fields(to, cc, _addresses("bcc", email.bcc))
    sender = _sender(email.from_)
    if not fields:
        raise ComposeError("the email has no recipient", code=ErrorCode.MISSING_SETTING, hint="add an address to `to`")
    envelope = Envelope(_reverse_path(email, sender), tuple(fields))
    fresh = os.urandom(24).hex()
    message_id = _message_id(email, sender, fresh[:24])
    calendar = _calendar(email, sender, to, cc)
    body = _body(email, _seed(email, fresh[24:]), html_text, calendar)
    thread = threading(email.in_reply_to, email.references)
    head = b"".join(_header(email, sender, to, cc, message_id, thread.fields))
    if not head.isascii() and not envelope.needs_smtputf8:
        raise ComposeError(
            "a header field has a non-ASCII address, but no address of the envelope asks for SMTPUTF8",
            code=ErrorCode.BAD_MAILBOX,
            hint="use an ASCII address in from and replyTo, or use that address in envelopeFrom too",
        ).locate(key="replyTo" if sender.mailbox.is_ascii else "from")
    head += b"MIME-Version: 1.0\r\n" + body.head
    if signer:
        head = signer.sign(head, blocks_of(body.body)) + head
    pieces = tuple(joined((head, b"\r\n", *body.body)))
    size = sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in pieces)
    warnings = (*thread.warnings, *body.warnings)
    return Message(envelope, fields, message_id, size, pieces, body.view, warnings, calendar)


def recipients_of(email: Email) -> dict[str, Field]:
    """Give each recipient's addr-spec and the first header field that names it, in the order of the envelope."""
    return _fields(addresses(email.to), addresses(email.cc), addresses(email.bcc))


class _Sender(NamedTuple):
    """What From makes of a mail: the reverse-path, the domain of its Message-ID in A-labels, the field."""

    mailbox: Mailbox
    addr_spec: str
    domain: str
    field: bytes


def _sender(given: str | Mailbox) -> _Sender:
    if not given or (isinstance(given, str) and not given.strip()):
        raise ComposeError(
            "the email has no sender", code=ErrorCode.MISSING_SETTING, hint="give the address of the sender"
        ).locate(key="from")
    text = given.display_name if isinstance(given, Mailbox) else given
    return (_cached_sender if len(text) <= MOST_CACHED_CHARACTERS else _read_sender)(given)


def _read_sender(given: str | Mailbox) -> _Sender:
    mailbox = given if isinstance(given, Mailbox) else _located("from", parse_mailbox, given)
    return _Sender(mailbox, mailbox.addr_spec, a_labels(mailbox.domain), address_field("From", (mailbox,)))


_cached_sender = lru_cache(maxsize=64)(_read_sender)  # a program writes from few addresses


def _fields(to: tuple[Address, ...], cc: tuple[Address, ...], bcc: tuple[Address, ...]) -> dict[str, Field]:
    # The domain is lower case already; before the @ case counts (RFC 5321 2.4).
    fields: dict[str, Field] = {mailbox.addr_spec: "to" for mailbox in members(to)}
    for mailbox in members(cc) if cc else ():
        fields.setdefault(mailbox.addr_spec, "cc")
    for mailbox in members(bcc) if bcc else ():
        fields.setdefault(mailbox.addr_spec, "bcc")
    return fields


def _reverse_path(email: Email, sender: _Sender) -> str | None:
    given = email.envelope_from
    if given is None:
        return sender.addr_spec
    return None if given.strip() == "<>" else _located("envelopeFrom", parse_mailbox, given).addr_spec


def _message_id(email: Email, sender: _Sender, fresh: str) -> str:
    if not email.message_id:
        return f"<{fresh}@{sender.domain}>"
    return _located("messageId", own_message_id, email.message_id)


def _header(
    email: Email, sender: _Sender, to: tuple[Address, ...], cc: tuple[Address, ...], message_id: str, thread: bytes
) -> Iterator[bytes]:
    yield sender.field
    for name, listed in (("To", to), ("Cc", cc), ("Reply-To", _addresses("replyTo", email.reply_to))):
        if listed:
            yield address_field(name, listed)
    yield _located("subject", text_field, "Subject", email.subject)
    yield b"Date: %s\r\nMessage-ID: %s\r\n" % (_date(email.date), message_id.encode())
    yield thread
    yield _priority(email.priority)
    if email.list_unsubscribe:
        yield _located("listUnsubscribe", unsubscribe_fields, email.list_unsubscribe)
    yield _auto_submitted(email)
    for name, values in email.headers.items():
        _located("headers", check_own_field_name, name)
        for value in (values,) if isinstance(values, str) else values:
            yield _located(f"headers.{name}", own_field, name, value)


def _auto_submitted(email: Email) -> bytes:
    # RFC 3834 5: nobody's holiday notice should answer a machine.
    value = email.auto_submitted or ("auto-replied" if email.in_reply_to.strip() else "auto-generated")
    if value not in _AUTO_SUBMITTED:
        hint = f"use {', '.join(_AUTO_SUBMITTED)}"
        raise ComposeError(f"{quoted(value)} is not a value of Auto-Submitted", hint=hint).locate(key="autoSubmitted")
    return _AUTO_SUBMITTED[value]


def _priority(priority: Priority) -> bytes:
    if priority not in _PRIORITY:
        raise ComposeError(f"{quoted(priority)} is not a priority", hint="use high, normal or low").locate(
            key="priority"
        )
    return _PRIORITY[priority]


def _date(date: datetime | None) -> bytes:
    if date is None:
        return _date_of(int(time.time()))
    try:
        # An offset has no seconds (RFC 5322 3.3), as that of a naive date of long ago may have.
        zoned = date if date.tzinfo else date.astimezone()
        return format_datetime(zoned if zoned.strftime("%z")[5:] == "" else zoned.astimezone(UTC)).encode("ascii")
    except (ValueError, OverflowError, OSError):
        raise ComposeError("the date is out of range", hint="leave it out, or use a date of this century") from None


@lru_cache(maxsize=1)
def _date_of(second: int) -> bytes:
    return format_datetime(datetime.fromtimestamp(second, UTC)).encode("ascii")


def _seed(email: Email, fresh: str) -> str:
    if email.boundary_seed is None:
        return fresh
    if not _SEED.fullmatch(email.boundary_seed):
        raise ComposeError("a boundary seed has at most 40 letters and digits", hint="leave it out")
    return email.boundary_seed


def _calendar(email: Email, sender: _Sender, to: tuple[Address, ...], cc: tuple[Address, ...]) -> bytes:
    if email.invitation is None:
        return b""
    date = email.date or datetime.now(UTC)
    stamp = date if date.tzinfo else date.astimezone()
    return calendar_of(email.invitation, sender.mailbox, tuple(members(to)), tuple(members(cc)), stamp)


def _body(email: Email, seed: str, html_text: str | None, calendar: bytes) -> BuiltPart:
    inline: list[BuiltPart] = []
    files: list[BuiltPart] = []
    shown = CidReferences((email.attachments and email.html) or "")
    for index, attachment in enumerate(email.attachments):
        built = _file(f"attachments[{index}]", attachment, shown)
        (inline if built.view.cid in shown else files).append(built)
    # No encoding of ours makes `=_`, and a plain text that holds it is encoded; ready-made parts alone may hold it.
    while any(f"=_{seed}_".encode() in piece for built in (*inline, *files) for piece in built.in_memory()):
        seed += "x"
    texts = _texts(email, inline, seed, html_text)
    if email.invitation:
        texts = [*(texts or [text_part("plain", "")]), calendar_part(calendar, email.invitation.method)]
        files.append(attachment_part(Attachment(content=calendar, **_CALENDAR_FILE), inline=False))
    parts = multipart("alternative", f"=_{seed}_2", texts) if len(texts) > 1 else texts[0] if texts else None
    if not files:
        return parts or text_part("plain", "")
    if parts is None and len(files) == 1 and not _repeats(email.headers, files[0].head):
        return files[0]
    return multipart("mixed", f"=_{seed}_1", [parts, *files] if parts else files)


def _texts(email: Email, inline: Sequence[BuiltPart], seed: str, html_text: str | None) -> list[BuiltPart]:
    """Give the text and the HTML, of which a reader shows the last one that it can."""
    if email.html is None:
        return [] if email.text is None else [_located("text", text_part, "plain", email.text)]
    html = _located("html", text_part, "html", email.html)
    if inline:
        html = multipart("related", f"=_{seed}_3", [html, *inline])
    text = email.text
    if text is None:
        text = html_to_text(email.html) if html_text is None else html_text
    return [_located("text", text_part, "plain", text), html]


def _file(key: str, attachment: Attachment | RawPart, shown: CidReferences) -> BuiltPart:
    try:
        if isinstance(attachment, Attachment):
            built = attachment_part(attachment, inline=attachment.cid in shown)
        elif not isinstance(attachment, RawPart):
            raise ComposeError(f"an Attachment is required, not {quoted(attachment)}", hint=_ATTACHMENT_HINT)
        else:
            built = raw_part(attachment.content, attachment.cid)
    except MailnodeError as error:
        raise error.locate(key=key) from None
    return built._replace(warnings=tuple([f"{key}: {warning}" for warning in built.warnings]))


def _repeats(names: Iterable[str], head: bytes) -> bool:
    """Whether a part has a field that the mail has too, as Content-Language may be."""
    return any(re.search(rf"(?im)^{re.escape(name)}:".encode(), head) for name in names)


def _addresses(key: str, given: Addresses) -> tuple[Address, ...]:
    return _located(key, addresses, given) if given else ()


def _located(key: str, make: Callable[..., T], *arguments: object) -> T:
    """Call, and add the key of the email's field to an error."""
    try:
        return make(*arguments)
    except MailnodeError as error:
        raise error.locate(key=key) from None
