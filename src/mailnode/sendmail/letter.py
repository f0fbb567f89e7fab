"""A message as a program writes it to sendmail: with line ends of any kind, perhaps without a sender or a header.

What is not said here stays as it came; Bcc is taken out, Date and Message-ID are added where the message is stored.
"""

import re

from mailnode.sendmail.addresses import addresses_in

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_MAILBOX_FILE_LINE = re.compile(rb">?From [^\n]*\n")
_DOT_LINE = re.compile(rb"^\.\n", re.MULTILINE)
_BLIND = frozenset({"bcc", "resent-bcc"})
_OF_RECIPIENTS = ("to", "cc", "bcc")
_OF_SENDERS = frozenset({"from", "sender", "reply-to", "resent-from", "resent-sender"})
_QUALIFIED = _OF_SENDERS | {"to", "cc", "resent-to", "resent-cc"}
_CR, _LF, _CRLF = b"\r", b"\n", b"\r\n"


class Letter:
    """A message: its header fields, each by its name in lower case, and its body; lines end with LF."""

    def __init__(self, fields: list[tuple[str, bytes]], body: bytes) -> None:
        """Keep them."""
        self.fields, self.body = fields, body

    @property
    def recipients(self) -> list[str]:
        """The addresses of To, Cc and Bcc; where the message was resent, of those of the last time."""
        resent = [f"resent-{name}" for name in _OF_RECIPIENTS]
        names = resent if any(name in resent for name, _ in self.fields) else _OF_RECIPIENTS
        values = [_value(field) for name, field in self.fields if name in names]
        return [address.text for value in values for address in addresses_in(value)]

    def add_sender(self, address: str, full_name: str) -> None:
        """Add a From where there is none."""
        if not any(name == "from" for name, _ in self.fields):
            said = f"{_phrase(full_name)} <{address}>" if full_name else address
            self.fields.append(("from", f"From: {said}\n".encode("utf-8", "surrogateescape")))

    def qualify(self, domain: str, senders: "dict[str, str]") -> None:
        """Give addresses without a domain one: those of senders by this table, where they stand in it."""
        self.fields = [
            (name, _qualified(field, domain, senders if name in _OF_SENDERS else {}) if name in _QUALIFIED else field)
            for name, field in self.fields
        ]

    def content(self) -> bytes:
        """Give what is sent: lines that end with CRLF, without Bcc."""
        kept = b"".join(field for name, field in self.fields if name not in _BLIND)
        return (kept + _LF + self.body).replace(_LF, _CRLF)


def read_letter(data: bytes, *, dot_ends: bool) -> Letter:
    """Read a message; where `dot_ends`, a line with only a dot is its end.

    A text without header fields is a body.
    """
    if _CR in data:
        data = data.replace(_CRLF, _LF).replace(_CR, _LF)
    if dot_ends and (end := _DOT_LINE.search(data)):
        data = data[: end.start()]
    if not data.endswith(_LF):
        data += _LF
    line = _MAILBOX_FILE_LINE.match(data)
    fields, at = list[tuple[str, bytes]](), line.end() if line else 0
    while found := _FIELD.match(data, at):
        fields.append((found[1].decode("ascii").lower(), found[0]))
        at = found.end()
    return Letter(fields, data[at:].removeprefix(_LF))


def _value(field: bytes) -> str:
    return field.partition(b":")[2].decode("utf-8", "surrogateescape")


def _qualified(field: bytes, domain: str, senders: "dict[str, str]") -> bytes:
    name, colon, _ = field.partition(b":")
    value = _value(field)
    for address in reversed(addresses_in(value)):
        if not address.is_qualified and " " not in address.text:
            full = senders.get(address.text) or f"{address.text}@{domain}"
            value = value[: address.start] + full + value[address.end :]
    return name + colon + value.encode("utf-8", "surrogateescape")


def _phrase(name: str) -> str:
    """Give a name as it may stand before an address; whatever is beyond ASCII stays as the program gave it."""
    shown = "".join(letter if letter.isprintable() or letter > "\x7f" else " " for letter in name)
    if shown.replace(" ", "").isalnum():
        return shown
    quoted = shown.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
