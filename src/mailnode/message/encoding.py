"""Content transfer encodings (RFC 2045 6), whose output is always lines of ASCII."""

import binascii
import codecs
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Literal, Protocol

import pybase64

from mailnode.errors import PartError

TransferEncoding = Literal["7bit", "quoted-printable", "base64"]

# Servers take 998 (RFC 5321 4.5.3.1.6), but Sendmail cuts lines at 990, and leaves a "!" there.
_MOST_TEXT_LINE = 980
_QUOTED_LINE = 76  # RFC 2045 6.7 (5)
_LINE_OCTETS = 57  # 76 characters of Base64
_BLOCK_OCTETS = _LINE_OCTETS * 1024

# Where a line of 74 bytes ends with a space or tab, binascii writes 77.
_LATE_BLANK = re.compile(rb"^([^\r\n]{74})(=(?:20|09)\r)$", re.MULTILINE)
_FROM_LINE = re.compile(rb"^From ([^\r\n]*)", re.MULTILINE)
_NO_CHARSETS = frozenset({"idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"})
_PLAIN = b"\t\r\n" + bytes(range(0x20, 0x7F))


class ByteStream(Protocol):
    """Bytes of a known number that can be given again and again, in blocks."""

    @property
    def size(self) -> int: ...
    def blocks(self) -> Iterator[bytes]: ...


def crlf(data: bytes) -> bytes:
    """Make every line break CRLF, so that nothing can be taken for the end of content (RFC 5321 2.3.8)."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.replace(b"\n", b"\r\n")


def longest_line(data: bytes) -> int:
    """Count the bytes of the longest line, without its CRLF."""
    return max(map(len, data.split(b"\r\n")))


def encode_text(text: str) -> tuple[TransferEncoding, bytes]:
    """Encode a text as UTF-8 by the encoding that suits it; it ends with a line break.

    Plain lines of up to 980 bytes stay as they are, unless they hold what begins our boundaries. No line begins with
    `From `, for mailbox files (RFC 4155) put a `>` before it, and a signature over it would break.

    Raises:
        PartError: the text holds half of a surrogate pair.
    """
    try:
        # Of bytes, splitlines takes CR, LF and CRLF for line breaks, and nothing else.
        lines = text.encode().splitlines() or [b""]
    except UnicodeEncodeError:
        raise PartError(
            "the text contains half a character", phase="settings", hint="don't cut a character in half"
        ) from None
    data = b"\r\n".join(lines) + b"\r\n"
    unfit = len(data.translate(None, _PLAIN))
    if not (unfit or _has_boundary(data) or _has_from_line(data)) and max(map(len, lines)) <= _MOST_TEXT_LINE:
        return "7bit", data
    if 6 * unfit > len(data):
        return "base64", encode_base64(data)
    if unfit:
        return "quoted-printable", _without_from(_short_lines(binascii.b2a_qp(data, istext=True)))
    return "quoted-printable", _without_from(b"".join(_quoted(lines)))


# A single octet is found ten times as fast as two, and a regular expression would look at each line.
def _has_boundary(data: bytes) -> bool:
    return b"_" in data and b"=_" in data


def _has_from_line(data: bytes) -> bool:
    return b"F" in data and (data.startswith(b"From ") or b"\nFrom " in data)


def _short_lines(quoted: bytes) -> bytes:
    is_at_risk = b"=20\r\n" in quoted or b"=09\r\n" in quoted
    return _LATE_BLANK.sub(rb"\1=\r\n\2", quoted) if is_at_risk else quoted


def _without_from(quoted: bytes) -> bytes:
    if not _has_from_line(quoted):
        return quoted
    return _FROM_LINE.sub(
        lambda line: (b"=46rom " if len(line[1]) < _QUOTED_LINE - 6 else b"=46rom=\r\n ") + line[1], quoted
    )


def _quoted(lines: Iterable[bytes]) -> list[bytes]:
    """Give lines of printable ASCII as pieces of quoted-printable (RFC 2045 6.7); binascii takes twice as long."""
    pieces: list[bytes] = []
    for one in lines:
        line = one.replace(b"=", b"=3D")
        if line.endswith((b" ", b"\t")):
            line = line[:-1] + (b"=20" if line.endswith(b" ") else b"=09")
        start, size = 0, len(line)
        while size - start > _QUOTED_LINE:
            end = start + _QUOTED_LINE - 1  # the soft line break's "=" is the last one
            escape = line.rfind(b"=", end - 2, end)
            if escape >= 0:
                end = escape
            pieces += (line[start:end], b"=\r\n")
            start = end
        pieces += (line[start:], b"\r\n")
    return pieces


def is_other_codec(name: str) -> bool:
    """Tell whether Python's codec of this name is not a charset of email; False for an unknown name."""
    # Some of them take a minute for twenty kilobytes, and raise whatever they are told to do with an error.
    try:
        return codecs.lookup(name).name.replace("-", "_") in _NO_CHARSETS
    except LookupError:
        return False
    except ValueError:  # no name at all: a NUL, half of a surrogate pair
        return True


def encode_in(charset: str, text: str) -> bytes:
    """Encode a text by the charset that its media type names.

    Raises:
        LookupError: there is no such charset; UnicodeError: it has not all the characters.
    """
    if is_other_codec(charset):
        raise LookupError(charset)
    return text.encode(charset)


def encode_base64(data: bytes) -> bytes:
    """Encode bytes in lines of 76 characters."""
    return pybase64.encodebytes(data).replace(b"\n", b"\r\n")


def read_file(file: BinaryIO, start: int = 0, data: int = -1) -> bytes:
    """Read bytes of a file, all from `start` on when their number is left out; others may read it in between.

    Raises:
        PartError: there are fewer, or the file can't be read.
    """
    try:
        file.seek(start)
        read = [file.read(data)]
        # A file without a buffer may give less than what was asked for.
        while read[-1] and (data < 0 or sum(map(len, read)) < data):
            read.append(file.read(data - sum(map(len, read)) if data >= 0 else -1))
        content = b"".join(read)
    except (OSError, ValueError, AttributeError, TypeError):
        raise _unreadable() from None
    if len(content) < data:
        raise PartError("an attached file got shorter", hint="don't change the file until the email is sent")
    return content


class Base64Stream:
    """Base64 of bytes or of a seekable file, encoded while it is read, so that it is never in memory twice."""

    def __init__(self, source: bytes | BinaryIO) -> None:
        """Measure the source; a file is measured and read from its beginning.

        Raises:
            PartError: the file can't be read, or not from its beginning, or not as bytes.
        """
        self._source = source
        self._octets = len(source) if isinstance(source, bytes) else _file_size(source)
        lines, rest = divmod(self._octets, _LINE_OCTETS)
        self.size = lines * 78 + ((rest + 2) // 3 * 4 + 2 if rest else 0)

    def blocks(self) -> Iterator[bytes]:
        """Give the encoded bytes, about 80 kB at a time.

        Raises:
            PartError: the file has become shorter, or can't be read any more.
        """
        source = self._source
        for start in range(0, self._octets, _BLOCK_OCTETS):
            if isinstance(source, bytes):
                yield encode_base64(source[start : start + _BLOCK_OCTETS])
            else:
                yield encode_base64(read_file(source, start, min(_BLOCK_OCTETS, self._octets - start)))


def _file_size(file: BinaryIO) -> int:
    try:
        size = file.seek(0, 2)
        is_octets = isinstance(file.read(0), bytes)
    except (OSError, ValueError, AttributeError, TypeError):
        raise _unreadable() from None
    if not is_octets:
        raise _unreadable()
    return size


def _unreadable() -> PartError:
    return PartError(
        "an attached file can't be read", hint='open it in binary mode, and close it after sending: open(path, "rb")'
    )
