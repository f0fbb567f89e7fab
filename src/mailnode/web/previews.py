"""Previews that have been made, for as long as a browser asks for their parts."""

import base64
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from mailnode.message.email import Attachment, Email
from mailnode.node.send_email import Composition
from mailnode.web.safe_html import safe_html

_MOST = 8
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


_kept: OrderedDict[str, KeptPreview] = OrderedDict()
_lock = Lock()


def keep_preview(made: Composition) -> KeptPreview:
    """Keep a mail; of several the oldest goes."""
    body = safe_html(made.email.html or "", _images(made.email))
    kept = KeptPreview(secrets.token_urlsafe(16), b"".join(made.mail.message.blocks()), body)
    with _lock:
        _kept[kept.number] = kept
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
    return kept


def kept_preview(number: str) -> KeptPreview | None:
    """Give a preview that is kept still."""
    with _lock:
        return _kept.get(number)


def frame(body: str, *, dark: bool = False) -> str:
    """Make a document of HTML that is harmless already."""
    return _FRAME.format(scheme="dark" if dark else "light", body=body)


def _images(email: Email) -> dict[str, str]:
    return {
        attachment.cid: f"data:{attachment.content_type};base64,{base64.b64encode(content).decode()}"
        for attachment in email.attachments
        if isinstance(attachment, Attachment)
        and attachment.cid
        and attachment.content_type.startswith("image/")
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
