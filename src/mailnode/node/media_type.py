"""Media types (RFC 2045 5.1) as a setting, a data URL or a web server says them."""

import mimetypes
import re

from mailnode.errors import AttachmentError, ErrorCode

OCTET_STREAM = "application/octet-stream"

_TOKEN = r"[!#$%&'*+\-.^_`{|}~0-9A-Za-z]+"  # noqa: S105 -- RFC 2045's word, no secret
_MEDIA_TYPE = re.compile(rf'({_TOKEN}/{_TOKEN})([ \t]*;[ \t]*{_TOKEN}=({_TOKEN}|"([^"\\\x00-\x1f\x7f]|\\[ -~])*"))*')
_CHARSET = re.compile(r';[ \t]*charset="?([^\s";]+)', re.IGNORECASE)
_LONGEST = 255


def is_media_type(text: str) -> bool:
    """Say whether this is a media type, with or without parameters, that a single body part may have."""
    well_formed = len(text) <= _LONGEST and text.isascii() and _MEDIA_TYPE.fullmatch(text) is not None
    # A multipart's boundary would make parts of what is one part's content.
    return well_formed and not text.lower().startswith("multipart/")


def check_media_type(text: str) -> str:
    """Give a setting's media type back, without blanks around it; "" stays "" and means "by the file name"."""
    text = text.strip()
    if text and not is_media_type(text):
        raise AttachmentError(
            f"{text!r:.80} is no media type that an attachment may have",
            code=ErrorCode.BAD_SETTING,
            hint="write a type and a subtype, such as application/pdf or text/csv; charset=utf-8",
        )
    return text


def charset_of(media_type: str) -> str:
    """Give the charset that a media type names, else ""."""
    named = _CHARSET.search(media_type)
    return named[1] if named else ""


def by_filename(filename: str) -> str:
    """Guess the media type by a file name's extension; "" when it says nothing."""
    # It takes what has a colon for a URL, and calls a.tar.gz a tar; what is attached is gzip.
    media_type, encoding = mimetypes.guess_type(filename.replace(":", "_"))
    if encoding is not None:
        return f"application/{encoding}" if encoding == "gzip" else OCTET_STREAM
    return media_type or ""


def extension_of(media_type: str) -> str:
    """Give the usual extension with its dot, `.bin` for octets of no known type."""
    return mimetypes.guess_extension(media_type.partition(";")[0].strip().lower()) or ".bin"
