"""An email as a caller says it, before it is a message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Literal

from mailnode.message.mailbox import Addresses, Mailbox

Priority = Literal["high", "normal", "low"]
AutoSubmitted = Literal["auto-generated", "auto-replied", "no"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A file to go with the mail.

    `content` is octets, text (then UTF-8), or a seekable binary file, which is read from its beginning each time the
    message is sent and must stay open until then. `content_type` left out follows the file name. A `cid`, without angle
    brackets, puts the file beside the HTML when that refers to it as `cid:...`.
    """

    content: bytes | str | BinaryIO = field(repr=False)
    filename: str = ""
    content_type: str = ""
    cid: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RawPart:
    """A ready-made body part, header fields and all; it is parsed and checked before it is trusted."""

    content: bytes = field(repr=False)
    cid: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Email:
    """What somebody wants to say to whom.

    Addresses are texts as in a mail program, lists of such texts, or mailboxes. `text` left out is made from `html`.
    `envelope_from` is where bounces go: an address, `<>` for nowhere, None for the address of `from_`. `in_reply_to`
    and `references` are Message-IDs, `list_unsubscribe` https and mailto URLs. `auto_submitted` left out says that the
    mail is automatic (RFC 3834), a reply where it has `in_reply_to`. `message_id`, `date` and
    `boundary_seed` left out are made anew by each composing; given, the octets are the same every time.
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
