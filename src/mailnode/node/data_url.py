"""Data URLs (RFC 2397): a file that stands in its own URL."""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.message.media_type import OCTET_STREAM
from mailnode.node.base64_text import decode_base64
from mailnode.node.media_type import is_media_type, served_media_type
from mailnode.node.spool import check_size
from mailnode.printable import quoted

NAME = "data URL"

_BASE64 = re.compile(r"\s*;\s*base64\s*", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class DataUrl:
    """What a data URL holds, and as what: a media type with its parameters."""

    content: bytes
    media_type: str


def is_data_url(url: str) -> bool:
    """Say whether a URL carries its own content."""
    return url.lstrip()[:5].lower() == "data:"


def names_media_type(url: str) -> bool:
    """Say whether a data URL says what it holds."""
    return url.lstrip()[len("data:") :].lstrip()[:1] not in {"", ",", ";"}


def read_data_url(url: str, *, limit: int) -> DataUrl:
    """Decode a data URL of at most `limit` octets.

    Raises:
        AttachmentError: badDataUrl, badBase64 or attachmentTooLarge.
    """
    head, comma, data = url.strip()[len("data:") :].partition(",")
    if not comma:
        raise _bad("there is no comma in it", "write data:TYPE;base64,DATA or data:TYPE,TEXT")
    media_type, is_base64 = _read_head(head)
    # A percent escape takes three characters for an octet.
    check_size(NAME, len(data) // 3, limit)
    octets = _unescape(data)
    if is_base64:
        octets = decode_base64(octets.decode("latin-1"), name=NAME, limit=limit)
    check_size(NAME, len(octets), limit)
    # RFC 2397 2 means ASCII where no type is named; a text typed with umlauts is UTF-8 by the time it is here.
    return DataUrl(octets, media_type or f"text/plain;charset={'us-ascii' if octets.isascii() else 'utf-8'}")


def _read_head(head: str) -> tuple[str, bool]:
    media_type, mark, after = head.rpartition(";")
    is_base64 = _BASE64.fullmatch(mark + after) is not None
    media_type = (media_type if is_base64 else head).strip()
    if media_type.startswith(";"):
        media_type = f"text/plain{media_type}"
    if media_type and not is_media_type(media_type):
        if "base64" in media_type.lower() and not is_base64:
            raise _bad(
                f"{quoted(media_type)} is no media type", "write data:TYPE;base64,DATA, such as data:image/png;base64,"
            )
        media_type = served_media_type(media_type) or OCTET_STREAM
    return media_type, is_base64


def _unescape(data: str) -> bytes:
    if "#" in data:
        # Browsers take the rest for a fragment and drop it.
        raise _bad(f"a # stands at character {data.index('#') + 1} of its data", "write %23 for #")
    if bad := _BAD_ESCAPE.search(data):
        raise _bad(f"the % at character {bad.start() + 1} of its data begins no escape", "write %25 for a percent sign")
    try:
        return unquote_to_bytes(data)
    except UnicodeEncodeError:
        raise _bad("it holds half of a surrogate pair", "escape characters by their bytes in UTF-8") from None


def _bad(what: str, hint: str) -> AttachmentError:
    return AttachmentError(f"the data URL can't be read: {what}", code=ErrorCode.BAD_DATA_URL, hint=hint)
