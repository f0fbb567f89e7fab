"""Previews that have been made, for as long as a browser asks for their parts."""

import base64
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from mailnode.errors import ErrorCode, UsageError
from mailnode.message.email import Attachment, Email
from mailnode.message.media_type import by_filename
from mailnode.node.send_email import Composition

_MOST = 8
_MOST_OCTETS = 64 * 2**20
_MOST_IMAGE_OCTETS = 2 * 2**20
_FRAME = """<!doctype html><html lang="und"><head><meta charset="utf-8"><title>Mail</title>\
<meta name="color-scheme" content="{scheme}"><meta name="viewport" content="width=device-width"><style>\
:root {{ color-scheme: {scheme} }} body {{ margin: 16px; font-family: sans-serif; overflow-wrap: anywhere }}\
 img {{ max-width: 100% }}</style></head><body>{body}</body></html>"""


@dataclass(frozen=True, slots=True)
class KeptPreview:
    """A mail that was composed for a preview."""

    number: str
    octets: bytes
    body: str

    def frame(self, *, dark: bool = False) -> str:
        """Give the HTML as a document for a frame, as a reader in the light or in the dark shows it."""
        return frame(self.body, dark=dark)


class Previews:
    """The latest previews; of too many, or too large ones, the oldest go."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: OrderedDict[str, KeptPreview] = OrderedDict()

    def keep(self, made: Composition, body: str) -> KeptPreview:
        """Keep a mail, and its HTML made harmless."""
        kept = KeptPreview(secrets.token_urlsafe(16), b"".join(made.message.blocks()), body)
        self._kept[kept.number] = kept
        while len(self._kept) > 1 and (len(self._kept) > _MOST or self._size() > _MOST_OCTETS):
            self._kept.popitem(last=False)
        return kept

    def get(self, number: str) -> KeptPreview:
        """Give a preview that is kept still; UsageError (unknownMail) where it is not."""
        if number not in self._kept:
            raise UsageError("this preview has expired", code=ErrorCode.UNKNOWN_MAIL, hint="open the preview again")
        return self._kept[number]

    def _size(self) -> int:
        return sum(len(kept.octets) for kept in self._kept.values())


def frame(body: str, *, dark: bool = False) -> str:
    """Make a document of HTML that is harmless already."""
    return _FRAME.format(scheme="dark" if dark else "light", body=body)


def images_of(email: Email) -> dict[str, str]:
    """Give the images that an email refers to as `data:` URLs, by their content-ids."""
    return {
        attachment.cid: f"data:{media_type};base64,{base64.b64encode(content).decode()}"
        for attachment in email.attachments
        if isinstance(attachment, Attachment)
        and attachment.cid
        and (media_type := attachment.content_type or by_filename(attachment.filename)).startswith("image/")
        and (content := _octets(attachment))
    }


def _octets(attachment: Attachment) -> bytes:
    content = attachment.content
    if isinstance(content, str):
        return b""
    if not isinstance(content, bytes):
        content.seek(0)
        content = content.read(_MOST_IMAGE_OCTETS + 1)
    return content if len(content) <= _MOST_IMAGE_OCTETS else b""
