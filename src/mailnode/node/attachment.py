"""Attachments: from what the settings say, rendered, to what the composer takes."""

import asyncio
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from mailnode.errors import AttachmentError, ErrorCode, MailnodeError
from mailnode.message.email import Attachment, RawPart
from mailnode.message.encoding import encode_in
from mailnode.message.media_type import by_filename
from mailnode.node.address_guard import AddressGuard
from mailnode.node.base64_text import decode_base64
from mailnode.node.data_url import is_data_url, names_media_type, read_data_url
from mailnode.node.fetch import fetch
from mailnode.node.filename import check_filename, default_filename, slash_warnings
from mailnode.node.media_type import charset_of, check_media_type, served_media_type
from mailnode.node.spool import check_size
from mailnode.printable import MOST_SHOWN_LONG, quoted

# RFC 2045 7 wants a msg-id; what counts is that `cid:` URLs and angle brackets can hold it.
_CID = re.compile(r"[!-;=?-~]{1,200}")


@dataclass(frozen=True, kw_only=True, slots=True)
class UrlAttachment:
    """A file from the web, or from a data URL; name and media type default to what its server says."""

    url: str
    filename: str = ""
    content_type: str = ""
    cid: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextAttachment:
    """A text as a file."""

    content: str = field(repr=False)
    filename: str = ""
    cid: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Base64Attachment:
    """A file as Base64."""

    content: str = field(repr=False)
    filename: str = ""
    content_type: str = ""
    cid: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomAttachment:
    """A text as a file of a media type of its own."""

    content: str = field(repr=False)
    content_type: str
    filename: str = ""
    cid: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MimeAttachment:
    """A whole body part, header fields and all; whether it is one is judged while composing."""

    content: str = field(repr=False)
    cid: str = ""


AttachmentSpec = UrlAttachment | TextAttachment | Base64Attachment | CustomAttachment | MimeAttachment


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of an attachment's settings, and what its author should know of it."""

    attachment: Attachment | RawPart
    warnings: tuple[str, ...] = ()


async def resolve_all(
    specs: Sequence[AttachmentSpec], *, limit_each: int, guard: AddressGuard, tls: ssl.SSLContext | None = None
) -> tuple[Resolved, ...]:
    """Resolve every attachment, those from the web at the same time; `limit_each` is in decoded octets.

    A warning says which attachment it is about, as an error does.

    Raises:
        AttachmentError: one that can't be had, with `key` located (`attachments[1].url`).
    """

    async def located(index: int, spec: AttachmentSpec) -> Resolved:
        key = f"attachments[{index}]"
        with _at(key):
            resolved = await resolve(spec, limit=limit_each, guard=guard, tls=tls)
        return replace(resolved, warnings=tuple(f"{key}.{warning}" for warning in resolved.warnings))

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(located(index, spec)) for index, spec in enumerate(specs)]
    except ExceptionGroup as failed:
        # The first to fail called the others off.
        raise failed.exceptions[0] from None
    return tuple(task.result() for task in tasks)


async def resolve(
    spec: AttachmentSpec, *, limit: int, guard: AddressGuard, tls: ssl.SSLContext | None = None
) -> Resolved:
    """Resolve one attachment of at most `limit` decoded octets; `tls` verifies web servers (default: system's store).

    Raises:
        AttachmentError: with the setting in `key` (`url`, `content`, `contentType`, `filename`, `cid`).
    """
    if isinstance(spec, UrlAttachment) and not is_data_url(spec.url):
        resolved = await _from_web(spec, limit, guard, tls)
    else:
        resolved = Resolved(_from_settings(spec, limit))
    return replace(resolved, warnings=(*slash_warnings(getattr(spec, "filename", "")), *resolved.warnings))


def _from_settings(spec: AttachmentSpec, limit: int) -> Attachment | RawPart:
    match spec:
        case UrlAttachment():
            return _from_data_url(spec, "url", spec.url, limit)
        case Base64Attachment() if is_data_url(spec.content):
            return _from_data_url(spec, "content", spec.content, limit)
        case TextAttachment():
            return _from_text(spec, by_filename(spec.filename) or "text/plain", limit)
        case CustomAttachment():
            with _at("contentType"):
                content_type = check_media_type(spec.content_type)
            return _from_text(spec, content_type, limit)
        case Base64Attachment():
            return _from_base64(spec, limit)
        case MimeAttachment():
            return RawPart(content=_encoded(spec.content, "utf-8", "MIME part", limit), cid=_cid(spec.cid))


async def _from_web(spec: UrlAttachment, limit: int, guard: AddressGuard, tls: ssl.SSLContext | None) -> Resolved:
    given = _names(spec)
    with _at("url"):
        fetched = await fetch(spec.url, max_octets=limit, allow=guard, tls=tls)
    attachment = Attachment(
        content=fetched.content,
        filename=given.filename or fetched.filename,
        content_type=given.content_type or fetched.content_type,
        cid=given.cid,
    )
    asked = (
        given.content_type
        or by_filename(given.filename)
        or by_filename(_path(spec.url))
        or by_filename(fetched.filename)
    )
    return Resolved(attachment, _unexpected(asked, fetched.content_type))


def _path(url: str) -> str:
    try:
        return urlsplit(url.strip()).path
    except ValueError:
        return ""


def _unexpected(asked: str, served: str) -> tuple[str, ...]:
    """Warn where a page came instead of a file, which may say that nobody is logged in."""
    if not _is_page(served) or not asked or _is_page(asked):
        return ()
    what = f"a web page came where {_bare(asked)} was asked for, and is attached as it came"
    return (f"url: {what}; check that the URL opens without a login",)


def _is_page(media_type: str) -> bool:
    return _bare(media_type) in {"text/html", "application/xhtml+xml"}


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _from_data_url(spec: UrlAttachment | Base64Attachment, key: str, url: str, limit: int) -> Attachment:
    given = _names(spec)
    with _at(key):
        read = read_data_url(url, limit=limit)
    said = served_media_type(read.media_type) if names_media_type(url) else ""
    content_type = given.content_type or said or by_filename(given.filename) or read.media_type
    return Attachment(
        content=read.content,
        filename=given.filename or default_filename(content_type),
        content_type=content_type,
        cid=given.cid,
    )


def _from_base64(spec: Base64Attachment, limit: int) -> Attachment:
    given = _names(spec)
    with _at("content"):
        content = decode_base64(spec.content, name=given.filename or "attachment", limit=limit)
    return Attachment(
        content=content,
        filename=given.filename or default_filename(given.content_type),
        content_type=given.content_type,
        cid=given.cid,
    )


def _from_text(spec: TextAttachment | CustomAttachment, content_type: str, limit: int) -> Attachment:
    given = _names(spec)
    filename = given.filename or default_filename(content_type)
    charset = charset_of(content_type)
    content = _encoded(spec.content, charset or "utf-8", filename, limit)
    if content_type.lower().startswith("text/") and not charset:
        content_type += "; charset=utf-8"
    return Attachment(content=content, filename=filename, content_type=content_type, cid=given.cid)


def _encoded(text: str, charset: str, name: str, limit: int) -> bytes:
    with _at("content"):
        check_size(name, len(text), limit)
        try:
            octets = encode_in(charset, text)
        except LookupError:
            raise AttachmentError(
                f"there is no charset {quoted(charset)}", code=ErrorCode.BAD_SETTING, hint="write charset=utf-8"
            ) from None
        except UnicodeError:
            raise AttachmentError(
                f"the text of {quoted(name, MOST_SHOWN_LONG)} holds characters that the charset {charset} has not",
                code=ErrorCode.BAD_SETTING,
                hint="remove halves of surrogate pairs; UTF-8, the default, holds every character",
            ) from None
        check_size(name, len(octets), limit)
    return octets


@dataclass(frozen=True, slots=True)
class _Names:
    filename: str
    content_type: str
    cid: str


def _names(spec: UrlAttachment | TextAttachment | Base64Attachment | CustomAttachment) -> _Names:
    with _at("filename"):
        filename = check_filename(spec.filename)
    with _at("contentType"):
        content_type = check_media_type(getattr(spec, "content_type", ""))
    return _Names(filename, content_type, _cid(spec.cid))


def _cid(cid: str) -> str:
    """Give a Content-ID without what some write around it: angle brackets, and the scheme of URLs that refer to it."""
    bare = cid.strip().removeprefix("<").removesuffix(">")
    bare = bare[4:] if bare[:4].lower() == "cid:" else bare
    if bare and not _CID.fullmatch(bare):
        raise AttachmentError(
            f"{quoted(cid)} can't be a cid",
            code=ErrorCode.BAD_HEADER,
            hint='use letters, digits, dots and hyphens, as in <img src="cid:logo">',
        ).locate(key="cid")
    return bare


@contextmanager
def _at(key: str) -> Iterator[None]:
    try:
        yield
    except MailnodeError as error:
        raise error.locate(key=key) from None
