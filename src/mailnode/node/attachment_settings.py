"""The settings of attachments, of each type."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from mailnode.node.setting_types import EMPTY, Plain, Settings, StoredPath, Templated


class FileAttachment(Settings):
    """Attachment "From File": a file in the folder `files` beside the flow."""

    type: Literal["file"]
    path: StoredPath
    filename: Templated = EMPTY
    content_type: Plain = ""
    cid: Templated = EMPTY


class UrlAttachment(Settings):
    """Attachment "From URL": http, https or data."""

    type: Literal["url"]
    url: Templated
    filename: Templated = EMPTY
    content_type: Plain = ""
    cid: Templated = EMPTY


class TextAttachment(Settings):
    """Attachment "From Text Content"."""

    type: Literal["text"]
    content: Templated
    filename: Templated
    cid: Templated = EMPTY


class Base64Attachment(Settings):
    """Attachment "From Base64 String"."""

    type: Literal["base64"]
    content: Templated
    filename: Templated
    content_type: Plain = ""
    cid: Templated = EMPTY


class CustomAttachment(Settings):
    """Attachment "Custom Content Attachment"."""

    type: Literal["custom"]
    content: Templated
    content_type: Plain
    filename: Templated
    cid: Templated = EMPTY


class MimeAttachment(Settings):
    """Attachment "From Pregenerated MIME Node"."""

    type: Literal["mime"]
    content: Templated
    cid: Templated = EMPTY


AttachmentSettings = Annotated[
    FileAttachment | UrlAttachment | TextAttachment | Base64Attachment | CustomAttachment | MimeAttachment,
    Field(discriminator="type"),
]

ATTACHMENT_TYPES: Mapping[str, type[Settings]] = {
    "file": FileAttachment,
    "url": UrlAttachment,
    "text": TextAttachment,
    "base64": Base64Attachment,
    "custom": CustomAttachment,
    "mime": MimeAttachment,
}
