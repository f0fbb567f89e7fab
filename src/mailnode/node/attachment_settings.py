"""The settings of attachments, of each type."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from mailnode.node.setting_types import EMPTY, List, Plain, Settings, StoredPath, Templated


class RepeatedAttachment(Settings):
    """What attachments of all types have: with `forEach` there is one for each `item` of a list."""

    for_each: List = EMPTY


class FileAttachment(RepeatedAttachment):
    """Attachment "From File": a file in the folder `files` beside the flow."""

    type: Literal["file"]
    path: StoredPath
    filename: Templated = EMPTY
    content_type: Plain = ""
    cid: Templated = EMPTY


class UrlAttachment(RepeatedAttachment):
    """Attachment "From URL": http, https or data."""

    type: Literal["url"]
    url: Templated
    filename: Templated = EMPTY
    content_type: Plain = ""
    cid: Templated = EMPTY


class TextAttachment(RepeatedAttachment):
    """Attachment "From Text Content"."""

    type: Literal["text"]
    content: Templated
    filename: Templated
    cid: Templated = EMPTY


class Base64Attachment(RepeatedAttachment):
    """Attachment "From Base64 String"."""

    type: Literal["base64"]
    content: Templated
    filename: Templated
    content_type: Plain = ""
    cid: Templated = EMPTY


class CustomAttachment(RepeatedAttachment):
    """Attachment "Custom Content Attachment"."""

    type: Literal["custom"]
    content: Templated
    content_type: Plain
    filename: Templated
    cid: Templated = EMPTY


class MimeAttachment(RepeatedAttachment):
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
