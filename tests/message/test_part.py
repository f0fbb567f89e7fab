import io
import mimetypes
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailnode.errors import HeaderError, MailnodeError, PartError
from mailnode.message.email import Attachment
from mailnode.message.media_type import by_filename, parse_media_type
from mailnode.message.part import STREAMED_BYTES, attachment_part, base_name, text_part
from mailnode.message.tree import BuiltPart, multipart


def octets(built: BuiltPart) -> bytes:
    pieces = [piece if isinstance(piece, bytes) else b"".join(piece.blocks()) for piece in built.body]
    whole = built.head + b"\r\n" + b"".join(pieces)
    assert whole.isascii()
    assert max(map(len, whole.split(b"\r\n"))) <= 998
    return whole


def read(attachment: Attachment, *, inline: bool = False):
    return message_from_bytes(octets(attachment_part(attachment, inline=inline)), policy=policy.default)


@settings(max_examples=50)
@given(st.binary(max_size=2000))
def test_octets_come_out_as_they_went_in(content):
    part = read(Attachment(content=content, filename="a.bin"))
    assert part.get_content() == content


@pytest.mark.parametrize("size", [STREAMED_BYTES, STREAMED_BYTES + 1, 300_000])
def test_large_octets_and_files_come_out_as_they_went_in(size):
    content = bytes(index * 31 % 256 for index in range(size))
    for source in (content, io.BytesIO(content)):
        attachment = Attachment(content=source, filename="a.bin")
        assert read(attachment).get_content() == content
        built = attachment_part(attachment, inline=False)
        assert built.view.size == len(octets(built)) - len(built.head) - 2


def test_a_large_content_is_not_in_memory_twice():
    built = attachment_part(Attachment(content=bytes(STREAMED_BYTES + 1)), inline=False)
    assert list(built.in_memory()) == []


def test_a_file_says_its_name_type_and_place():
    assert attachment_part(Attachment(content=b"x", filename="report.pdf"), inline=False).head == (
        b"Content-Type: application/pdf; name=report.pdf\r\n"
        b"Content-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=report.pdf\r\n"
    )
    part = read(Attachment(content=b"x", filename="logo.png", cid="logo@x.org"), inline=True)
    assert part.get_content_disposition() == "inline"
    assert part["Content-ID"] == "<logo@x.org>"


@pytest.mark.parametrize(
    ("filename", "stays"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\jane\\report.pdf", "report.pdf"),
        ("\\\\server\\share/a.txt", "a.txt"),
        ("folder/", ""),
        (".", ""),
        ("a/..", ""),
        ("...", ""),
        ("  ", ""),
        (" a.txt ", "a.txt"),
        (".profile", ".profile"),
        ("Ünï çödé — 报告.pdf", "Ünï çödé — 报告.pdf"),
        ("%C3%BC.txt", "%C3%BC.txt"),
        ("a\"b'c;d=e.txt", "a\"b'c;d=e.txt"),
        ("=?utf-8?q?a?=.txt", "=?utf-8?q?a?=.txt"),
        ("a" * 400 + ".txt", "a" * 400 + ".txt"),
        ("ü" * 400 + ".txt", "ü" * 400 + ".txt"),
    ],
)
def test_a_file_name_comes_back_without_folders(filename, stays):
    assert base_name(filename) == stays
    assert (read(Attachment(content=b"x", filename=filename)).get_filename() or "") == stays


@pytest.mark.parametrize(
    ("filename", "stays"),
    [("annexe\u202egpj.exe", "annexegpj.exe"), ("\u2067تقرير\u2069.pdf", "تقرير.pdf"), ("\u202e", "")],
)
def test_what_turns_the_direction_of_a_file_name_is_left_out(filename, stays):
    built = attachment_part(Attachment(content=b"x", filename=filename), inline=False)
    part = message_from_bytes(octets(built), policy=policy.default)
    assert (built.view.filename, part.get_filename() or "") == (stays, stays)
    assert built.warnings == (f"left out of {stays!r}: invisible characters that change the writing direction",)


@pytest.mark.parametrize("filename", ["a\r\nBcc: x@x.org", "a\nb.txt", "a\x00.txt", "\ud83d.txt"])
def test_a_file_name_that_misleads_is_refused(filename):
    with pytest.raises(HeaderError, match="filename"):
        attachment_part(Attachment(content=b"x", filename=filename), inline=False)


@pytest.mark.parametrize("content", [None, bytearray(b"x"), 7, ["x"]])
def test_what_is_no_content_is_refused(content):
    with pytest.raises(PartError, match="can't be read"):
        attachment_part(Attachment(content=content), inline=False)


@pytest.mark.parametrize("subtype", ["delivery-status", "Disposition-Notification", "RFC822"])
def test_a_message_is_never_base64(subtype):
    report = b"Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; jane@example.org\n"
    built = attachment_part(Attachment(content=report, content_type=f"message/{subtype}"), inline=False)
    assert built.view.encoding == "7bit"
    assert octets(built).endswith(report.replace(b"\n", b"\r\n"))


def test_a_message_in_utf8_may_be_base64():
    content = "Subject: Grüße\r\n\r\nHi\r\n".encode()
    built = attachment_part(Attachment(content=content, content_type="message/global"), inline=False)
    assert built.view.encoding == "base64"


@pytest.mark.parametrize(
    ("filename", "content_type", "made"),
    [
        ("a.PDF", "", "application/pdf"),
        ("a.tar.gz", "", "application/gzip"),
        ("a.txt.bz2", "", "application/octet-stream"),
        ("data:text/html,x", "", "application/octet-stream"),
        ("a", "", "application/octet-stream"),
        ("", "", "application/octet-stream"),
        ("a.pdf", "text/plain; charset=utf-8", "text/plain"),
        ("", "Text/CSV", "text/csv"),
        ("", " application/vnd.ms-excel ", "application/vnd.ms-excel"),
    ],
)
def test_the_type_is_what_is_said_or_what_the_name_says(filename, content_type, made):
    attachment = Attachment(content=b"x", filename=filename, content_type=content_type)
    assert read(attachment).get_content_type() == made


def test_parameters_of_a_type_are_written_anew():
    said = 'text/x;A="quoted \\"pair\\""; b=token ;c="";d="=?utf-8?q?x?="; e="' + "long " * 300 + '"'
    part = read(Attachment(content=b"x", content_type=said))
    parameters = part["Content-Type"].params
    assert [parameters[name] for name in "abcd"] == ['quoted "pair"', "token", "", "=?utf-8?q?x?="]
    assert parameters["e"] == "long " * 300


@pytest.mark.parametrize(
    "content_type",
    [
        "pdf",
        "application/",
        "text/plain; charset",
        "text/plain charset=utf-8",
        "text/plain; charset=utf-8\r\nBcc: x@x.org",
        "text/plain;\r\n X=1",
        'text/plain; a="b\r\nc"',
        'text/plain; a="b',
        "text/plän",
        "text/\ud800",
        "multipart/mixed; boundary=x",
        "MULTIPART/x",
        "text/plain" + "; a=b" * 20_000,
        "a/" + "b" * 120_000,
        'a/b; c="' + "\\" * 120_000,
    ],
)
def test_what_is_no_type_of_a_file_is_refused(content_type):
    with pytest.raises(PartError, match="not a file's media type") as caught:
        parse_media_type(content_type)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("content_type", "filename", "charset"),
    [
        ("", "", "utf-8"),
        ("text/csv", "", "utf-8"),
        ("", "a.csv", "utf-8"),
        ("text/csv; charset=iso-8859-1", "", "iso-8859-1"),
        ('text/csv; charset="UTF-16"', "", "utf-16"),
    ],
)
def test_a_text_is_written_in_its_charset(content_type, filename, charset):
    part = read(Attachment(content="Grüße\n", content_type=content_type, filename=filename))
    assert part.get_content_charset() == charset
    assert part.get_content() == "Grüße\n"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        ("€", "text/csv; charset=iso-8859-1"),
        ("x", "text/csv; charset=nonsense"),
        ("\ud83d", ""),
        ("x", "text/x; charset=hex"),
    ],
)
def test_a_text_that_its_charset_has_not_is_refused(content, content_type):
    with pytest.raises(PartError, match="can't be written in"):
        attachment_part(Attachment(content=content, content_type=content_type), inline=False)


@pytest.mark.parametrize("cid", ["a b", "a>\r\nBcc: x", "<a>", "ä", "\ud800", "a" * 201])
def test_a_cid_that_leaves_its_brackets_is_refused(cid):
    with pytest.raises(PartError, match="can't be a cid"):
        attachment_part(Attachment(content=b"x", cid=cid), inline=True)


@pytest.mark.parametrize(
    ("filename", "media_type"),
    [
        ("a.html", "text/html"),
        ("letter.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("invite.ICS", "text/calendar"),
        ("a.js", "text/javascript"),
        ("a.deb-of-this-machine", ""),
        ("no extension", ""),
    ],
)
def test_a_name_says_the_same_type_on_any_machine(filename, media_type, monkeypatch):
    monkeypatch.setattr(mimetypes, "types_map", {".deb-of-this-machine": "x/y", ".html": "x/y"})
    monkeypatch.setattr(mimetypes, "_db", None)
    assert by_filename(filename) == media_type


def test_a_part_that_ends_with_base64_has_no_empty_line_before_the_boundary():
    for size in (0, 57, 58, STREAMED_BYTES + 57):
        built = multipart("mixed", "b", [attachment_part(Attachment(content=bytes(size)), inline=False)])
        whole = octets(built)
        assert whole.endswith(b"\r\n--b--\r\n")
        assert not size or not whole.endswith(b"\r\n\r\n--b--\r\n")
        (part,) = message_from_bytes(whole, policy=policy.default).iter_parts()
        assert part.get_content() == bytes(size)


def test_a_text_keeps_its_last_line_break_before_the_boundary():
    whole = octets(multipart("alternative", "b", [text_part("plain", "a"), text_part("html", "<p>b\n")]))
    plain, html = message_from_bytes(whole, policy=policy.default).iter_parts()
    assert (plain.get_payload(), html.get_payload()) == ("a\r\n", "<p>b\r\n")


@settings(max_examples=100)
@example("", "0/0", "")
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=20))
def test_whatever_is_said_of_a_file_makes_a_part_or_an_error(filename, content_type, cid):
    try:
        built = attachment_part(
            Attachment(content=b"x", filename=filename, content_type=content_type, cid=cid), inline=True
        )
    except MailnodeError:
        return
    assert message_from_bytes(octets(built), policy=policy.default).get_payload()
