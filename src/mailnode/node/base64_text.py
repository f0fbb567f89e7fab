"""Base64 (RFC 4648 4 and 5) as people and programs give it: in either alphabet, padded or not, white space anywhere."""

import re

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.node.spool import check_size

_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_STRANGER = re.compile(r"[^A-Za-z0-9+/_= \t\r\n-]")
_CONTENT = re.compile(r"[^= \t\r\n]")
_OF_URLS = str.maketrans("-_", "+/")


def decode_base64(text: str, *, name: str, limit: int) -> bytes:
    """Decode Base64 of at most `limit` octets; `name` stands in the error of the limit.

    Raises:
        AttachmentError: badBase64, with the position (counted from 1) of what is wrong; attachmentTooLarge.
    """
    if stranger := _STRANGER.search(text):
        raise _bad(f"{stranger[0]!r} at character {stranger.start() + 1} is not Base64", "give the Base64 text alone")
    padding_at = text.find("=")
    if padding_at >= 0 and (after := _CONTENT.search(text, padding_at)):
        raise _bad(f"more follows the padding at character {after.start() + 1}", "join the files before encoding them")
    bare = _WHITE_SPACE.sub("", text)
    if "-" in bare or "_" in bare:
        bare = _standard(bare)
    unpadded = bare.rstrip("=")
    _check_end(text, len(unpadded), len(bare) - len(unpadded))
    check_size(name, len(unpadded) * 3 // 4, limit)

    import pybase64

    return pybase64.b64decode(unpadded + "=" * (-len(unpadded) % 4))


def _standard(bare: str) -> str:
    """Turn the alphabet for URLs into the standard one; a text that holds signs of both has been damaged."""
    if "+" in bare or "/" in bare:
        raise _bad("it mixes two alphabets, that with + and / and that with - and _", "encode the whole file again")
    return bare.translate(_OF_URLS)


def _check_end(text: str, digits: int, padding: int) -> None:
    end = len(text.rstrip())
    wanted = -digits % 4
    if wanted == 3:  # noqa: PLR2004 -- one digit holds six of an octet's eight bits
        raise _bad(f"it ends in the middle of a byte, at character {end}", "check that nothing was cut off")
    if padding not in {0, wanted}:
        raise _bad(
            f"it ends at character {end} with {padding} padding signs instead of {wanted}",
            "end it with that many = signs, or with none",
        )


def _bad(what: str, hint: str) -> AttachmentError:
    return AttachmentError(f"the Base64 text can't be read: {what}", code=ErrorCode.BAD_BASE64, hint=hint)
