"""The settings of each type of attachment."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from mailnode.node.setting_types import Plain, Settings, Templated


class FromUrl(Settings):
    """Attachment "From URL": http, https or data."""

    type: Literal["url"]
    url: Templated
    filename: Templated = ""
    content_type: Plain = ""
    cid: Templated = ""


class FromText(Settings):
    """Attachment "From Text Content"."""

    type: Literal["text"]
    content: Templated
    filename: Templated
    cid: Templated = ""


class FromBase64(Settings):
    """Attachment "From Base64 String"."""

    type: Literal["base64"]
    content: Templated
    filename: Templated
    content_type: Plain = ""
    cid: Templated = ""


class FromCustom(Settings):
    """Attachment "Custom Content Attachment"."""

    type: Literal["custom"]
    content: Templated
    content_type: Plain
    filename: Templated
    cid: Templated = ""


class FromMime(Settings):
    """Attachment "From Pregenerated MIME Node"."""

    type: Literal["mime"]
    content: Templated
    cid: Templated = ""


AttachmentSettings = Annotated[FromUrl | FromText | FromBase64 | FromCustom | FromMime, Field(discriminator="type")]

ATTACHMENT_TYPES: Mapping[str, type[Settings]] = {
    "url": FromUrl,
    "text": FromText,
    "base64": FromBase64,
    "custom": FromCustom,
    "mime": FromMime,
}
