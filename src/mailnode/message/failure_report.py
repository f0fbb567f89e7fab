"""Reports of email that could not be sent, for people and for programs (RFC 3464 in RFC 6522)."""

import os
import re
from binascii import b2a_qp
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Literal

from mailnode.message.dkim import DkimSigner
from mailnode.message.encoding import encode_text
from mailnode.message.envelope import Envelope, Message
from mailnode.message.header import address_field, text_field
from mailnode.message.mailbox import Mailbox, parse_mailbox
from mailnode.printable import one_line, shortened

# What is returned of the header of the email, and said of a server's words.
MOST_RETURNED = 32_000
MOST_WORDS = 500
_NOT_XTEXT = re.compile(r"[^!-*,-<>-\[\]-~]")  # RFC 6533 3


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    """A recipient who did not get it: `words` are the server's if `reply_code` is given, else our own.

    `action` is `delayed` where it may still reach him.
    """

    address: str
    action: Literal["failed", "delayed"]
    status: str
    words: str
    reply_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureReport:
    """What a report tells: `text` for people, all else for programs; `head` is the header of the email."""

    sender: str
    to: str
    subject: str
    text: str
    reporting_host: str
    remote_host: str
    arrived_at: datetime
    reported_at: datetime
    recipients: Sequence[FailedRecipient]
    head: bytes

    def message(self, signer: DkimSigner | None = None) -> Message:
        """Compose it, as a message from the null path, which nobody answers.

        Raises:
            DkimError: it can't be signed.
        """
        sender = parse_mailbox(self.sender)
        message_id = f"<{os.urandom(12).hex()}@{sender.domain}>"
        boundary = b"report-" + os.urandom(12).hex().encode()
        parts = (self._text(), self._status(), self._returned())
        head = self._fields(sender, message_id, boundary)
        body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
        data = (signer.sign(head, (body,)) if signer else b"") + head + b"\r\n" + body
        return Message(Envelope(None, (self.to,)), {self.to: "to"}, message_id, len(data), (data,))

    def _fields(self, sender: Mailbox, message_id: str, boundary: bytes) -> bytes:
        named = Mailbox("Mail Delivery System", sender.local_part, sender.domain)
        return (
            address_field("From", [named])
            + address_field("To", [parse_mailbox(self.to)])
            + text_field("Subject", self.subject)
            + f"Date: {format_datetime(self.reported_at)}\r\nMessage-ID: {message_id}\r\n".encode()
            + b"Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
            + b'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="' + boundary + b'"\r\n'
        )  # fmt: skip

    def _text(self) -> bytes:
        encoding, body = encode_text(self.text)
        head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        return head.encode() + body

    def _status(self) -> bytes:
        groups = [
            f"Reporting-MTA: dns; {self.reporting_host}\r\nArrival-Date: {format_datetime(self.arrived_at)}\r\n",
            *("".join(self._of_recipient(one)) for one in self.recipients),
        ]
        return b"Content-Type: message/delivery-status\r\n\r\n" + "\r\n".join(groups).encode("ascii", "replace")

    def _of_recipient(self, one: FailedRecipient) -> Iterator[str]:
        yield f"Final-Recipient: {_typed(one.address)}\r\nAction: {one.action}\r\nStatus: {one.status}\r\n"
        yield f"Remote-MTA: dns; {self.remote_host}\r\n"
        words = shortened(one_line(one.words), MOST_WORDS)
        said = f"smtp; {one.reply_code} {words}" if one.reply_code else f"X-Mailnode; {words}"
        yield f"Diagnostic-Code: {said}\r\nLast-Attempt-Date: {format_datetime(self.reported_at)}\r\n"

    def _returned(self) -> bytes:
        """Give the header of the email; its content stays where it is."""
        head = self.head
        if len(head) > MOST_RETURNED:
            head = head[: head.rfind(b"\r\n", 0, MOST_RETURNED) + 2]
        encoding = b""
        if not head.isascii() or any(len(line) > MOST_WORDS for line in head.splitlines()):
            encoding, head = b"Content-Transfer-Encoding: quoted-printable\r\n", b2a_qp(head)
        return b"Content-Type: text/rfc822-headers\r\n" + encoding + b"\r\n" + head


def _typed(address: str) -> str:
    """Write an address with its type; one beyond ASCII in the form that any server takes (RFC 6533 3)."""
    if address.isascii():
        return f"rfc822; {address}"
    return "utf-8; " + _NOT_XTEXT.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", address)
