"""What follows DATA: a composed message, made transparent block by block (RFC 5321 4.5.2)."""

import re
from collections.abc import Iterator

from mailnode.errors import ComposeError, ErrorCode, Unsendable
from mailnode.message.envelope import Message
from mailnode.smtp.extension import Extensions

_BLOCK_OCTETS = 128 * 1024
_BASE64_LINE = 78
_ALL_BUT_BREAKS = bytes(octet for octet in range(256) if octet not in b"\r\n")
_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
# Each begins with one certain octet, to which the search leaps: counting line breaks would take twice as long.
_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF_OR_DOT = re.compile(rb"\n(?:\.|(?<!\r\n))")


def is_header_ascii(message: Message) -> bool:
    """Whether its header is ASCII alone; one that is not needs SMTPUTF8, whatever the envelope says (RFC 6531 3.4).

    The envelope may lack the header's addresses: that of a redirected mail, or of a retry for the other recipients.
    """
    end, before = b"\r\n\r\n", b"\r\n"
    for block in message.blocks():
        if block.isascii() and end in block:  # nearly all are, and no slices are needed to see it
            return True
        if end in before + block[:3]:
            return True
        at = block.find(end)
        if not (block if at < 0 else block[:at]).isascii():
            return False
        if at >= 0:
            return True
        before = (before + block[-3:])[-3:]
    return True


def fitted(message: Message, extensions: Extensions) -> Message:
    """Give the message as this server takes it: without 8BITMIME its 8-bit parts are encoded (RFC 6152 3).

    Its header is, too, where there is no SMTPUTF8 and only texts and names need it.

    Raises:
        Unsendable: they can't be.
    """
    if message.is_ascii:
        return message
    if not is_header_ascii(message):
        if extensions.smtputf8 or message.envelope.needs_smtputf8:
            return message
        message = _with_ascii_header(message)
    if message.is_ascii or extensions.eight_bit_mime:
        return message
    from mailnode.message.seven_bits import in_seven_bits

    try:
        return in_seven_bits(message)
    except ComposeError as error:
        raise Unsendable(
            f"the message has 8-bit text, the server does not offer 8BITMIME, and {error.message}",
            code=ErrorCode.EIGHT_BIT_NOT_OFFERED,
            hint=error.hint,
        ) from None


def _with_ascii_header(message: Message) -> Message:
    from mailnode.message.seven_bits import in_ascii_header

    try:
        return in_ascii_header(message)
    except ComposeError as error:
        raise Unsendable(
            f"the server does not offer SMTPUTF8, and {error.message}",
            code=ErrorCode.SMTPUTF8_NOT_OFFERED,
            hint=error.hint,
        ) from None


def in_blocks(message: Message) -> Iterator[bytes]:
    """Give the octets of a message in blocks of 128 KiB at most, so that the dot never waits long behind them."""
    for block in message.blocks():
        if len(block) <= _BLOCK_OCTETS:
            yield block
        else:
            for at in range(0, len(block), _BLOCK_OCTETS):
                yield block[at : at + _BLOCK_OCTETS]


def _is_base64(block: bytes) -> bool:
    """Whether these are lines of 76 octets and no dot, found in a sixth of the time of a search for line ends."""
    lines, rest = divmod(len(block), _BASE64_LINE)
    if rest or not lines or b"." in block:
        return False
    ends = b"\r" * lines == block[76::_BASE64_LINE] and b"\n" * lines == block[77::_BASE64_LINE]
    return ends and len(block.translate(None, _ALL_BUT_BREAKS)) == 2 * lines


class DotStuffer:
    """Doubles the dot that begins a line and makes CRLF of every other line break, so that only `dot` ends the content.

    A bare CR or LF before a dot ends the content for some servers and not for others: SMTP smuggling uses that.
    """

    def __init__(self) -> None:
        self._at_line_start = True
        self._held = b""  # a CR that ends a block: only the next block shows whether an LF follows

    def stuff(self, block: bytes) -> bytes:
        """Give a block as it goes on the wire."""
        if not block:
            return b""
        if self._held:
            block, self._held = self._held + block, b""
        if block.endswith(b"\r"):
            block, self._held = block[:-1], b"\r"
            if not block:
                return b""
        if self._at_line_start and _is_base64(block):
            return block
        starts_with_dot = self._at_line_start and block.startswith(b".")
        if _BARE_CR.search(block) or _BARE_LF_OR_DOT.search(block):
            if not block.count(b"\r\n") == block.count(b"\n") == block.count(b"\r"):
                block = _LINE_BREAK.sub(b"\r\n", block)
            block = block.replace(b"\r\n.", b"\r\n..")
        self._at_line_start = block.endswith(b"\r\n")
        return b"." + block if starts_with_dot else block

    @property
    def dot(self) -> bytes:
        """The end of the content: on a line of its own, whatever came last."""
        return b".\r\n" if self._at_line_start and not self._held else b"\r\n.\r\n"
