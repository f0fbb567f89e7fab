"""What people and other programs write a little differently: it is read as it is meant, where that is safe."""

import base64
from email.message import EmailMessage
from typing import Any

import pytest

from mailnode.inbox.server import Inbox
from support.flows import Sent, send
from support.isolated_node import is_clear, made
from support.mail_readers import read_by_npm

PDF = b"%PDF-1.7 \xfb\xff\xbf"
PADDED = base64.b64encode(PDF).decode()


async def read_twice(sent: Sent) -> dict[str, Any]:
    """Give what postal-mime reads, when the standard library reads the same."""
    (other,) = read_by_npm([sent.received.octets()])
    assert other["subject"] == sent.message["Subject"]
    assert other["to"] == [address.addr_spec for address in sent.message["To"].addresses]
    read: dict[str, Any] = other
    return read


class TestEndsOfValues:
    async def test_line_ends_at_the_ends_of_values_are_none_of_theirs(self, inbox: Inbox, tmp_path):
        state = {"e": "jane@example.org\n", "s": "4711\r\n", "n": " no. 5 ", "f": "a.txt\n", "x": "\tone \n\n"}
        sent = await send(
            inbox,
            tmp_path,
            state,
            to="{{ input.e }}",
            cc="Ann {{ input.s }} <ann@example.org>",
            subject="Order {{ input.s }}",
            envelopeFrom="{{ input.e }}",
            headers={"X-Within": "Order{{ input.n }}x", "X-Whole": "{{ input.n }}", "X-Ends": "<{{ input.x }}>"},
            attachments=[{"type": "text", "content": "{{ input.s }}", "filename": "{{ input.f }}"}],
        )
        other = await read_twice(sent)
        assert sent.received.rcpt_to == ("jane@example.org", "ann@example.org")
        assert sent.received.mail_from == "jane@example.org"
        assert other["subject"] == "Order 4711"
        assert sent.message["Cc"] == "Ann 4711 <ann@example.org>"
        assert [sent.message[f"X-{name}"] for name in ("Within", "Whole", "Ends")] == [
            *("Order no. 5 x", "no. 5", "<one >"),
        ]
        (file,) = sent.message.iter_attachments()
        assert (file.get_filename(), file.get_content()) == ("a.txt", "4711\r\n")

    async def test_a_line_that_the_author_wrote_as_a_block_has_no_end(self):
        mail = await made(
            None,
            **{"from": "shop@example.com\n"},
            subject="Hello \n",
            inReplyTo="a@x.org\n",
            references="<r@x.org>\n<s@x.org>\n",
            listUnsubscribe="https://x.org/u\nmailto:u@x.org\n",
            headers={"X-Order": "7\n"},
        )
        assert isinstance(mail, EmailMessage)
        assert (mail["Subject"], mail["X-Order"]) == ("Hello ", "7")
        assert mail["References"] == "<r@x.org> <s@x.org> <a@x.org>"
        assert mail["List-Unsubscribe"] == "<https://x.org/u>, <mailto:u@x.org>"

    @pytest.mark.parametrize("value", ["a\nBcc: evil@x.org", "a\r\n b", "\na\nb\n"])
    @pytest.mark.parametrize("key", ["to", "from", "envelopeFrom", "subject", "idempotencyKey", "headers.X-A"])
    async def test_a_line_end_within_a_value_stays_an_error(self, key, value):
        name, _, field = key.partition(".")
        written = {field: "{{ input.v }}"} if field else "{{ input.v }}"
        is_clear(await made({"v": value}, **{name: written}), key, "badHeader")

    async def test_references_are_read_as_they_are_folded(self, inbox: Inbox, tmp_path):
        sent = await send(
            inbox,
            tmp_path,
            {"r": "<a@example.org>\r\n <b@example.org>\n\t<c@example.org>\r\n", "m": "\n <d@example.org>\n"},
            references="{{ input.r }}",
            inReplyTo="{{ input.m }}",
        )
        await read_twice(sent)
        ids = "<a@example.org> <b@example.org> <c@example.org> <d@example.org>"
        assert " ".join(sent.message["References"].split()) == ids
        assert sent.message["In-Reply-To"] == "<d@example.org>"
        is_clear(await made({"r": "<a@x.org>\r\nBcc: e@x.org"}, references="{{ input.r }}"), "references", "badHeader")


class TestRecipients:
    async def test_one_a_line_where_the_author_typed_them(self, inbox: Inbox, tmp_path):
        sent = await send(
            inbox,
            tmp_path,
            {"e": "ann@example.org\n"},
            to="jane@example.org\njoe@example.org\n",
            cc="Chef <chef@example.org>\n{{ input.e }}\n",
        )
        other = await read_twice(sent)
        assert sent.received.rcpt_to == (
            *("jane@example.org", "joe@example.org"),
            *("chef@example.org", "ann@example.org"),
        )
        assert other["cc"] == ["chef@example.org", "ann@example.org"]

    async def test_a_name_behind_the_address_is_its_name(self, inbox: Inbox, tmp_path):
        sent = await send(inbox, tmp_path, {"e": "joe@example.org (Joe Doe)"}, to="jane@example.org (Jane Doe)")
        await read_twice(sent)
        assert sent.message["To"] == "Jane Doe <jane@example.org>"

    async def test_an_address_as_its_own_name_is_no_name(self, inbox: Inbox, tmp_path):
        state = {"f": "joe@example.org <joe@example.org>"}
        sent = await send(inbox, tmp_path, state, to="jane@example.org <jane@example.org>, {{ input.f }}")
        await read_twice(sent)
        assert sent.message["To"] == "jane@example.org, joe@example.org"


class TestBase64:
    @pytest.mark.parametrize(
        "text",
        [
            f"data:application/pdf;base64,{PADDED}",
            PADDED.rstrip("="),
            PADDED.replace("+", "-").replace("/", "_"),
            f" data:application/pdf;base64,{PADDED.replace('+', '-').replace('/', '_').rstrip('=')}\n",
            f"data:;base64,{PADDED}",
        ],
    )
    async def test_a_file_in_any_of_its_forms(self, text):
        for content in (text, "{{ input.d }}"):
            file = {"type": "base64", "content": content, "filename": "a.pdf"}
            mail = await made({"d": text}, attachments=[file])
            assert isinstance(mail, EmailMessage)
            (read,) = mail.iter_attachments()
            assert (read.get_content(), read.get_content_type()) == (PDF, "application/pdf")
            (other,) = read_by_npm([mail.as_bytes()])
            assert other["attachments"] == [{"filename": "a.pdf", "type": "application/pdf", "size": len(PDF)}]

    async def test_a_data_url_without_a_file_name_has_the_one_of_its_type(self):
        mail = await made(
            attachments=[{"type": "base64", "content": f"data:image/png;base64,{PADDED}", "filename": ""}]
        )
        assert isinstance(mail, EmailMessage)
        (read,) = mail.iter_attachments()
        assert (read.get_content_type(), read.get_filename()) == ("image/png", "attachment.png")

    async def test_what_is_broken_in_it_is_told_with_the_setting(self):
        file = {"type": "base64", "content": "data:image/png;base64,a", "filename": "a.png"}
        is_clear(await made(attachments=[file]), "attachments[0].content", "badBase64")


class TestAutomatic:
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({}, "auto-generated"),
            ({"inReplyTo": "a@x.org"}, "auto-replied"),
            ({"inReplyTo": "a@x.org", "autoSubmitted": "auto-generated"}, "auto-generated"),
            ({"autoSubmitted": "auto-replied"}, "auto-replied"),
            ({"autoSubmitted": "no"}, "no"),
        ],
    )
    async def test_the_author_may_say_whether_a_mail_is_automatic(self, inbox: Inbox, tmp_path, settings, said):
        sent = await send(inbox, tmp_path, **settings)
        other = await read_twice(sent)
        assert sent.message.get_all("Auto-Submitted") == [said]
        assert other["names"].count("auto-submitted") == 1


class TestLanguage:
    async def test_the_language_of_a_mail_is_a_field_of_its_author(self, inbox: Inbox, tmp_path):
        headers = {"Content-Language": "{{ input.l }}", "X-Shop": "1"}
        sent = await send(inbox, tmp_path, {"l": "de, en-GB"}, headers=headers)
        other = await read_twice(sent)
        assert sent.message.get_all("Content-Language") == ["de, en-GB"]
        assert other["names"].count("content-language") == 1
        assert sent.body("html").strip() == "<p>Hello</p>"

    @pytest.mark.parametrize("language", ["Deutsch!", "de_DE", "", "deutschland", "de en"])
    async def test_what_is_no_language_is_told(self, language):
        error = await made({"l": language}, headers={"Content-Language": "{{ input.l }}"})
        is_clear(error, "headers.Content-Language", "badHeader")
