"""Messages that other programs have made: they go out as they came, but for what no server may see or take.

Line breaks become CRLF, Bcc is left out, and a Date and a Message-ID are added where there are none (RFC 6409 8).
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Union

from mailnode.errors import ComposeError, ErrorCode, MailnodeError
from mailnode.message.compose import compose
from mailnode.message.dkim import DkimSigner
from mailnode.message.email import Email
from mailnode.message.encoding import crlf, longest_line
from mailnode.message.envelope import Envelope, Field, Message
from mailnode.message.mailbox import Mailbox, mailboxes, parse_mailbox
from mailnode.message.raw_part import MAX_LINE
from mailnode.message.seven_bits import SIGNATURES, header_fields, split, with_ascii_header, with_seven_bits
from mailnode.message.standard_message import addresses_in, bytes_of

if TYPE_CHECKING:
    from email.message import Message as StandardMessage

_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_BLIND = frozenset({"bcc", "resent-bcc"})
_OF_RECIPIENTS: tuple[Field, ...] = ("to", "cc", "bcc")
# hashlib lets other threads run for more than this; a message of so many bytes is hashed in less than a millisecond.
_KEEPS_TURN, _SHORT = 2047, 256 * 1024


Sendable = Union[Email, "StandardMessage[Any, Any]", Message]


def message_of(
    given: Sendable | bytes, envelope: Envelope | None = None, *, signer: DkimSigner | None = None
) -> Message:
    """Give the message that is sent for what a program gives: an Email is composed, a Message is sent as it is.

    An EmailMessage of the standard library, or bytes, go out as they came (see `ready_made`).

    Raises:
        ComposeError: no message can be made of it, or `envelope` is given with an Email, which has its own.
    """
    if isinstance(given, Message | Email):
        if envelope is not None:
            raise ComposeError("an Email has its own envelope", hint="leave `envelope` out, or give bytes")
        return given if isinstance(given, Message) else compose(given, signer=signer)
    if isinstance(given, bytes | bytearray | memoryview):
        return ready_made(bytes(given), envelope, signer=signer)
    if not hasattr(given, "get_all"):
        return compose(given, signer=signer)  # type: ignore[arg-type]  # it says what is wrong
    return ready_made(bytes_of(given), envelope, signer=signer)


def ready_made(content: bytes, envelope: Envelope | None = None, *, signer: DkimSigner | None = None) -> Message:
    """Make a message of bytes that another program has written; its body stays as it is.

    Without an envelope the sender is that of Sender, else of From, and the recipients are those of To, Cc and Bcc. With
    a signer a DKIM-Signature is put above all, beside which those that are there still hold; 8-bit parts are encoded
    first, as a later server may do, unless a signature of theirs would break.

    Raises:
        ComposeError: it is no message, or has no recipient; MailboxError: an address can't be one.
        DkimError: it can't be signed.
    """
    return ReadyMade(content).message(envelope, signer=signer)


class ReadyMade:
    """Bytes that another program has written, read as a message.

    Raises:
        ComposeError: they are none.
    """

    def __init__(self, content: bytes) -> None:
        """Read the header; the body stays as it is."""
        head, self._body = split(crlf(content))
        fields = header_fields(head)
        self._values = _Values(fields)
        self._kept = b"".join(field for name, field in fields if name not in _BLIND)

    @property
    def message_id(self) -> str:
        """The Message-ID that it came with, "" for none."""
        return self._values.message_id

    @property
    def hops(self) -> int:
        """How many servers it says to have passed."""
        return len(self._values.all("received"))

    @property
    def subject(self) -> str:
        """The Subject, as a person reads it."""
        from mailnode.message.parsed import readable

        return readable(self._values.first("subject"))

    @property
    def digest(self) -> str:
        """What tells its bytes, without Bcc and what is added, from other ones."""
        hashed = hashlib.sha256()
        for part in (self._kept, b"\r\n", self._body):
            _hash(hashed, part)
        return hashed.hexdigest()

    def authors(self) -> tuple[str, ...]:
        """Give the addresses in all fields From and Sender.

        Raises:
            MailboxError: one of them can't be read for sure; ComposeError: there is no From, or one without an address,
                whose name would be all that a reader sees.
        """
        of_from, of_sender = (
            [mailbox.addr_spec for said in self._values.all(name) for mailbox in mailboxes(said)]
            for name in ("from", "sender")
        )
        if not of_from:
            what = "no address in its From" if "from" in self._values.names else "no From"
            raise ComposeError(
                f"the message has {what}", hint="give it a From with an address", code=ErrorCode.MISSING_SETTING
            )
        return *of_from, *of_sender

    def message(
        self, envelope: Envelope | None = None, *, signer: DkimSigner | None = None, trace: bytes = b""
    ) -> Message:
        """Make the message that is sent of it, below `trace`; as `ready_made` does, which says what it raises."""
        values, kept = self._values, self._kept
        envelope = values.envelope() if envelope is None else _checked(envelope)
        message_id = values.message_id or f"<{os.urandom(12).hex()}@{_domain(envelope, values)}>"
        if "message-id" not in values.names:
            kept += f"Message-ID: {message_id}\r\n".encode()
        if "date" not in values.names:
            kept += f"Date: {formatdate(localtime=False)}\r\n".encode()
        data = kept + b"\r\n" + self._body
        if signer:
            data = _signed(data, signer, is_theirs=not SIGNATURES.isdisjoint(values.names))
        data = trace + data
        warnings = tuple(_warnings(self._body))
        return Message(envelope, values.fields_of(envelope), message_id, len(data), (data,), warnings=warnings)


def _hash(hashed: "hashlib._Hash", data: bytes) -> None:
    """Hash a message; other threads get their turn only where that takes long, as it takes longer to get one's own."""
    pieces = range(0, len(data), _KEEPS_TURN) if len(data) <= _SHORT else (0,)
    size = _KEEPS_TURN if len(data) <= _SHORT else len(data)
    for begin in pieces:
        hashed.update(data[begin : begin + size])


class _Values:
    """What the header says of sender and recipients."""

    def __init__(self, fields: Sequence[tuple[str, bytes]]) -> None:
        self.names = frozenset(name for name, _ in fields)
        self._said: dict[str, list[str]] = {}
        for name, field in fields:
            value = field.partition(b":")[2].decode("utf-8", "replace")
            self._said.setdefault(name, []).append(" ".join(value.split()))

    def all(self, name: str) -> list[str]:
        """Give what all fields of this name say, each on one line."""
        return self._said.get(name, [])

    def first(self, name: str) -> str:
        """Give what the first field of this name says, "" where there is none."""
        return self._said.get(name, [""])[0]

    @property
    def message_id(self) -> str:
        """The Message-ID, "" where there is none."""
        said = self.first("message-id")
        found = _MESSAGE_ID.search(said)
        return found[0] if found else said

    @property
    def sender(self) -> Mailbox | None:
        """The mailbox of Sender or From."""
        for name in ("sender", "from"):
            for address in self._addresses(name):
                return _mailbox(name, address)
        return None

    def envelope(self) -> Envelope:
        """Give the envelope that smtplib would use too."""
        if any(name.startswith("resent-") for name in self.names):
            hint = "say to whom it goes: Envelope(sender, recipients)"
            raise ComposeError("the message was resent, so its header does not tell its recipients", hint=hint)
        if (sender := self.sender) is None:
            raise ComposeError(
                "the message has no sender", code=ErrorCode.MISSING_SETTING, hint="give it a From, or an envelope"
            ).locate(key="from")
        found = (_mailbox(name, address).addr_spec for name in _OF_RECIPIENTS for address in self._addresses(name))
        if not (recipients := tuple(dict.fromkeys(found))):
            raise ComposeError(
                "the message has no recipient", code=ErrorCode.MISSING_SETTING, hint="give it a To, or an envelope"
            ).locate(key="to")
        return Envelope(sender.addr_spec, recipients)

    def fields_of(self, envelope: Envelope) -> Mapping[str, Field]:
        """Say in which field each recipient stands; who stands in none is a blind one."""
        fields: dict[str, Field] = {}
        for name in _OF_RECIPIENTS:
            for address in self._addresses(name):
                fields.setdefault(_comparable(address), name)
        return {path: fields.get(_comparable(path), "bcc") for path in envelope.forward_paths}

    def _addresses(self, name: str) -> list[str]:
        return addresses_in(self._said.get(name, []))


def _comparable(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def _checked(envelope: Envelope) -> Envelope:
    """Give an envelope whose addresses can be said to a server, each once."""
    path = envelope.reverse_path
    forward = dict.fromkeys(_mailbox("to", given).addr_spec for given in envelope.forward_paths)
    if not forward:
        raise ComposeError(
            "the envelope has no recipient", code=ErrorCode.MISSING_SETTING, hint="give it at least one forward-path"
        ).locate(key="to")
    return Envelope(_mailbox("from", path).addr_spec if path else None, tuple(forward))


def _mailbox(key: str, text: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except MailnodeError as error:
        raise error.locate(key=key) from None


def _domain(envelope: Envelope, values: _Values) -> str:
    if envelope.reverse_path:
        return envelope.reverse_path.rpartition("@")[2]
    return sender.domain if (sender := values.sender) else "localhost"


def _signed(data: bytes, signer: DkimSigner, *, is_theirs: bool) -> bytes:
    if not data.isascii() and not is_theirs:
        for encoded in (with_seven_bits, with_ascii_header):
            with suppress(ComposeError):  # it is signed as a part, or can't be encoded, and stays as it is
                data = encoded(data, header_fields(split(data)[0]))
    head, body = split(data)
    return signer.sign(head, (body,)) + data


def _warnings(body: bytes) -> Iterator[str]:
    if (longest := longest_line(body)) > MAX_LINE:
        yield f"a line of the message has {longest} bytes: servers may refuse or break one of more than {MAX_LINE}"
