"""Media types (RFC 2045 5.1) as a setting, a data URL or a web server says them."""

import re

from mailnode.errors import AttachmentError, PartError
from mailnode.message.media_type import parse_media_type

# Servers that store files call them so, whatever they are; then the name's extension knows better.
_ANY = frozenset({"*", "attachment", "binary", "content", "download", "file", "unknown", "www"})
_ANYTHING = frozenset(
    {
        *("binary", "data", "download", "file", "force-download", "octet", "octet-stream", "octetstream", "save"),
        *("stream", "unknown", "x-binary", "x-download", "x-force-download", "x-msdownload", "x-octet-stream"),
        *("x-octetstream", "x-unknown"),
    }
)


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
        AttachmentError: it is none.
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


def served_media_type(said: str) -> str:
    """Give the media type that a web server or data URL says; "" where it says none, or nothing by it.

    Parameters that are not well formed are left out.
    """
    said = said.strip()
    bare = re.split("[;,]", said, maxsplit=1)[0].strip()
    main, _, sub = bare.lower().partition("/")
    if main in _ANY or (main == "application" and sub in _ANYTHING):
        return ""
    return next((one for one in (said, bare) if is_media_type(one)), "")
