import base64
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mailnode.errors import AttachmentError
from mailnode.message.email import Attachment, RawPart
from mailnode.node.address_guard import AddressGuard
from mailnode.node.attachment import (
    FilledAttachment,
    resolve,
    resolve_all,
)
from support import tls
from support.http_server import HttpServer, reply, serving, stalling

MB = 2**20
LOOPBACK = AddressGuard.from_text("127.0.0.1, localhost")


@pytest.fixture
async def http() -> AsyncIterator[HttpServer]:
    async with serving() as server:
        yield server


async def one(spec: FilledAttachment, *, limit: int = MB) -> Any:
    return (await resolve(spec, limit=limit, guard=LOOPBACK)).attachment


async def refused(spec: FilledAttachment, code: str, key: str, *, limit: int = MB) -> AttachmentError:
    with pytest.raises(AttachmentError) as caught:
        await one(spec, limit=limit)
    assert (caught.value.code, caught.value.key) == (code, key)
    assert caught.value.hint
    return caught.value


async def test_a_url_gives_content_type_and_name(http: HttpServer) -> None:
    url = http.on("/a.pdf", reply(b"%PDF", content_type="application/pdf"))
    attachment = await one(FilledAttachment("url", url=url))
    assert attachment == Attachment(content=b"%PDF", filename="a.pdf", content_type="application/pdf")


async def test_what_is_given_beside_a_url_wins(http: HttpServer) -> None:
    url = http.on("/a.pdf", reply(b"%PDF", content_type="application/pdf"))
    attachment = await one(FilledAttachment("url", url=url, filename="b.bin", content_type="x/y", cid="<logo>"))
    assert attachment == Attachment(content=b"%PDF", filename="b.bin", content_type="x/y", cid="logo")


async def test_a_stream_of_octets_gets_its_type_by_its_name(http: HttpServer) -> None:
    url = http.on("/a.pdf", reply(b"%PDF", content_type="application/octet-stream"))
    assert (await one(FilledAttachment("url", url=url))).content_type == ""


@pytest.mark.parametrize(
    ("filename", "name"),
    [("Invoice 3/2024.pdf", "2024.pdf"), ("a\\b.pdf", "b.pdf"), ("/tmp/a.pdf", ""), ("C:\\a.pdf", ""), (" a.pdf ", "")],
)
async def test_a_slash_within_a_name_is_told(filename: str, name: str) -> None:
    resolved = await resolve(FilledAttachment("text", content="x", filename=filename), limit=MB, guard=LOOPBACK)
    told = f"filename: {filename!r} became {name!r}, because a slash separates folders; write it without a slash"
    assert resolved.warnings == ((told,) if name else ())


async def test_an_https_url_is_verified_as_one_is_told() -> None:
    async with serving(tls.server_context("localhost")) as https:
        https.on("/a", reply(b"x"))
        trust = ssl.create_default_context(cadata=tls.ca_pem())
        spec = FilledAttachment("url", url=https.url("/a", "localhost"))
        resolved = await resolve(spec, limit=MB, guard=LOOPBACK, tls=trust)
    assert resolved.attachment.content == b"x"


async def test_a_data_url_gives_content_and_type() -> None:
    attachment = await one(FilledAttachment("url", url="data:image/png;base64,iVBORw=="))
    assert attachment == Attachment(content=b"\x89PNG", filename="attachment.png", content_type="image/png")


async def test_a_text_is_a_file_of_its_names_type() -> None:
    assert await one(FilledAttachment("text", content="grüß", filename="a.txt")) == Attachment(
        content="grüß".encode(), filename="a.txt", content_type="text/plain; charset=utf-8"
    )
    assert (
        await one(FilledAttachment("text", content="a,b", filename="a.csv"))
    ).content_type == "text/csv; charset=utf-8"
    assert (await one(FilledAttachment("text", content="{}", filename="a.json"))).content_type == "application/json"
    assert (await one(FilledAttachment("text", content="", filename=""))).filename == "attachment.txt"


async def test_base64_is_a_file() -> None:
    spec = FilledAttachment(
        "base64", content="iVBO\nRw==", filename="logo.png", content_type="image/png", cid="logo@mail"
    )
    assert await one(spec) == Attachment(
        content=b"\x89PNG", filename="logo.png", content_type="image/png", cid="logo@mail"
    )


async def test_a_custom_one_is_a_text_of_its_own_type() -> None:
    spec = FilledAttachment("custom", content="<b>ö</b>", content_type="text/html", filename="../x.html")
    assert await one(spec) == Attachment(
        content="<b>ö</b>".encode(), filename="x.html", content_type="text/html; charset=utf-8"
    )
    spec = FilledAttachment("custom", content='{"a": "ö"}', content_type="application/json", filename="x.json")
    assert (await one(spec)).content_type == "application/json"


async def test_the_charset_that_is_named_is_the_one_that_is_used() -> None:
    spec = FilledAttachment("custom", content="ö", content_type='text/csv; charset="iso-8859-1"', filename="x.csv")
    attachment = await one(spec)
    assert (attachment.content, attachment.content_type) == (b"\xf6", 'text/csv; charset="iso-8859-1"')


async def test_a_mime_part_stays_as_it_is() -> None:
    assert await one(FilledAttachment("mime", content="Content-Type: text/plain\r\n\r\nhi", cid="x")) == RawPart(
        content=b"Content-Type: text/plain\r\n\r\nhi", cid="x"
    )


@pytest.mark.parametrize(
    ("spec", "code", "key"),
    [
        (FilledAttachment("url", url="a.pdf"), "badUrl", "url"),
        (FilledAttachment("url", url="http://10.0.0.1/"), "privateAddress", "url"),
        (FilledAttachment("url", url="data:x"), "badDataUrl", "url"),
        (FilledAttachment("url", url="data:;base64,a"), "badBase64", "url"),
        (FilledAttachment("url", url="data:,x", filename="a\nb"), "badHeader", "filename"),
        (FilledAttachment("url", url="data:,x", content_type="pdf"), "badSetting", "contentType"),
        (FilledAttachment("url", url="data:,x", cid="a b"), "badHeader", "cid"),
        (FilledAttachment("text", content="\ud800", filename="a.txt"), "badSetting", "content"),
        (FilledAttachment("text", content="x", filename="a\r\nb"), "badHeader", "filename"),
        (FilledAttachment("text", content="x", cid="a\r\nb"), "badHeader", "cid"),
        (FilledAttachment("text", content="x", cid="a>b"), "badHeader", "cid"),
        (FilledAttachment("base64", content="a"), "badBase64", "content"),
        (FilledAttachment("base64", content="", content_type="multipart/mixed"), "badSetting", "contentType"),
        (FilledAttachment("custom", content="x", content_type="x"), "badSetting", "contentType"),
        (FilledAttachment("custom", content="€", content_type="text/a; charset=latin-1"), "badSetting", "content"),
        (FilledAttachment("custom", content="x", content_type="text/a; charset=none"), "badSetting", "content"),
        (FilledAttachment("custom", content="x", content_type="text/a; charset=base64"), "badSetting", "content"),
        (
            FilledAttachment("custom", content="\u4e00", content_type="text/a; charset=Punycode"),
            "badSetting",
            "content",
        ),
        (
            FilledAttachment("custom", content="x", content_type="text/a; charset=unicode-escape"),
            "badSetting",
            "content",
        ),
        (FilledAttachment("mime", content="\udfff"), "badSetting", "content"),
        (FilledAttachment("mime", content="", cid="ö"), "badHeader", "cid"),
    ],
)
async def test_what_can_not_be_attached_says_which_setting_is_wrong(
    spec: FilledAttachment, code: str, key: str
) -> None:
    await refused(spec, code, key)


@pytest.mark.parametrize(
    ("spec", "key", "name"),
    [
        (FilledAttachment("url", url="data:,12345"), "url", "data URL"),
        (FilledAttachment("text", content="12345", filename="a.txt"), "content", "a.txt"),
        (FilledAttachment("text", content="ööö", filename="a.txt"), "content", "a.txt"),
        (
            FilledAttachment("base64", content=base64.b64encode(b"12345").decode(), filename="a.bin"),
            "content",
            "a.bin",
        ),
        (FilledAttachment("custom", content="12345", content_type="x/y", filename="a.y"), "content", "a.y"),
        (FilledAttachment("mime", content="12345"), "content", "MIME part"),
    ],
)
async def test_the_limit_holds_for_every_type_and_names_the_file(spec: FilledAttachment, key: str, name: str) -> None:
    error = await refused(spec, "attachmentTooLarge", key, limit=4)
    assert f"'{name}'" in error.message


async def test_the_limit_is_said_in_mb_of_1024_times_1024() -> None:
    spec = FilledAttachment("text", content="x" * (MB + 1), filename="a.txt")
    error = await refused(spec, "attachmentTooLarge", "content")
    assert "has 1,048,577 bytes or more; the limit is 1 MB (1,048,576 bytes)" in error.message


async def test_a_url_over_the_limit_is_refused(http: HttpServer) -> None:
    await refused(FilledAttachment("url", url=http.on("/a", reply(b"12345"))), "attachmentTooLarge", "url", limit=4)


async def test_all_are_resolved_in_their_order(http: HttpServer) -> None:
    url = http.on("/b.txt", reply(b"b", content_type="text/plain"))
    specs: list[FilledAttachment] = [
        FilledAttachment("text", content="a", filename="a.txt"),
        FilledAttachment("url", url=url),
        FilledAttachment("mime", content="\n"),
    ]
    resolved = await resolve_all(specs, limit_each=MB, guard=LOOPBACK)
    assert [one.attachment.content for one in resolved] == [b"a", b"b", b"\n"]
    assert isinstance(resolved[2].attachment, RawPart)
    assert await resolve_all([], limit_each=MB, guard=LOOPBACK) == ()


async def test_an_error_says_which_attachment_it_is(http: HttpServer) -> None:
    specs: list[FilledAttachment] = [
        FilledAttachment("text", content="a"),
        FilledAttachment("url", url=http.url("/none")),
    ]
    with pytest.raises(AttachmentError, match="404") as caught:
        await resolve_all(specs, limit_each=MB, guard=LOOPBACK)
    assert caught.value.key == "attachments[1].url"


async def test_one_that_fails_calls_the_others_off(http: HttpServer) -> None:
    specs: list[FilledAttachment] = [
        FilledAttachment("url", url=http.on("/a", stalling())),
        FilledAttachment("base64", content="!"),
    ]
    with pytest.raises(AttachmentError) as caught:
        await resolve_all(specs, limit_each=MB, guard=LOOPBACK)
    assert caught.value.key == "attachments[1].content"


def test_no_content_is_in_a_repr() -> None:
    assert "secret" not in repr(
        [FilledAttachment("text", content="secret"), FilledAttachment("base64", content="secret")]
    )
