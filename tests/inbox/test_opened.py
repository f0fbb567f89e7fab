"""Mails as they come: what of them can be read, and that nothing malformed is an error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.inbox.opened import MAX_DEPTH, OpenedMail
from mailnode.message.compose import compose
from mailnode.message.email import Attachment, Email

PIXEL = b"GIF89a..."


@pytest.fixture
def composed():
    email = Email(
        from_="Größe & Söhne <shop@example.com>",
        to="jane@example.org",
        subject="Zwölf Bücher ✓",
        html='<p>Grüße <img src="cid:logo"></p>',
        attachments=[
            Attachment(content=PIXEL, filename="logo.gif", cid="logo"),
            Attachment(content="a;b", filename="Rechnung ä.csv"),
        ],
    )
    return OpenedMail(compose(email).octets())


def opened(text):
    return OpenedMail(text.replace("\n", "\r\n").encode("latin-1"))


def test_header_fields_are_decoded_in_their_order(composed):
    fields = dict(composed.fields)
    assert fields["Subject"] == "Zwölf Bücher ✓"
    assert fields["From"] == "Größe & Söhne <shop@example.com>"
    assert next(iter(fields)) == "From"


def test_text_and_html_are_what_was_said(composed):
    assert composed.text is not None
    assert composed.text.startswith("Grüße")
    assert composed.html == '<p>Grüße <img src="cid:logo"></p>\r\n'


def test_parts_have_their_place_name_and_decoded_size(composed):
    leaves = [(part.number, part.media_type, part.filename) for part in composed.root.walk() if not part.parts]
    assert leaves == [
        ("1.1.1", "text/plain", ""),
        ("1.1.2.1", "text/html", ""),
        ("1.1.2.2", "image/gif", "logo.gif"),
        ("1.2", "text/csv", "Rechnung ä.csv"),
    ]
    assert composed.part("1.2").octets == b"a;b"
    assert composed.part("1.1.2.2").size == len(PIXEL)
    assert composed.root.size == sum(part.size for part in composed.root.parts)
    assert composed.part("1.9") is None


def test_images_are_found_by_their_content_id(composed):
    assert composed.images() == {"logo": "data:image/gif;base64,R0lGODlhLi4u"}


def test_a_mail_without_mime_is_text():
    mail = opened("Subject: hi\n\nHello\n")
    assert (mail.text, mail.html, mail.root.parts) == ("Hello\r\n", None, ())


def test_a_text_that_is_attached_is_not_the_mails_text():
    assert opened("Content-Type: text/html\nContent-Disposition: attachment\n\n<p>\n").html is None


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "no-such-charset", "rot13", "hex", "undefined", '"'])
def test_a_text_of_any_charset_is_shown_somehow(charset):
    assert "abc" in str(opened(f"Content-Type: text/plain; charset={charset}\n\nabc\n").text)


def test_bare_utf8_in_a_header_field_is_read(composed):
    mail = OpenedMail("Subject: Grüße\r\n\r\n".encode())
    assert mail.fields == [("Subject", "Grüße")]


@pytest.mark.parametrize(
    "head",
    [
        "Content-Type: multipart/mixed",
        "Content-Type: multipart/mixed; boundary=",
        "Content-Type: multipart/mixed; boundary=x",
        "Content-Type: ///",
        "Content-Type: message/rfc822",
        "Content-Type: text/plain; charset*=utf-9''%ff",
        "Content-Disposition: attachment; filename*=x'y'%zz",
        "Content-Disposition: attachment; filename*0*=utf-8''%f0; filename*1*=%9f",
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: uuencode",
        "Content-Transfer-Encoding: nonsense",
        "Subject: =?utf-7?q?+2D3-?=",
        "Subject: =?nonsense?q?a?=",
        "Subject: =?utf-8?b?%%%?=",
        "Content-ID: \xff",
        "no header field",
    ],
)
def test_what_is_malformed_is_shown_as_it_stands(head):
    mail = opened(f"{head}\n\n\x00\xffbody %%\n--x\n")
    assert next(mail.root.walk()).number == "1"
    assert mail.images() == {}


def test_depth_has_an_end():
    depth = 100
    heads = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(depth))
    mail = opened(heads + "Content-Type: text/plain\n\nhi\n")
    assert max(part.number.count(".") for part in mail.root.walk()) <= MAX_DEPTH


def test_thousands_of_levels_are_no_error():
    heads = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(3000))
    assert opened(heads).root.media_type == "multipart/mixed"


@given(st.binary(max_size=300), st.sampled_from([b"", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"]))
@settings(max_examples=100)
def test_no_octets_are_an_error(octets, head):
    mail = OpenedMail(head + octets)
    assert mail.fields is not None
    assert [part.text() for part in mail.root.walk()]


@pytest.mark.parametrize(("count", "name"), [(98, "a.txt"), (99, "")])
def test_of_a_field_with_too_many_parameters_only_those_are_not_read(count, name):
    field = "attachment;" + " a=b;" * count + " filename=a.txt; c=d"
    mail = opened(f"Content-Type: text/plain\nContent-Disposition: {field}\n\nHi")
    assert (mail.root.disposition, mail.root.filename, mail.root.octets) == ("attachment", name, b"Hi")
    assert dict(mail.fields)["Content-Disposition"] == field


@pytest.mark.parametrize(("blanks", "parts"), [(7_000, 1), (8_000, 0)])
def test_nor_are_they_in_one_that_is_too_long(blanks, parts):
    mail = opened(f"Content-Type: multipart/mixed;{' ' * blanks}boundary=b\n\n--b\n\nHi\n--b--\n")
    assert (mail.root.media_type, len(mail.root.parts)) == ("multipart/mixed", parts)
    assert b"Hi" in (mail.root.parts[0] if parts else mail.root).octets


@pytest.mark.parametrize(
    "boundary", ["*=idna''%ff", "*=undefined''b", "*=punycode''b", "*=u\0''b", f"*{'9' * 5000}=b"], ids=range(5)
)
def test_a_boundary_that_is_no_text_is_none(boundary):
    mail = opened(f"Content-Type: multipart/mixed; boundary{boundary}\n\n--b\n\nHi\n--b--\n")
    assert not mail.root.parts
    assert b"Hi" in mail.root.octets


@pytest.mark.parametrize("codec", ["punycode", "idna", "unicode_escape"])
def test_no_codec_that_is_no_charset_reads_a_text(codec):
    mail = opened(f"Subject: =?{codec}?q?b-a?=\nContent-Type: text/plain; charset={codec}\n\nb-a")
    assert (dict(mail.fields)["Subject"], mail.text) == (f"=?{codec}?q?b-a?=", "b-a")


@pytest.mark.parametrize("charset", [b"utf\xff-8", "utf\u20138".encode(), b"\xc3\xbc", b"\xff", b"=", b""])
def test_a_charset_whose_name_is_not_ascii_is_shown_as_it_stands(charset):
    field = b"=?" + charset + b"?q?a=C3=BC?="
    mail = OpenedMail(
        b"Subject: " + field + b'\r\nContent-Type: text/plain; charset="' + charset + b'"\r\n'
        b"Content-Disposition: inline; filename*=" + charset + b"''a%FC\r\n\r\nHi"
    )
    assert dict(mail.fields)["Subject"] == field.decode(errors="replace")
    assert mail.root.text() == "Hi"


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("Grüße » =?utf-8?q?a=C3=BC?= €", "Grüße » aü €"),
        ("€=?utf-8?q?b?=c", "€bc"),
        ("=?us-ascii?q?a?= =?utf-8?q?=C3=BC?= b", "aü b"),
        ("=?utf-8?q?=C3?= =?UTF-8?Q?=BC?= =?utf-8?b?w7w=?=", "üü"),
        ("=?utf-8?q?what??= \\u0041", "what? \\u0041"),
        ("=?utf-8?q?a?= =?utf-8?q?b €", "a =?utf-8?q?b €"),
        ("=?utf-8?q?€?= =?utf-8?q?b?=", "=?utf-8?q?€?= =?utf-8?q?b?="),
        ("=?utf-8?q?=FF?= a =?utf-8?q?b?=", "=?utf-8?q?=FF?= a b"),
    ],
)
def test_encoded_words_are_read_where_they_stand_and_what_is_beside_them_stays(field, shown):
    assert dict(OpenedMail(f"Subject: {field}\n\n".encode()).fields)["Subject"] == shown
