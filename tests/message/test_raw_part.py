from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import PartError
from mailnode.message.compose import compose
from mailnode.message.email import Attachment, Email, RawPart
from mailnode.message.raw_part import clean_message, raw_part

LONG = 120_000
SIGNED = (
    b"Content-Type: multipart/signed; protocol=x/y; micalg=z;\r\n boundary=b\r\n\r\n"
    b"--b\r\nContent-Type:  text/plain\r\nX-Odd:   blanks \r\n\r\nsigned  \r\n\r\n"
    b"--b\r\nContent-Type: x/y\r\n\r\nsignature\r\n--b--\r\n"
)


def octets(content: bytes, cid: str = "") -> bytes:
    built = raw_part(content, cid)
    assert all(isinstance(piece, bytes) for piece in built.body)
    whole = built.head + b"\r\n" + b"".join(piece for piece in built.body if isinstance(piece, bytes))
    assert whole.isascii()
    assert b"\x00" not in whole
    assert whole.endswith(b"\r\n")
    assert b"\n" not in whole.replace(b"\r\n", b"")
    assert b"\r" not in whole.replace(b"\r\n", b"")
    assert max(map(len, whole.split(b"\r\n"))) <= 998
    return whole


def read(content: bytes):
    return message_from_bytes(octets(content), policy=policy.default)


def refused(content: bytes, make=raw_part) -> PartError:
    with pytest.raises(PartError) as caught:
        make(content)
    assert caught.value.hint
    assert caught.value.message.isprintable()
    return caught.value


def nested(depth: int) -> bytes:
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d_\r\n\r\n--b%d_\r\n" % (n, n) for n in range(depth))
    tail = b"".join(b"\r\n--b%d_--\r\n" % n for n in reversed(range(depth)))
    return head + b"Content-Type: text/plain\r\n\r\nhi" + tail


@pytest.mark.parametrize(
    "content",
    [
        b"Content-Type: text/plain\r\n\r\nHi\r\n",
        b"content-type: TEXT/plain;\r\n\tcharset=utf-8\r\nContent-Language: en\r\n\r\n\r\nHi  \r\n.\r\n",
        b"Content-Type: text/calendar; method=REQUEST\r\nContent-Transfer-Encoding: BASE64\r\n\r\nSGk=\r\n",
        SIGNED,
    ],
)
def test_what_is_clean_goes_out_as_it_came(content):
    assert octets(content) == content


def test_line_breaks_become_crlf_and_the_last_one_is_there():
    assert octets(b"\n\nContent-Type: text/plain\n\na\rb\r\nc") == b"Content-Type: text/plain\r\n\r\na\r\nb\r\nc\r\n"


def test_eight_bit_becomes_base64_and_says_the_same():
    content = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n".encode()
    part = read(content)
    assert part.get_content() == "Grüße\n".replace("\n", "\r\n")
    assert part["Content-Transfer-Encoding"] == "base64"


def test_octets_of_any_charset_stay_what_they_are():
    content = "Content-Type: text/plain; charset=iso-8859-1\n\nGrüße".encode("latin-1")
    assert read(content).get_content() == "Grüße\r\n"


def test_a_long_line_is_encoded():
    assert read(b"Content-Type: text/plain\r\n\r\n" + b"a" * LONG).get_content() == "a" * LONG + "\r\n"


def test_eight_bit_within_a_multipart_is_encoded_where_it_stands():
    content = (
        "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"
        "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "Subject: inner\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nÄ\r\n--b--\r\n"
    ).encode()
    text, forwarded = read(content).iter_parts()
    assert text.get_content() == "Grüße"
    assert forwarded.get_content()["Subject"] == "inner"
    assert forwarded.get_content().get_content().strip() == "Ä"
    assert forwarded["Content-Transfer-Encoding"] == "7bit"


def test_what_is_clean_beside_it_stays_as_it_is():
    content = (
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n"
        "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db\r\n--b--\r\n"
    ).encode()
    assert [part["Content-Transfer-Encoding"] for part in read(content).iter_parts()] == ["base64", "quoted-printable"]


@pytest.mark.parametrize("letters", [b"gr\xc3\xbc\xc3\x9fe", b"a" * 999])
def test_a_signature_is_not_broken(letters):
    signed = SIGNED.replace(b"\r\nsigned", b"\r\n" + letters)
    beside = b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\n" + letters + b"\r\n--o\r\n" + SIGNED
    for content in (signed, beside + b"--o--\r\n"):
        assert "would break its signature" in refused(content).message


def test_a_cid_is_added_where_there_is_none():
    content = b"Content-Type: image/png\r\n\r\nx\r\n"
    assert octets(content, "logo") == b"Content-Type: image/png\r\nContent-ID: <logo>\r\n\r\nx\r\n"
    own = b"Content-Type: image/png\r\nContent-ID: <own>\r\n\r\nx\r\n"
    assert octets(own) == octets(own, "own") == own
    assert raw_part(own).view.cid == "own"


def test_two_cids_are_refused():
    own = b"Content-Type: image/png\r\nContent-ID: <own>\r\n\r\nx\r\n"
    assert "Content-ID 'own' and the cid 'logo'" in refused(own, lambda content: raw_part(content, "logo")).message


def test_mime_version_stands_once_in_the_mail():
    head = b"MIME-Version: 1.0\r\n (folded)\r\nContent-Type: text/plain\r\n\r\n"
    for body in (b"MIME-Version: 1.0\r\n", b"gr\xc3\xbc\xc3\x9fe\r\n"):
        mail = compose(Email(from_="a@x.org", to="b@x.org", attachments=[RawPart(content=head + body)]))
        read = message_from_bytes(mail.octets())
        assert read.get_all("MIME-Version") == ["1.0"]
        assert read.get_payload(decode=True) == body
        assert mail.warnings == ()


def test_fields_of_a_message_are_left_out_with_all_their_lines():
    content = (
        b"From: a@x.org\r\nBcc: b@x.org,\r\n\tc@x.org\r\n \r\nContent-Type: text/plain;\r\n a=b\r\nbcc: d@x.org\r\n"
        b"MIME-Version: 1.0\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\nX-Long: " + b"x" * 2000 + b"\r\n\r\nFrom: body\r\n"
    )
    assert octets(content) == b"Content-Type: text/plain;\r\n a=b\r\n\r\nFrom: body\r\n"
    assert raw_part(content).warnings == (
        "left out From, bcc, Subject, X-Long: only Content- header fields belong to a body part",
    )


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ('Content-Disposition: attachment; filename="Grüße.pdf"', "attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf"),
        ("Content-Disposition: inline;\r\n filename=ü.pdf ; size=5;", "inline; filename*=utf-8''%C3%BC.pdf; size=5"),
        (
            "Content-Disposition: attachment; filename=\"ü\"; x*=utf-8''%41",
            "attachment; filename*=utf-8''%C3%BC; x*=utf-8''%41",
        ),
        ('Content-Disposition: a; filename="a\u202eü.pdf"', "a; filename*=utf-8''a%C3%BC.pdf"),
        ("Content-Disposition: a; b=\"ü\"; x*=utf-8''%41", "a; b*=utf-8''%C3%BC; x*=utf-8''%41"),
        ("Content-Description: Grüße\r\n aus Köln", "=?utf-8?b?R3LDvMOfZSBhdXMgS8O2bG4=?="),
    ],
)
def test_a_field_in_utf8_is_written_in_ascii_and_a_signature_holds(field, written):
    whole = octets(f"{field}\r\n".encode() + SIGNED)
    head, _, rest = whole.partition(b"Content-Type")
    assert head.replace(b"\r\n ", b" ").decode() == f"{field.partition(':')[0]}: {written}\r\n"
    assert b"Content-Type" + rest == SIGNED


def test_what_is_signed_keeps_the_fields_within_it():
    assert octets(b"Subject: x\r\n" + SIGNED) == SIGNED


def test_a_part_without_any_field_is_left_over():
    built = raw_part(b"Subject: x\r\n\r\n\r\nHi\r\n\r\nFrom: body\r\n")
    assert (built.head, built.body) == (b"", (b"\r\nHi\r\n\r\nFrom: body\r\n",))


def test_one_warning_tells_of_many_fields():
    (warning,) = raw_part(b"".join(b"X-%d: y\r\n" % number for number in range(30)) + b"\r\nx").warnings
    assert "X-9 and 20 more" in warning


def test_the_view_shows_what_is_in_it():
    view = raw_part(SIGNED).view
    assert (view.media_type, [part.media_type for part in view.parts]) == ("multipart/signed", ["text/plain", "x/y"])
    assert view.size == len(SIGNED.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no empty line"),
        (b"Hello", "no empty line"),
        (b"Hello\r\n\r\nHow are you", "a line of its header is not a header field"),
        (b"Content-Type: text/plain\r\n", "no empty line"),
        (b"Content-Type: text/plain\r\nBcc: x\x0bx.org\r\n\r\n", "U+000B"),
        (b"Content-Type: text/plain\r\nBcc : x@x.org\r\n\r\n", "not well formed"),
        (b"Content-Type: text/plain\r\nBcc\r\n\r\n", "not well formed"),
        (b"Content-Type: text/plain\r\nFrom x@x.org: y\r\n\r\nx", "is not a header field"),
        (b"Content-Type: text/plain\r\nFrom x@x.org\r\n\r\nx", "is not a header field"),
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n", "has the same Content- field twice"),
        (b"Content-Type: text/plain\r\n\r\na\x00b", "NUL"),
        (b"Content-Type: text/plain\x0c\r\n\r\nx", "U+000C"),
        (b"Content-Type: text/plain\r\nContent-Description: a\x1bb\r\n\r\nx", "U+001B"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX-A: \x7f\r\n\r\nx\r\n--b--\r\n", "U+007F"),
        ("Content-Type: te\x0cxt/plain\r\n\r\nü".encode(), "U+000C"),
        (b"Content-Type: text/plain\r\nContent-Description: \xe4\r\n\r\nx", "neither ASCII nor UTF-8"),
        ("Content-Type: text/plain; ü\r\n\r\nx".encode(), "not well formed"),
        ("Content-Type: täxt/plain\r\n\r\nx".encode(), "not well formed"),
        (b"Content-Type: text/plain\r\nContent-Description: " + b"a" * LONG + b"\r\n\r\nx", "too long"),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: rot13\r\n\r\nx", "no transfer encoding 'rot13'"),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nno base64!", "can't be decoded"),
        (b"Content-Type: multipart/mixed\r\n\r\nx", "a multipart has no boundary"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\nx", "its boundary never appears"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n", "not well formed"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n", "the boundary that ends it is missing"),
        (
            b"Content-Transfer-Encoding: base64\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b--",
            "not well formed",
        ),
        (nested(30), "nested too deeply"),
        (nested(3000), "nested too deeply"),
        (b"From x@x.org Mon\r\nContent-Type: text/plain\r\n\r\nx", "the From line"),
        (b": x\r\n\r\n", "a header field has no name"),
        (b" folded\r\n\r\n", "its first line is not a header field"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_is_no_body_part_is_refused(content, says):
    assert says in refused(content).message


def test_a_cid_that_leaves_its_brackets_is_refused():
    with pytest.raises(PartError, match="cid"):
        raw_part(b"Content-Type: image/png\r\n\r\nx", "a>\r\nBcc: x@x.org")


LINES = [
    b"",
    b" =?x?=",
    b"--b",
    b"--b--",
    b"Content-Type: multipart/mixed; boundary=b",
    b"Content-Type: text/plain; charset=x",
    b"Content-Type: text/plain; a*0*=%",
    b"Content-Type: message/rfc822",
    b"Content-Type: ;;;",
    b"Content-Transfer-Encoding: 8bit",
    b"Content-Transfer-Encoding: quoted-printable",
    b"Content-Disposition: attachment; filename*=x'y'%ff%fe",
    b"Content-ID: \xe9",
    b"\xff\xfe=\r",
    b"\x80" * 80,
    b"a" * 1000,
]


@settings(max_examples=100)
@given(st.lists(st.sampled_from(LINES), max_size=12).map(b"\r\n".join))
def test_whatever_is_given_goes_out_clean_or_is_refused(content):
    for start in (
        b"",
        b"Content-Type: text/plain\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
    ):
        try:
            raw_part(start + content)
        except PartError:
            continue
        octets(start + content)


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_any_octets_go_out_clean_or_are_refused(content):
    for make in (raw_part, clean_message):
        try:
            make(b"Content-Type: text/plain\r\n" + content)
        except PartError:
            refused(b"Content-Type: text/plain\r\n" + content, make)


@pytest.mark.parametrize(
    "content",
    [
        b"Content-Type: text/plain\r\n\r\n" + (b"a" * 998 + b"\r\n") * 500,
        b"Content-Type: text/plain\r\n\r\n" + b"\r\n" * LONG,
        b"Content-Type: text/plain\r\n\r\n" + b"\r" * LONG,
        b"Content-Type: text/plain\r\n" + b"Content-X: y\r\n" * 5000 + b"\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000 + b"--b--",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b" * LONG,
        b"Content-Type: text/plain" + b"; a=b" * 20_000 + b"\r\n\r\nx",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"A" * LONG * 4,
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * LONG,
    ],
    ids=range(9),
)
def test_long_input_goes_out_or_is_refused_in_one_pass(content):
    try:
        octets(content)
    except PartError:
        refused(content)


class TestForwarded:
    @staticmethod
    def sent(content: bytes):
        mail = Attachment(content=content, filename="mail.eml")
        composed = compose(Email(from_="a@x.org", to="b@x.org", text="see below", attachments=[mail])).octets()
        assert composed.isascii()
        (part,) = message_from_bytes(composed, policy=policy.default).iter_attachments()
        assert part["Content-Transfer-Encoding"] == "7bit"
        assert part.get_content_type() == "message/rfc822"
        return part.get_content()

    def test_a_mail_is_readable_within_the_mail(self):
        inner = compose(Email(from_="c@x.org", to="d@x.org", subject="Grüße", text="ä" * 300, html="<p>x</p>"))
        found = self.sent(inner.octets())
        assert found["Subject"] == "Grüße"
        assert found.get_body(("plain",)).get_content().strip() == "ä" * 300

    def test_an_eight_bit_mail_is_encoded(self):
        found = self.sent("Subject: x\nContent-Type: text/plain; charset=utf-8\n\nGrüße\n".encode())
        assert found.get_content().strip() == "Grüße"

    def test_a_mail_without_a_body_is_one(self):
        assert self.sent(b"Subject: x")["Subject"] == "x"

    def test_a_mail_of_the_same_boundary_stays_whole(self):
        file = Attachment(content="in a file", filename="a.txt")
        inner = compose(
            Email(from_="c@x.org", to="d@x.org", text="in", html="<p>in</p>", attachments=[file], boundary_seed="s")
        )
        mail = Attachment(content=inner.octets(), filename="a.eml")
        outer = Email(
            from_="a@x.org", to="b@x.org", text="out", html="<p>out</p>", attachments=[mail], boundary_seed="s"
        )
        root = message_from_bytes(compose(outer).octets(), policy=policy.default)
        body, forwarded = root.iter_parts()
        assert body.get_content_type() == "multipart/alternative"
        types = [part.get_content_type() for part in forwarded.get_content().walk()]
        assert types == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/plain"]

    @pytest.mark.parametrize(
        "content",
        [
            "From: a@x.org\nSubject: Grüße\n\nx\n".encode(),
            b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nnothing\r\n",
            b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\nSGk!\r\n",
            SIGNED.replace(b"signed ", b"gr\xc3\xbc"),
            b"",
            b"no header",
            b"From x Mon\r\nSubject: x\r\n\r\n",
            b"Subject: \x00\n",
        ],
    )
    def test_what_is_no_mail_is_attached_as_it_is(self, content):
        mail = Attachment(content=content, filename="mail.eml")
        composed = compose(Email(from_="a@x.org", to="b@x.org", text="see below", attachments=[mail]))
        (part,) = message_from_bytes(composed.octets(), policy=policy.default).iter_attachments()
        assert (part.get_content_type(), part.get_filename()) == ("application/octet-stream", "mail.eml")
        assert part.get_content() == content
        (warning,) = composed.warnings
        assert warning.startswith(
            "attachments[0]: attached unchanged as a file (application/octet-stream), not as a message ("
        )

    def test_a_file_that_can_not_be_read_is_an_error(self):
        mail = Attachment(content=7, filename="mail.eml")  # type: ignore[arg-type]  # what no caller may give
        with pytest.raises(PartError, match="can't be read"):
            compose(Email(from_="a@x.org", to="b@x.org", attachments=[mail]))

    @pytest.mark.parametrize("content", [b"", b"\r\n\r\n", b"no header", b"From x Mon\r\nSubject: x\r\n\r\n", b"\x00"])
    def test_what_is_no_mail_is_refused(self, content):
        refused(content, clean_message)


@pytest.mark.parametrize(
    "charset", ["=idna", "=undefined", "=punycode", "*=utf-8''utf-8", "*=idna''%ff", f"*{'9' * 5000}=a"], ids=range(6)
)
def test_octets_of_a_charset_that_nobody_decodes_go_out_as_they_came(charset):
    fold = "\r\n ".join(f" charset{charset}"[at : at + 900] for at in range(0, 5100, 900)).rstrip()
    content = f"Content-Type: text/plain;{fold}\r\n\r\n".encode() + b"a\xfcb"
    assert b"YfxiDQo=" in octets(content)


def test_parameters_that_are_too_many_to_be_read_go_out_as_they_came():
    content = b"Content-Type: a/b;\r\n" + b" a=b;\r\n" * 101 + b" name=c\r\n\r\nx\r\n"
    assert octets(content) == content
    assert (raw_part(content).view.media_type, raw_part(content).view.filename) == ("a/b", "")
    many = (
        content.replace(b"a/b", b"multipart/mixed").replace(b"name=c", b"boundary=c").replace(b"x\r\n", b"--c\r\n\r\n")
    )
    assert "too many parameters" in refused(many).message
    assert "too many parameters" in refused(many, clean_message).message


def test_a_control_character_behind_them_is_still_seen():
    refused(b"Content-Type: a/b;\r\n" + b" a=b;\r\n" * 101 + b" name=\x01\r\n\r\nx\r\n")
