"""The five types of attachment, by what a server received."""

import base64

import pytest

from support.flows import run, send, to_server, write_flow
from support.http_server import reply, serving

PDF = b"%PDF-1.4\n" + bytes(range(256)) * 8
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def files(sent):
    return {part.get_filename(): part for part in sent.message.iter_attachments()}


class TestEachType:
    async def test_url(self, inbox, tmp_path, monkeypatch):
        monkeypatch.setenv("MAILNODE_FETCH_ALLOW", "127.0.0.1")
        async with serving() as web:
            url = web.on("/invoice.pdf", reply(PDF, content_type="application/pdf"))
            sent = await send(inbox, tmp_path, {"url": url}, attachments=[{"type": "url", "url": "{{ input.url }}"}])
        part = files(sent)["invoice.pdf"]
        assert (part.get_content_type(), part.get_content()) == ("application/pdf", PDF)

    async def test_url_with_a_name_and_type_of_its_own(self, inbox, tmp_path):
        data = {"type": "url", "url": "data:text/plain;base64,SGk=", "filename": "a.csv", "contentType": "text/csv"}
        part = files(await send(inbox, tmp_path, attachments=[data]))["a.csv"]
        assert (part.get_content_type(), part.get_payload(decode=True)) == ("text/csv", b"Hi")

    async def test_text(self, inbox, tmp_path):
        text = {"type": "text", "content": "Grüße, {{ input.name }}\n", "filename": "{{ input.name }}.txt"}
        part = files(await send(inbox, tmp_path, {"name": "Zoë"}, attachments=[text]))["Zoë.txt"]
        assert part.get_content_type() == "text/plain"
        assert part.get_content() == "Grüße, Zoë\n"

    async def test_base64(self, inbox, tmp_path):
        encoded = base64.encodebytes(PDF).decode()
        one = {"type": "base64", "content": encoded, "filename": "a.bin", "contentType": "application/x-thing"}
        part = files(await send(inbox, tmp_path, attachments=[one]))["a.bin"]
        assert (part.get_content_type(), part.get_content()) == ("application/x-thing", PDF)

    async def test_custom(self, inbox, tmp_path):
        one = {
            "type": "custom",
            "content": '{"n": {{ input.n }}}',
            "contentType": "application/json",
            "filename": "o.json",
        }
        part = files(await send(inbox, tmp_path, {"n": 3}, attachments=[one]))["o.json"]
        assert (part.get_content_type(), part.get_payload(decode=True)) == ("application/json", b'{"n": 3}')

    async def test_mime(self, inbox, tmp_path):
        content = (
            'Content-Type: text/calendar; method=REQUEST\nContent-Disposition: attachment; filename="i.ics"\n\nBEGIN\n'
        )
        part = files(await send(inbox, tmp_path, attachments=[{"type": "mime", "content": content}]))["i.ics"]
        assert part.get_content_type() == "text/calendar"
        assert part.get_param("method") == "REQUEST"
        assert part.get_content().strip() == "BEGIN"


class TestWhereTheyStand:
    async def test_a_file_the_html_refers_to_stands_beside_it(self, inbox, tmp_path):
        logo = {"type": "base64", "content": base64.b64encode(PNG).decode(), "filename": "l.png", "cid": "logo"}
        sent = await send(inbox, tmp_path, content='<img src="cid:logo" alt="Logo">', attachments=[logo])
        assert sent.message.get_content_type() == "multipart/alternative"
        _, related = sent.message.iter_parts()
        assert related.get_content_type() == "multipart/related"
        html, image = related.iter_parts()
        assert (html.get_content_type(), image.get_content_type()) == ("text/html", "image/png")
        assert (image["Content-ID"], image.get_content_disposition()) == ("<logo>", "inline")
        assert image.get_content() == PNG

    async def test_one_it_does_not_refer_to_is_an_ordinary_attachment(self, inbox, tmp_path):
        other = {"type": "text", "content": "x", "filename": "a.txt", "cid": "nobody"}
        sent = await send(inbox, tmp_path, attachments=[other])
        assert sent.message.get_content_type() == "multipart/mixed"
        assert files(sent)["a.txt"].get_content_disposition() == "attachment"

    async def test_text_and_html_are_alternatives_and_never_siblings_of_files(self, inbox, tmp_path):
        several = [{"type": "text", "content": str(n), "filename": f"{n}.txt"} for n in range(3)]
        sent = await send(inbox, tmp_path, attachments=several)
        first, *rest = sent.message.iter_parts()
        assert first.get_content_type() == "multipart/alternative"
        assert [part.get_filename() for part in rest] == ["0.txt", "1.txt", "2.txt"]

    async def test_a_path_in_a_name_does_not_leave_the_house(self, inbox, tmp_path):
        one = {"type": "text", "content": "x", "filename": "../../etc/passwd"}
        assert set(files(await send(inbox, tmp_path, attachments=[one]))) == {"passwd"}


@pytest.mark.parametrize(
    ("attachment", "code", "key"),
    [
        ({"type": "base64", "content": "%%%", "filename": "a"}, "badBase64", "content"),
        ({"type": "url", "url": "data:text/plain"}, "badDataUrl", "url"),
        ({"type": "url", "url": "http://127.0.0.1/x"}, "privateAddress", "url"),
        ({"type": "url", "url": "http://[::ffff:10.0.0.1]/x"}, "privateAddress", "url"),
        ({"type": "url", "url": "file:///etc/passwd"}, "badUrl", "url"),
        ({"type": "mime", "content": "no header here"}, "badMime", ""),
        ({"type": "mime", "content": "Subject : hi\nContent-Type: text/plain\n\nx"}, "badMime", ""),
        ({"type": "custom", "content": "x", "contentType": "nonsense", "filename": "a"}, "badSetting", "contentType"),
        ({"type": "text", "content": "x", "filename": "a\r\nb.txt"}, "badHeader", "filename"),
    ],
)
async def test_one_that_can_not_be_had_is_one_error_and_no_server_hears_of_the_mail(
    inbox, tmp_path, attachment, code, key
):
    settings = to_server(inbox.port, attachments=[{"type": "text", "content": "ok", "filename": "ok.txt"}, attachment])
    ran = await run(write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings}))
    report = ran.nodes[0].result
    assert report["status"] == "failed"
    assert report["error"]["code"] == code
    assert "attachments[1]" + (f".{key}" if key else "") in report["error"]["message"]
    assert report["error"]["hint"]
    assert inbox.messages() == []
