"""Base64 (RFC 4648 4) as people paste it: white space is fine, anything else out of place is an error."""

import re

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.node.spool import check_size

_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_STRANGER = re.compile(r"[^A-Za-z0-9+/= \t\r\n]")
_CONTENT = re.compile(r"[A-Za-z0-9+/]")


def decode_base64(text: str, *, name: str, limit: int) -> bytes:
    """Decode standard Base64 of at most `limit` octets; `name` stands in the error of the limit.

    Raises:
        AttachmentError: badBase64, with the position (counted from 1) of what is wrong; attachmentTooLarge.
    """
    if stranger := _STRANGER.search(text):
        raise _bad(f"{stranger[0]!r} at character {stranger.start() + 1} is none of Base64's", _hint(text, stranger[0]))
    padding_at = text.find("=")
    if padding_at >= 0 and (after := _CONTENT.search(text, padding_at)):
        raise _bad(f"more follows the padding at character {after.start() + 1}", "join the files before encoding them")
    bare = _WHITE_SPACE.sub("", text)
    padding = len(bare) - len(bare.rstrip("="))
    _check_length(text, bare, padding)
    check_size(name, len(bare) // 4 * 3 - padding, limit)

    import pybase64

    return pybase64.b64decode(bare)


def _check_length(text: str, bare: str, padding: int) -> None:
    end = len(text.rstrip())
    if len(bare) % 4 or padding > 2:  # noqa: PLR2004 -- a group of four holds at least one octet
        used = (len(bare) - padding) % 4
        wanted = (4 - used) % 4
        if used == 1:
            raise _bad(f"it ends in mid-octet at character {end}", "check that nothing was cut off")
        raise _bad(
            f"it ends at character {end} with {padding} padding signs instead of {wanted}", "end it with = signs"
        )


def _hint(text: str, stranger: str) -> str:
    if text.lstrip()[:5].lower() == "data:":
        return "this is a data URL: use an attachment of type url"
    if stranger in "-_":
        return "this is the alphabet for URLs: write + for - and / for _"
    return "give the Base64 text alone"


def _bad(what: str, hint: str) -> AttachmentError:
    return AttachmentError(f"the Base64 text can't be read: {what}", code=ErrorCode.BAD_BASE64, hint=hint)
