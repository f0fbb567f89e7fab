"""Attachments: their settings, with expressions filled in, become what the composer takes."""

import asyncio
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from mailnode.errors import AttachmentError, ErrorCode, MailnodeError
from mailnode.message.email import Attachment, RawPart
from mailnode.message.encoding import encode_in
from mailnode.message.media_type import by_filename
from mailnode.node.address_guard import AddressGuard
from mailnode.node.decoding import decode_base64, is_data_url, names_media_type, read_data_url
from mailnode.node.fetch import fetch
from mailnode.node.filename import (
    charset_of,
    check_filename,
    check_media_type,
    default_filename,
    served_media_type,
    slash_warnings,
)
from mailnode.node.spool import check_size
from mailnode.node.stored_file import plain_name, read_stored
from mailnode.printable import MOST_SHOWN_LONG, quoted

_Written = Literal["url", "text", "base64", "custom", "mime"]
AttachmentType = Literal["file"] | _Written

# RFC 2045 7 wants a msg-id; what counts is that `cid:` URLs and angle brackets can hold it.
_CID = re.compile(r"[!-;=?-~]{1,200}")


@dataclass(frozen=True, slots=True)
class FilledAttachment:
    """The settings of an attachment with their expressions filled in; "" stands where its type has no such setting.

    `key` is that of its settings, and `turn` which of the attachments that these make it is: `3 of 5`.
    """

    type: AttachmentType
    _: KW_ONLY
    key: str = ""
    turn: str = ""
    path: str = ""
    url: str = ""
    content: str = field(default="", repr=False)
    filename: str = ""
    content_type: str = ""
    cid: str = ""


@dataclass(frozen=True, slots=True)
class ResolvedAttachment:
    """An attachment with its content, and warnings for its author."""

    attachment: Attachment | RawPart
    warnings: tuple[str, ...] = ()


async def resolve_all(
    attachments: Sequence[FilledAttachment],
    *,
    limit_each: int,
    guard: AddressGuard,
    tls: ssl.SSLContext | None = None,
    folder: Path | None = None,
) -> tuple[ResolvedAttachment, ...]:
    """Resolve every attachment, those from the web at the same time; `limit_each` is in decoded bytes.

    `folder` is the flow's, where its files are. A warning says which attachment it is about, as an error does.

    Raises:
        AttachmentError: one that can't be had, with `key` located (`attachments[1].url`).
    """

    async def located(index: int, attachment: FilledAttachment) -> ResolvedAttachment:
        key = attachment.key or f"attachments[{index}]"
        turn = f" ({attachment.turn})" if attachment.turn else ""
        with _located(key, turn):
            resolved = await resolve(attachment, limit=limit_each, guard=guard, tls=tls, folder=folder)
        return replace(resolved, warnings=tuple(f"{key}.{warning}{turn}" for warning in resolved.warnings))

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(located(index, attachment)) for index, attachment in enumerate(attachments)]
    except ExceptionGroup as failed:
        # The first to fail called the others off.
        raise failed.exceptions[0] from None
    return tuple(task.result() for task in tasks)


async def resolve(
    filled: FilledAttachment,
    *,
    limit: int,
    guard: AddressGuard,
    tls: ssl.SSLContext | None = None,
    folder: Path | None = None,
) -> ResolvedAttachment:
    """Resolve one attachment of at most `limit` decoded bytes; `tls` verifies web servers (default: system's store).

    Raises:
        AttachmentError: with the setting in `key` (`path`, `url`, `content`, `contentType`, `filename`, `cid`).
    """
    given = _checked(filled)
    if given.type == "file":
        resolved = ResolvedAttachment(await _from_file(given, limit, folder))
    elif given.type == "url" and not is_data_url(given.url):
        resolved = await _from_web(given, limit, guard, tls)
    else:
        resolved = ResolvedAttachment(_from_settings(given, given.type, limit))
    return replace(resolved, warnings=(*slash_warnings(filled.filename), *resolved.warnings))


def _checked(filled: FilledAttachment) -> FilledAttachment:
    """Bring file name, media type and Content-ID into their one form, or refuse them."""
    with _located("filename"):
        filename = check_filename(filled.filename)
    with _located("contentType"):
        content_type = check_media_type(filled.content_type)
    return replace(filled, filename=filename, content_type=content_type, cid=_cid(filled.cid))


def _from_settings(given: FilledAttachment, kind: _Written, limit: int) -> Attachment | RawPart:
    match kind:
        case "url":
            return _from_data_url(given, "url", given.url, limit)
        case "base64" if is_data_url(given.content):
            return _from_data_url(given, "content", given.content, limit)
        case "base64":
            return _from_base64(given, limit)
        case "text":
            return _from_text(given, by_filename(given.filename) or "text/plain", limit)
        case "custom":
            return _from_text(given, given.content_type, limit)
        case "mime":
            return RawPart(content=_encoded(given.content, "utf-8", "MIME part", limit), cid=given.cid)


async def _from_file(given: FilledAttachment, limit: int, folder: Path | None) -> Attachment:
    with _located("path"):
        content = await asyncio.to_thread(read_stored, folder, given.path, limit)
    filename = given.filename or plain_name(given.path)
    return Attachment(content=content, filename=filename, content_type=given.content_type, cid=given.cid)


async def _from_web(
    given: FilledAttachment, limit: int, guard: AddressGuard, tls: ssl.SSLContext | None
) -> ResolvedAttachment:
    with _located("url"):
        fetched = await fetch(given.url, max_bytes=limit, allow=guard, tls=tls)
    attachment = Attachment(
        content=fetched.content,
        filename=given.filename or fetched.filename,
        content_type=given.content_type or fetched.content_type,
        cid=given.cid,
    )
    asked = (
        given.content_type
        or by_filename(given.filename)
        or by_filename(_path(given.url))
        or by_filename(fetched.filename)
    )
    return ResolvedAttachment(attachment, _unexpected(asked, fetched.content_type))


def _path(url: str) -> str:
    try:
        return urlsplit(url.strip()).path
    except ValueError:
        return ""


def _unexpected(asked: str, served: str) -> tuple[str, ...]:
    """Warn where a page came instead of a file, which may say that nobody is logged in."""
    if not _is_page(served) or not asked or _is_page(asked):
        return ()
    what = f"a web page was received instead of {_bare(asked)}, and is attached as it is"
    return (f"url: {what}; check that the URL opens without a login",)


def _is_page(media_type: str) -> bool:
    return _bare(media_type) in {"text/html", "application/xhtml+xml"}


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _from_data_url(given: FilledAttachment, key: str, url: str, limit: int) -> Attachment:
    with _located(key):
        read = read_data_url(url, limit=limit)
    declared = served_media_type(read.media_type) if names_media_type(url) else ""
    content_type = given.content_type or declared or by_filename(given.filename) or read.media_type
    return _attachment(given, read.content, content_type)


def _from_base64(given: FilledAttachment, limit: int) -> Attachment:
    with _located("content"):
        content = decode_base64(given.content, name=given.filename or "attachment", limit=limit)
    return _attachment(given, content, given.content_type)


def _from_text(given: FilledAttachment, content_type: str, limit: int) -> Attachment:
    charset = charset_of(content_type)
    name = given.filename or default_filename(content_type)
    content = _encoded(given.content, charset or "utf-8", name, limit)
    if content_type.lower().startswith("text/") and not charset:
        content_type += "; charset=utf-8"
    return _attachment(given, content, content_type)


def _attachment(given: FilledAttachment, content: bytes, content_type: str) -> Attachment:
    filename = given.filename or default_filename(content_type)
    return Attachment(content=content, filename=filename, content_type=content_type, cid=given.cid)


def _encoded(text: str, charset: str, name: str, limit: int) -> bytes:
    with _located("content"):
        check_size(name, len(text), limit)
        try:
            data = encode_in(charset, text)
        except LookupError:
            raise AttachmentError(
                f"{quoted(charset)} is not a charset", code=ErrorCode.BAD_SETTING, hint="write charset=utf-8"
            ) from None
        except UnicodeError:
            raise AttachmentError(
                f"the text of {quoted(name, MOST_SHOWN_LONG)} contains characters that the charset {charset} lacks",
                code=ErrorCode.BAD_SETTING,
                hint="remove unpaired surrogates; UTF-8, the default, has every character",
            ) from None
        check_size(name, len(data), limit)
    return data


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
def _located(key: str, turn: str = "") -> Iterator[None]:
    try:
        yield
    except MailnodeError as error:
        error.message += turn
        raise error.locate(key=key) from None
