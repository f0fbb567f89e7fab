import base64
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mailnode.errors import AttachmentError
from mailnode.message.email import Attachment, RawPart
from mailnode.node.address_guard import AddressGuard
from mailnode.node.attachment import (
    AttachmentSpec,
    Base64Attachment,
    CustomAttachment,
    MimeAttachment,
    TextAttachment,
    UrlAttachment,
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


async def one(spec: AttachmentSpec, *, limit: int = MB) -> Any:
    return (await resolve(spec, limit=limit, guard=LOOPBACK)).attachment


async def refused(spec: AttachmentSpec, code: str, key: str, *, limit: int = MB) -> AttachmentError:
    with pytest.raises(AttachmentError) as caught:
        await one(spec, limit=limit)
    assert (caught.value.code, caught.value.key) == (code, key)
    assert caught.value.hint
    return caught.value


async def test_a_url_gives_content_type_and_name(http: HttpServer) -> None:
    url = http.on("/a.pdf", reply(b"%PDF", content_type="application/pdf"))
    attachment = await one(UrlAttachment(url=url))
    assert attachment == Attachment(content=b"%PDF", filename="a.pdf", content_type="application/pdf")


async def test_what_is_given_beside_a_url_wins(http: HttpServer) -> None:
    url = http.on("/a.pdf", reply(b"%PDF", content_type="application/pdf"))
    attachment = await one(UrlAttachment(url=url, filename="b.bin", content_type="x/y", cid="<logo>"))
    assert attachment == Attachment(content=b"%PDF", filename="b.bin", content_type="x/y", cid="logo")


async def test_a_stream_of_octets_gets_its_type_by_its_name(http: HttpServer) -> None:
    url = http.on("/a.pdf", reply(b"%PDF", content_type="application/octet-stream"))
    assert (await one(UrlAttachment(url=url))).content_type == ""


@pytest.mark.parametrize(
    ("filename", "name"),
    [("Invoice 3/2024.pdf", "2024.pdf"), ("a\\b.pdf", "b.pdf"), ("/tmp/a.pdf", ""), ("C:\\a.pdf", ""), (" a.pdf ", "")],
)
async def test_a_slash_within_a_name_is_told(filename: str, name: str) -> None:
    resolved = await resolve(TextAttachment(content="x", filename=filename), limit=MB, guard=LOOPBACK)
    told = f"filename: {filename!r} became {name!r}, because a slash separates folders; write it without one"
    assert resolved.warnings == ((told,) if name else ())


async def test_an_https_url_is_verified_as_one_is_told() -> None:
    async with serving(tls.server_context("localhost")) as https:
        https.on("/a", reply(b"x"))
        trust = ssl.create_default_context(cadata=tls.ca_pem())
        spec = UrlAttachment(url=https.url("/a", "localhost"))
        resolved = await resolve(spec, limit=MB, guard=LOOPBACK, tls=trust)
    assert resolved.attachment.content == b"x"


async def test_a_data_url_gives_content_and_type() -> None:
    attachment = await one(UrlAttachment(url="data:image/png;base64,iVBORw=="))
    assert attachment == Attachment(content=b"\x89PNG", filename="attachment.png", content_type="image/png")


async def test_a_text_is_a_file_of_its_names_type() -> None:
    assert await one(TextAttachment(content="grüß", filename="a.txt")) == Attachment(
        content="grüß".encode(), filename="a.txt", content_type="text/plain; charset=utf-8"
    )
    assert (await one(TextAttachment(content="a,b", filename="a.csv"))).content_type == "text/csv; charset=utf-8"
    assert (await one(TextAttachment(content="{}", filename="a.json"))).content_type == "application/json"
    assert (await one(TextAttachment(content="", filename=""))).filename == "attachment.txt"


async def test_base64_is_a_file() -> None:
    spec = Base64Attachment(content="iVBO\nRw==", filename="logo.png", content_type="image/png", cid="logo@mail")
    assert await one(spec) == Attachment(
        content=b"\x89PNG", filename="logo.png", content_type="image/png", cid="logo@mail"
    )


async def test_a_custom_one_is_a_text_of_its_own_type() -> None:
    spec = CustomAttachment(content="<b>ö</b>", content_type="text/html", filename="../x.html")
    assert await one(spec) == Attachment(
        content="<b>ö</b>".encode(), filename="x.html", content_type="text/html; charset=utf-8"
    )
    spec = CustomAttachment(content='{"a": "ö"}', content_type="application/json", filename="x.json")
    assert (await one(spec)).content_type == "application/json"


async def test_the_charset_that_is_named_is_the_one_that_is_used() -> None:
    spec = CustomAttachment(content="ö", content_type='text/csv; charset="iso-8859-1"', filename="x.csv")
    attachment = await one(spec)
    assert (attachment.content, attachment.content_type) == (b"\xf6", 'text/csv; charset="iso-8859-1"')


async def test_a_mime_part_stays_as_it_is() -> None:
    assert await one(MimeAttachment(content="Content-Type: text/plain\r\n\r\nhi", cid="x")) == RawPart(
        content=b"Content-Type: text/plain\r\n\r\nhi", cid="x"
    )


@pytest.mark.parametrize(
    ("spec", "code", "key"),
    [
        (UrlAttachment(url="a.pdf"), "badUrl", "url"),
        (UrlAttachment(url="http://10.0.0.1/"), "privateAddress", "url"),
        (UrlAttachment(url="data:x"), "badDataUrl", "url"),
        (UrlAttachment(url="data:;base64,a"), "badBase64", "url"),
        (UrlAttachment(url="data:,x", filename="a\nb"), "badHeader", "filename"),
        (UrlAttachment(url="data:,x", content_type="pdf"), "badSetting", "contentType"),
        (UrlAttachment(url="data:,x", cid="a b"), "badHeader", "cid"),
        (TextAttachment(content="\ud800", filename="a.txt"), "badSetting", "content"),
        (TextAttachment(content="x", filename="a\r\nb"), "badHeader", "filename"),
        (TextAttachment(content="x", cid="a\r\nb"), "badHeader", "cid"),
        (TextAttachment(content="x", cid="a>b"), "badHeader", "cid"),
        (Base64Attachment(content="a"), "badBase64", "content"),
        (Base64Attachment(content="", content_type="multipart/mixed"), "badSetting", "contentType"),
        (CustomAttachment(content="x", content_type="x"), "badSetting", "contentType"),
        (CustomAttachment(content="€", content_type="text/a; charset=latin-1"), "badSetting", "content"),
        (CustomAttachment(content="x", content_type="text/a; charset=none"), "badSetting", "content"),
        (CustomAttachment(content="x", content_type="text/a; charset=base64"), "badSetting", "content"),
        (CustomAttachment(content="\u4e00", content_type="text/a; charset=Punycode"), "badSetting", "content"),
        (CustomAttachment(content="x", content_type="text/a; charset=unicode-escape"), "badSetting", "content"),
        (MimeAttachment(content="\udfff"), "badSetting", "content"),
        (MimeAttachment(content="", cid="ö"), "badHeader", "cid"),
    ],
)
async def test_what_can_not_be_attached_says_which_setting_is_wrong(spec: AttachmentSpec, code: str, key: str) -> None:
    await refused(spec, code, key)


@pytest.mark.parametrize(
    ("spec", "key", "name"),
    [
        (UrlAttachment(url="data:,12345"), "url", "data URL"),
        (TextAttachment(content="12345", filename="a.txt"), "content", "a.txt"),
        (TextAttachment(content="ööö", filename="a.txt"), "content", "a.txt"),
        (Base64Attachment(content=base64.b64encode(b"12345").decode(), filename="a.bin"), "content", "a.bin"),
        (CustomAttachment(content="12345", content_type="x/y", filename="a.y"), "content", "a.y"),
        (MimeAttachment(content="12345"), "content", "MIME part"),
    ],
)
async def test_the_limit_holds_for_every_type_and_names_the_file(spec: AttachmentSpec, key: str, name: str) -> None:
    error = await refused(spec, "attachmentTooLarge", key, limit=4)
    assert f"'{name}'" in error.message


async def test_the_limit_is_said_in_mb_of_1024_times_1024() -> None:
    spec = TextAttachment(content="x" * (MB + 1), filename="a.txt")
    error = await refused(spec, "attachmentTooLarge", "content")
    assert "has 1,048,577 bytes or more; the limit is 1 MB (1,048,576 bytes)" in error.message


async def test_a_url_over_the_limit_is_refused(http: HttpServer) -> None:
    await refused(UrlAttachment(url=http.on("/a", reply(b"12345"))), "attachmentTooLarge", "url", limit=4)


async def test_all_are_resolved_in_their_order(http: HttpServer) -> None:
    url = http.on("/b.txt", reply(b"b", content_type="text/plain"))
    specs: list[AttachmentSpec] = [
        TextAttachment(content="a", filename="a.txt"),
        UrlAttachment(url=url),
        MimeAttachment(content="\n"),
    ]
    resolved = await resolve_all(specs, limit_each=MB, guard=LOOPBACK)
    assert [one.attachment.content for one in resolved] == [b"a", b"b", b"\n"]
    assert isinstance(resolved[2].attachment, RawPart)
    assert await resolve_all([], limit_each=MB, guard=LOOPBACK) == ()


async def test_an_error_says_which_attachment_it_is(http: HttpServer) -> None:
    specs: list[AttachmentSpec] = [TextAttachment(content="a"), UrlAttachment(url=http.url("/none"))]
    with pytest.raises(AttachmentError, match="404") as caught:
        await resolve_all(specs, limit_each=MB, guard=LOOPBACK)
    assert caught.value.key == "attachments[1].url"


async def test_one_that_fails_calls_the_others_off(http: HttpServer) -> None:
    specs: list[AttachmentSpec] = [UrlAttachment(url=http.on("/a", stalling())), Base64Attachment(content="!")]
    with pytest.raises(AttachmentError) as caught:
        await resolve_all(specs, limit_each=MB, guard=LOOPBACK)
    assert caught.value.key == "attachments[1].content"


def test_no_content_is_in_a_repr() -> None:
    assert "secret" not in repr([TextAttachment(content="secret"), Base64Attachment(content="secret")])
