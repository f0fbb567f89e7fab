"""Mail that quotes a stranger's odd data goes out all the same: by what a server received and others read."""

import re
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from mailnode.inbox.server import Inbox
from support.flows import run, to_server, write_flow
from support.http_server import redirect, reply, serving
from support.mail_readers import files_by_munpack, files_by_uudeview, read_by_npm, read_by_stdlib

GITHUB = "reply+000c89caea14b0bf53caf17fd0c9c67fce378f51fd1af05492cf000000011292f3d892a169ce07601530@reply.github.com"
RAW_BODY = "From: in the body\r\n"


class Delivered:
    """Mails of one run, as it tells of them, as the inbox has them, and as others read them."""

    def __init__(self, reports: list[dict[str, Any]], octets: list[bytes], envelopes: list[tuple[str, ...]]) -> None:
        self.warnings = [report["warnings"] for report in reports]
        self.octets = octets
        self.envelopes = envelopes
        self.stdlib: list[EmailMessage] = [read_by_stdlib(mail) for mail in octets]

    def read_by(self, parser: str) -> list[Any]:
        return list(read_by_npm(self.octets, parser=parser))


async def deliver(inbox: Inbox, folder: Any, *mails: dict[str, Any], state: dict[str, Any] | None = None) -> Delivered:
    nodes = [
        {"id": f"mail-{number}", "type": "sendSmtpEmail", "settings": to_server(inbox.port, **mail)}
        for number, mail in enumerate(mails)
    ]
    ran = await run(write_flow(folder, *nodes), input=state or {})
    for node in ran.nodes:
        assert node.result["status"] == "sent", node.result["error"]
    kept = inbox.messages()
    return Delivered(
        [node.result for node in ran.nodes],
        [one.octets() for one in kept],
        [tuple(one.rcpt_to) for one in kept],
    )


async def test_a_local_part_over_64_bytes_is_sent(inbox, tmp_path):
    sent = await deliver(inbox, tmp_path, {"to": GITHUB}, {"to": "{{ input.f }}"}, state={"f": f"org/repo <{GITHUB}>"})
    assert sent.envelopes == [(GITHUB,), (GITHUB,)]
    for read in (*sent.read_by("postal-mime"), *sent.read_by("mailparser")):
        assert read["to"] == [GITHUB]
    assert [mail["To"].addresses[0].addr_spec for mail in sent.stdlib] == [GITHUB] * 2
    assert sent.warnings == [[], []]


async def test_a_broken_message_id_of_another_mail_is_left_out(inbox, tmp_path):
    broken = ["<20441CAE-AC6C-11E8-A6A3-95470D09546E>", '<"abc def"@example.org>', "20220720005922.0000000004E@"]
    good = "<good@example.org>"
    mails = [{"inReplyTo": one, "references": f"{one} {good}"} for one in broken]
    sent = await deliver(inbox, tmp_path, *mails)
    for mail, one in zip(sent.stdlib, broken, strict=True):
        assert mail["In-Reply-To"] is None
        assert mail["References"] == good
        assert sent.warnings[broken.index(one)] == [
            f"inReplyTo: {one!r} is not a valid Message-ID and was left out",
            f"references: {one!r} is not a valid Message-ID and was left out",
        ]
    for parser in ("postal-mime", "mailparser"):
        assert [(read["inReplyTo"], read["references"]) for read in sent.read_by(parser)] == [("", good)] * 3


FOREIGN = {
    "From": "ceo@bank.example",
    "Bcc": "spy@x.example",
    "Reply-To": "thief@x.example",
    "Date": "Mon, 1 Jan 2001 00:00:00 +0000",
    "DKIM-Signature": "v=1; a=rsa-sha256; d=bank.example; s=s; bh=x; b=x;",
    "Received": "from bank.example by x.example; Mon, 1 Jan 2001 00:00:00 +0000",
    "Return-Path": "<ceo@bank.example>",
    "Subject": "Grüße",
}


async def test_no_field_of_a_raw_part_stands_in_the_mails_own_header(inbox, tmp_path):
    body = f"Content-Type: text/x-odd; charset=utf-8\r\n\r\n{RAW_BODY}"
    fields = [f"{name}: {value}\r\n" for name, value in FOREIGN.items()]
    heads = ["".join(fields), "".join(f"{field.strip()},\r\n\tand more\r\n" for field in fields), ""]
    mails = [
        {"content": content, "attachments": [{"type": "mime", "content": f"{head}{body}"}]}
        for content in ("", "<p>Hello</p>")
        for head in heads
    ]
    sent = await deliver(inbox, tmp_path, *mails)
    for number, (said, mail) in enumerate(zip(mails, sent.stdlib, strict=True)):
        # What goes out is what would go without those fields.
        assert mail.keys() == sent.stdlib[number // 3 * 3 + 2].keys()
        assert mail["From"] == "shop@example.com"
        odd = list(mail.iter_attachments())[-1] if said["content"] else mail
        assert (odd.get_content_type(), odd.get_content()) == ("text/x-odd", RAW_BODY)
        left_out = f"attachments[0]: left out {', '.join(FOREIGN)}: only Content- header fields belong to a body part"
        warnings = [one for one in sent.warnings[number] if one.startswith("attachments")]
        assert warnings == ([left_out] if number % 3 < 2 else [])
    for parser in ("postal-mime", "mailparser"):
        for mail, read in zip(sent.stdlib, sent.read_by(parser), strict=True):
            assert read["names"] == [name.lower() for name in mail.keys()]  # noqa: SIM118 -- the fields in their order
            assert (read["from"], read["bcc"], read["replyTo"]) == ("shop@example.com", [], [])
    assert sent.envelopes == [("jane@example.org",)] * len(mails)


async def test_a_mail_that_is_not_well_formed_is_attached_as_it_is(inbox, tmp_path):
    texts = {
        "umlaut": "From: a@example.com\r\nSubject: Grüße\r\n\r\nx\r\n",
        "no-boundary": "Subject: x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nno boundary at all\r\n",
        "bad-base64": "Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBE!\r\n",
        "signed": "Subject: x\r\nContent-Type: multipart/signed; boundary=s; protocol=x/y\r\n\r\n--s\r\n\r\nGrüße\r\n"
        "--s\r\nContent-Type: x/y\r\n\r\nz\r\n--s--\r\n",
    }
    mail = {"type": "custom", "contentType": "message/rfc822"}
    mails = [{"attachments": [{**mail, "filename": f"{name}.eml", "content": text}]} for name, text in texts.items()]
    sent = await deliver(inbox, tmp_path, *mails)
    for number, (name, text) in enumerate(texts.items()):
        (part,) = sent.stdlib[number].iter_attachments()
        assert (part.get_filename(), part.get_content_type()) == (f"{name}.eml", "application/octet-stream")
        assert part.get_content() == text.encode()
        assert files_by_munpack(sent.octets[number])[f"{name}.eml"] == text.encode()
        assert files_by_uudeview(sent.octets[number])[f"{name}.eml"] == text.encode()
        (warning,) = sent.warnings[number]
        assert "attached unchanged as a file (application/octet-stream), not as a message (" in warning
    for parser in ("postal-mime", "mailparser"):
        for read, (name, text) in zip(sent.read_by(parser), texts.items(), strict=True):
            (file,) = read["attachments"]  # whose type mailparser takes from the name
            assert (file["filename"], file["size"]) == (f"{name}.eml", len(text.encode()))


NAMES = [
    "Rechnung Müller.pdf",
    "재빠 게으갈색 여 우가 통나 REPORT (위로뛰어 올랐).pdf",
    "A report that has a very long name, with blanks and all, of far more than sixty characters.pdf",
    "a-report-that-has-a-very-long-name-without-any-blank-of-far-more-than-sixty-characters.pdf",
    "report;2,3.pdf",
    'the "best" one.pdf',
    "=?utf-8?B?dGVzdA==?=.pdf",
]


async def test_every_reader_knows_a_files_name(inbox, tmp_path):
    mails = [{"attachments": [{"type": "base64", "content": "JVBERi0x", "filename": name}]} for name in NAMES]
    sent = await deliver(inbox, tmp_path, *mails)
    read = {parser: sent.read_by(parser) for parser in ("postal-mime", "mailparser")}
    for number, name in enumerate(NAMES):
        (part,) = sent.stdlib[number].iter_attachments()
        assert (part.get_filename(), part["Content-Type"].params["name"]) == (name, name)
        # postal-mime decodes what only looks like an encoded-word, even in RFC 2231.
        known = [parser for parser in read if parser == "mailparser" or "=?" not in name]
        for parser in known:
            assert read[parser][number]["attachments"] == [{"filename": name, "type": "application/pdf", "size": 6}]
        # munpack decodes no name, and writes an X for what a shell might take for something.
        (plain,) = files_by_munpack(sent.octets[number])
        is_decoded = name.isascii() and "=?" not in name
        assert plain.startswith(re.sub(r"[ ;()\"]", "X", name) if is_decoded else "=Xutf-8Xb")
        # uudeview keeps a blank between encoded-words, and knows no quote in a name.
        (found,) = files_by_uudeview(sent.octets[number])
        assert '"' in name or "".join(found.split()) == "".join(name.split())


async def test_the_token_of_a_field_stays_readable_beside_a_name_that_is_not_ascii(inbox, tmp_path):
    fields = {
        "List-ID": ("Grüße aus Köln <news.example.com>", "<news.example.com>"),
        "X-Campaign": ("Frühling <https://example.com/c?id=7>", "<https://example.com/c?id=7>"),
    }
    sent = await deliver(inbox, tmp_path, {"headers": {name: value for name, (value, _) in fields.items()}})
    for name, (value, token) in fields.items():
        assert str(sent.stdlib[0][name]) == value
        assert f" {token}\r\n".encode() in sent.octets[0]
        for parser in ("postal-mime", "mailparser"):
            (read,) = sent.read_by(parser)
            assert token in next(value for key, value in read["fields"] if key == name.lower())


@dataclass(frozen=True)
class Served:
    """What a web server says of a file, and what it is in the mail."""

    path: str
    content_type: str
    disposition: str
    name: str
    media_type: str


UNQUOTED = "attachment; filename=My Invoice 2024.pdf"
SERVED = [
    Served("/report.pdf", "binary/octet-stream", "", "report.pdf", "application/pdf"),
    Served("/logo.png", "application/octet-stream", "", "logo.png", "image/png"),
    Served("/dl.pdf", "application/x-download", "", "dl.pdf", "application/pdf"),
    Served("/none.pdf", "", "", "none.pdf", "application/pdf"),
    Served("/odd.pdf", "pdf", "", "odd.pdf", "application/pdf"),
    Served("/unquoted", "application/pdf", UNQUOTED, "My Invoice 2024.pdf", "application/pdf"),
    Served("/rfc2047", "", 'attachment; filename="=?UTF-8?B?R3LDvMOfZS5wZGY=?="', "Grüße.pdf", "application/pdf"),
    Served("/pct", "", 'attachment; filename="Gr%C3%BC%C3%9Fe.pdf"', "Grüße.pdf", "application/pdf"),
    Served("/invoice.2024", "application/pdf", "", "invoice.2024.pdf", "application/pdf"),
    Served("/download.php", "image/png", "", "download.php.png", "image/png"),
]


async def test_what_a_server_says_of_a_file_is_read_as_it_is_meant(inbox, tmp_path, monkeypatch):
    monkeypatch.setenv("MAILNODE_FETCH_ALLOW", "127.0.0.1")
    async with serving() as web:
        mails = []
        for one in SERVED:
            url = web.on(
                one.path, reply(b"%PDF-1.7", content_type=one.content_type, content_disposition=one.disposition)
            )
            mails.append({"attachments": [{"type": "url", "url": url}]})
        sent = await deliver(inbox, tmp_path, *mails)
    for one, mail in zip(SERVED, sent.stdlib, strict=True):
        (part,) = mail.iter_attachments()
        assert (part.get_filename(), part.get_content_type()) == (one.name, one.media_type)
    for parser in ("postal-mime", "mailparser"):
        for one, read in zip(SERVED, sent.read_by(parser), strict=True):
            assert read["attachments"] == [{"filename": one.name, "type": one.media_type, "size": 8}]
    assert not any(sent.warnings)


async def test_a_page_that_comes_instead_of_a_file_is_attached_with_a_warning(inbox, tmp_path, monkeypatch):
    monkeypatch.setenv("MAILNODE_FETCH_ALLOW", "127.0.0.1")
    page = reply(b"<p>Log in", content_type="text/html; charset=utf-8")
    async with serving() as web:
        login = web.on("/login", page)
        moved = web.on("/report.pdf", redirect("/login"))
        asked = [
            ({"url": web.on("/html.pdf", page)}, "html.pdf", "application/pdf"),
            ({"url": moved}, "login.html", "application/pdf"),
            ({"url": login, "filename": "book.csv"}, "book.csv", "text/csv"),
            ({"url": login, "contentType": "application/zip"}, "login.html", "application/zip"),
            ({"url": login}, "login.html", ""),
            ({"url": web.on("/page.htm", page)}, "page.htm", ""),
            ({"url": web.on("/page.php", page)}, "page.php.html", ""),
        ]
        mails = [{"attachments": [{"type": "url", **settings}]} for settings, _, _ in asked]
        sent = await deliver(inbox, tmp_path, *mails)
    for (settings, name, wanted), mail, warnings in zip(asked, sent.stdlib, sent.warnings, strict=True):
        (part,) = mail.iter_attachments()
        assert (part.get_filename(), part.get_content_type()) == (name, settings.get("contentType", "text/html"))
        assert part.get_payload(decode=True) == b"<p>Log in"
        assert len(warnings) == bool(wanted)
        for warning in warnings:
            assert warning.startswith(f"attachments[0].url: a web page was received instead of {wanted}")
    for read, (_, name, _) in zip(sent.read_by("postal-mime"), asked, strict=True):
        assert read["attachments"][0]["filename"] == name
