"""Images that stand in the HTML itself, as data: URLs, made inline files: Gmail and Outlook show no others."""

import hashlib
from dataclasses import dataclass

from mailnode.errors import AttachmentError
from mailnode.message.email import Attachment
from mailnode.message.media_type import extension_of
from mailnode.node.decoding import is_data_url, read_data_url
from mailnode.node.markup import find_tags
from mailnode.printable import quoted


@dataclass(frozen=True, slots=True)
class AttachedImages:
    """HTML whose images are files, those files, and what could not be made one."""

    html: str
    files: tuple[Attachment, ...] = ()
    warnings: tuple[str, ...] = ()


def attach_data_images(html: str, *, limit: int) -> AttachedImages:
    """Put a `cid:` in the place of each data: URL of an image of at most `limit` bytes; equal images are one file.

    One that can't be read stays as it is, with a warning.
    """
    pieces: list[str] = []
    files: dict[str, Attachment] = {}
    warnings: list[str] = []
    position = 0
    for tag in find_tags(html, "img"):
        url = tag.value("src")
        if not is_data_url(url):
            continue
        try:
            file = _file(url, limit, len(files) + 1)
        except AttachmentError as error:
            warnings.append(f"an image was left as a data: URL, which Gmail and Outlook do not show: {error.message}")
            continue
        file = files.setdefault(file.cid, file)
        start, end = tag.places["src"]
        pieces += html[position:start], f"cid:{file.cid}"
        position = end
    return AttachedImages("".join([*pieces, html[position:]]), tuple(files.values()), tuple(warnings))


def _file(url: str, limit: int, number: int) -> Attachment:
    read = read_data_url(url, limit=limit)
    if not read.media_type.lower().startswith("image/"):
        raise AttachmentError(
            f"{quoted(read.media_type)} is not an image", hint="use the media type of an image in the URL"
        )
    digest = hashlib.sha256(f"{read.media_type}\0".encode() + read.content).hexdigest()
    name = f"image{number}{extension_of(read.media_type)}"
    return Attachment(content=read.content, filename=name, content_type=read.media_type, cid=f"image-{digest[:24]}")
