"""An email as its author gives it, before it is composed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Literal, Self

from mailnode.errors import AttachmentError, ComposeError, ErrorCode, PartError
from mailnode.message.invitation import Invitation
from mailnode.message.mailbox import Addresses, Group, Mailbox
from mailnode.message.tree import checked_cid
from mailnode.printable import quoted

Priority = Literal["high", "normal", "low"]
AutoSubmitted = Literal["auto-generated", "auto-replied", "no"]

_TEXTS = ("subject", "text", "html", "envelope_from", "in_reply_to", "message_id")
_TEXT_TYPES = frozenset({str, type(None)})  # nearly always these; a subclass of str is looked at one by one
_ADDRESSES = ("to", "cc", "bcc", "reply_to")


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A file to go with the mail.

    `content` is bytes, text (sent as UTF-8), or a seekable binary file, which is read from its beginning each time the
    message is sent and must stay open until then. `content_type` (RFC 2045, such as `application/pdf`) left out follows
    the file name. With a `cid`, without angle brackets, the HTML can show the file as `cid:...` (RFC 2392).
    """

    content: bytes | str | BinaryIO = field(repr=False)
    filename: str = ""
    content_type: str = ""
    cid: str = ""

    @classmethod
    def from_path(
        cls,
        path: str | PathLike[str],
        *,
        filename: str | None = None,
        content_type: str | None = None,
        cid: str | None = None,
        inline: bool = False,
    ) -> Self:
        """Read a file from the disk, at once and as a whole; `filename` left out is its name there.

        An `inline` one is for the HTML, as `<img src="cid:logo.png">`: its `cid`, left out, is the file name. To have a
        large file read piece by piece while it is sent, give it opened as `content` instead.

        Raises:
            AttachmentError: there is no such file, or it can't be read.
            PartError: it is inline, and its name can't be a `cid`.
        """
        name = Path(path).name if filename is None else filename
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise AttachmentError(
                f"{quoted(str(path))} can't be attached: {error.strerror}",
                code=ErrorCode.BAD_SETTING,
                hint="give the path of a file that this program may read",
            ) from None
        if inline and not cid:
            try:
                cid = checked_cid(name)
            except PartError as error:
                words = f"{quoted(name)} can't be shown in the HTML by its name"
                raise PartError(words, code=error.code, hint='give it a cid, such as cid="logo"') from None
        return cls(content=content, filename=name, content_type=content_type or "", cid=cid or "")


@dataclass(frozen=True, kw_only=True, slots=True)
class RawPart:
    """A ready-made body part, header fields and all; it is parsed and checked before it is trusted."""

    content: bytes = field(repr=False)
    cid: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Email:
    """An email to be composed and sent.

    Addresses are texts as in a mail program, lists of such texts, or mailboxes. `text` left out is made from `html`.
    `envelope_from` is where bounces go: an address, `<>` for nowhere, None for the address of `from_`. `in_reply_to`
    and `references` are Message-IDs, `list_unsubscribe` https and mailto URLs. `auto_submitted` left out says that the
    mail is automatic (RFC 3834), a reply where it has `in_reply_to`. `message_id`, `date` and
    `boundary_seed` left out are new each time the email is composed; given, the bytes are the same every time. An
    `invitation` goes with it as a calendar reads it, and once more as the file invite.ics.

    Raises:
        ComposeError: a value is of a wrong type.
    """

    from_: str | Mailbox
    to: Addresses = ()
    cc: Addresses = ()
    bcc: Addresses = ()
    reply_to: Addresses = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: Sequence[Attachment | RawPart] = ()
    priority: Priority = "normal"
    envelope_from: str | None = None
    in_reply_to: str = ""
    references: str | Sequence[str] = ""
    list_unsubscribe: str | Sequence[str] = ""
    headers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    message_id: str = ""
    date: datetime | None = None
    boundary_seed: str | None = None
    auto_submitted: AutoSubmitted | None = None
    invitation: Invitation | None = None

    def __post_init__(self) -> None:
        """Refuse a value of a wrong type where it is given: composing would fail on it in words of Python."""
        texts = (self.subject, self.text, self.html, self.envelope_from, self.in_reply_to, self.message_id)
        if not _TEXT_TYPES.issuperset(map(type, texts)):
            _check_texts(texts)
        if self.from_ and not isinstance(self.from_, (str, Mailbox)):
            raise _wrong_type("from", self.from_, "one address", 'write it like "jane@example.org"')
        for index, given in enumerate((self.to, self.cc, self.bcc, self.reply_to)):
            if given and not isinstance(given, str):
                _check_addresses(_ADDRESSES[index], given)
        if not isinstance(self.headers, (dict, Mapping)):
            raise _wrong_type("headers", self.headers, "a mapping", 'give headers={"X-Name": "value"}')
        if not isinstance(self.attachments, (tuple, list, Iterable)):
            raise _wrong_type("attachments", self.attachments, "a list", "give attachments=[Attachment(...)]")
        if self.invitation is not None and not isinstance(self.invitation, Invitation):
            raise _wrong_type("invitation", self.invitation, "an Invitation", "give Invitation(uid=..., ...)")


def _check_texts(texts: Sequence[object]) -> None:
    for name, value in zip(_TEXTS, texts, strict=True):
        if value is not None and not isinstance(value, str):
            raise _wrong_type(name, value, "text", f'give a text: {name}="..."')


def _check_addresses(name: str, given: object) -> None:
    if isinstance(given, (str, Mailbox, Group)):
        return
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise _wrong_type(name, given, "an address", 'write it like "jane@example.org", or give a list of such texts')
    if isinstance(given, (list, tuple)):
        for index, one in enumerate(given):
            _check_addresses(f"{name}[{index}]", one)


def _wrong_type(name: str, value: object, what: str, hint: str) -> ComposeError:
    first, *others = name.split("_")
    key = first + "".join(other.capitalize() for other in others)
    return ComposeError(f"{what} is required, not {quoted(value)}", hint=hint).locate(key=key)
