"""The name and the media type of an attachment: as settings give them, as a web server says, or as the URL ends."""

import binascii
import re
from urllib.parse import unquote, unquote_to_bytes

from mailnode.errors import AttachmentError, ErrorCode, PartError
from mailnode.message.media_type import by_filename, extension_of, parse_media_type
from mailnode.message.parameter import without_turning
from mailnode.message.part import base_name
from mailnode.printable import CONTROL, LINE_SEPARATOR, MOST_SHOWN_LONG, SURROGATE, quoted

_LONGEST = 200  # bytes: file systems take 255
_READ_CHARACTERS = 4000  # of a header field; some charsets are decoded in quadratic time
_CONTROL = re.compile(f"[{CONTROL}{LINE_SEPARATOR}{SURROGATE}]")
# RFC 6266 4.1, and what servers make of it: the `;` may be missing, and a name with blanks or quotes in it unquoted.
_PARAMETER = re.compile(r'(?<![^;,\s])([\w*.-]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"(?=\s*+(?:;|\Z))|([^;]*+))')
_PATH = re.compile(r"[/\\~.]|[A-Za-z]:")
_EXTENDED = re.compile(r"([\w-]+)'[\w-]*'(.*)", re.ASCII)
_WORD = re.compile(r"=\?([\w-]+)(?:\*[\w-]*)?\?([BbQq])\?([!->@-~]*)\?=", re.ASCII)
_WORDS = re.compile(rf"(?:{_WORD.pattern}\s*)+", re.ASCII)
_ESCAPES = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")
# Of a text that has no better type, such a name is kept: a server knows few of the kinds of text there are.
_TEXT_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,9}\Z")


# Servers that store files call them so, whatever they are; then the name's extension knows better.
_ANY = frozenset({"*", "attachment", "binary", "content", "download", "file", "unknown", "www"})
_ANYTHING = frozenset(
    {
        *("binary", "data", "download", "file", "force-download", "octet", "octet-stream", "octetstream", "save"),
        *("stream", "unknown", "x-binary", "x-download", "x-force-download", "x-msdownload", "x-octet-stream"),
        *("x-octetstream", "x-unknown"),
    }
)


def check_filename(filename: str) -> str:
    """Give a setting's file name without the folders before it; a control character in it is an error."""
    if _CONTROL.search(filename):
        raise AttachmentError(
            f"the file name {quoted(filename)} contains a control character",
            code=ErrorCode.BAD_HEADER,
            hint="remove line breaks and other control characters from it",
        )
    return base_name(filename)


def slash_warnings(filename: str) -> tuple[str, ...]:
    """Warn of a slash that may have been no folder's: `Invoice 3/2024.pdf` is one name to its author."""
    name = base_name(filename)
    if name == filename.strip() or _PATH.match(filename.strip()):
        return ()
    given, taken = quoted(filename, MOST_SHOWN_LONG), quoted(name, MOST_SHOWN_LONG)
    return (f"filename: {given} became {taken}, because a slash separates folders; write it without a slash",)


def default_filename(media_type: str) -> str:
    """Make a name for an attachment that has none."""
    return f"attachment{extension_of(media_type) or '.bin'}"


def fetched_filename(disposition: str, url_path: str, media_type: str) -> str:
    """Name what came from the web: as its Content-Disposition says, else as its URL ends, else by its type.

    A name without an extension that is known gets one of the type.
    """
    name = _tamed(_disposed(disposition)) or _tamed(unquote(url_path.rstrip("/")))
    if not name:
        return default_filename(media_type)
    is_text = media_type.partition(";")[0].strip().lower() == "text/plain"
    if by_filename(name) or (is_text and _TEXT_EXTENSION.search(name)):
        return name
    return f"{name}{extension_of(media_type)}"


def _tamed(path: str) -> str:
    """Make a stranger's file name harmless instead of refusing the file."""
    # Windows takes dots and blanks at the end away, and with them an extension's place.
    name = base_name(_CONTROL.sub("", without_turning(path))).rstrip(". ")
    stem, dot, extension = name.rpartition(".")
    room = _LONGEST - len(f"{dot}{extension}".encode())
    return f"{_shortened(stem, room)}{dot}{extension}" if room > 0 else _shortened(name, _LONGEST)


def _shortened(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _disposed(disposition: str) -> str:
    given: dict[str, str] = {}
    for name, in_quotes, token in _PARAMETER.findall(disposition[:_READ_CHARACTERS]):
        value = re.sub(r'\\(["\\])', r"\1", in_quotes) or token.strip().removeprefix('"').removesuffix('"')
        given.setdefault(name.lower(), value)
    extended = given.get("filename*", "")
    return _extended(extended) or _decoded(given.get("filename") or given.get("name") or extended)


def _extended(value: str) -> str:
    """Decode an extended value (RFC 8187 3.2); "" if it is invalid, so that the plain one counts."""
    parts = _EXTENDED.fullmatch(value)
    if parts is None:
        return ""
    try:
        return unquote(parts[2], encoding=parts[1], errors="strict")
    except (LookupError, UnicodeError):
        return ""


def _decoded(name: str) -> str:
    """Decode a plain value that is encoded-words (RFC 2047) or percent-encoded UTF-8 as a whole."""
    try:
        if _WORDS.fullmatch(name):
            return _words(name)
        if "%" in name and _ESCAPES.fullmatch(name):
            return unquote_to_bytes(name).decode()
    except (LookupError, ValueError):
        pass
    return name


def _words(name: str) -> str:
    """Decode encoded-words; a character may be cut in two between them."""
    pieces: list[tuple[str, bytes]] = []
    for charset, kind, text in _WORD.findall(name):
        data = binascii.a2b_base64(text, strict_mode=True) if kind in "Bb" else binascii.a2b_qp(text, header=True)
        if pieces and pieces[-1][0] == charset:
            pieces[-1] = (charset, pieces[-1][1] + data)
        else:
            pieces.append((charset, data))
    return "".join(data.decode(charset) for charset, data in pieces)


def is_media_type(text: str) -> bool:
    """Say whether this is a media type, with or without parameters, that a single body part may have."""
    try:
        parse_media_type(text)
    except PartError:
        return False
    return True


def check_media_type(text: str) -> str:
    """Give a setting's media type back, without blanks around it; "" stays "" and means "by the file name".

    Raises:
        AttachmentError: it is not a media type.
    """
    text = text.strip()
    try:
        if text:
            parse_media_type(text)
    except PartError as error:
        raise AttachmentError(error.message, code=error.code, hint=error.hint) from None
    return text


def charset_of(media_type: str) -> str:
    """Give the charset that a media type names, else ""."""
    return dict(parse_media_type(media_type)[1]).get("charset", "") if media_type else ""


def served_media_type(given: str) -> str:
    """Give the media type that a web server or data URL says; "" where it says none, or nothing by it.

    Parameters that are not well formed are left out.
    """
    given = given.strip()
    bare = re.split("[;,]", given, maxsplit=1)[0].strip()
    main, _, sub = bare.lower().partition("/")
    if main in _ANY or (main == "application" and sub in _ANYTHING):
        return ""
    return next((one for one in (given, bare) if is_media_type(one)), "")
