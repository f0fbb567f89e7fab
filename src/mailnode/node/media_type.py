"""Media types (RFC 2045 5.1) as a setting, a data URL or a web server says them."""

import mimetypes

from mailnode.errors import AttachmentError, PartError
from mailnode.message.media_type import parse_media_type


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


def extension_of(media_type: str) -> str:
    """Give the usual extension with its dot, `.bin` for octets of no known type."""
    return mimetypes.guess_extension(media_type.partition(";")[0].strip().lower()) or ".bin"
