from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from email.utils import collapse_rfc2231_value

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import HeaderError
from mailnode.message.parameter import content_disposition, content_type

TURNING = "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=TURNING), max_size=90)
ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300)
LONG = ["ü" * 500 + ".pdf", "a" * 3000, "👩‍🚀" * 40, "%C3%BC" * 300, "a b " * 300 + "c"]


def read(field: bytes) -> EmailMessage:
    """Read a field as the standard library does, and see that its lines are what RFC 5322 and RFC 2047 allow."""
    assert field.endswith(b"\r\n")
    for line in field[:-2].split(b"\r\n"):
        assert len(line) <= 998
        assert line.strip()
        assert len(line) <= 76 or b'"' in line or line.count(b" ") <= 1
        assert b"=?utf-8?" not in line or len(line) <= 76
    message = BytesHeaderParser(policy=default).parsebytes(field + b"\r\n")
    assert isinstance(message, EmailMessage)
    return message


@settings(max_examples=100)
@given(st.one_of(NAMES, ASCII))
def test_any_file_name_comes_back_from_either_field(name):
    # The reader strips it, and takes quotes and brackets around the whole away once more.
    said = collapse_rfc2231_value(name.strip())
    assert (read(content_disposition("attachment", name)).get_filename() or "") == said
    assert (read(content_type("x/y", (), name)).get_filename() or "").strip() == said


@pytest.mark.parametrize(
    ("filename", "disposition", "name"),
    [
        ("a.pdf", b"filename=a.pdf", b"name=a.pdf"),
        ("my report.pdf", b'filename="my report.pdf"', b'name="my report.pdf"'),
        ("it's 100%.pdf", b'filename="it\'s 100%.pdf"', b'name="it\'s 100%.pdf"'),
        ("%C3%BC", b'filename="%C3%BC"', b'name="%C3%BC"'),
        ('a"b.pdf', b'filename="a\\"b.pdf"', b'name="a\\"b.pdf"'),
        ("ü.pdf", b"filename*=utf-8''%C3%BC.pdf", b'name="=?utf-8?b?w7wucGRm?="'),
        (
            "=?utf-8?q?x?=.pdf",
            b"filename*=utf-8''%3D%3Futf-8%3Fq%3Fx%3F%3D.pdf",
            b'name="=?utf-8?b?PT91dGYtOD9xP3g/PS5wZGY=?="',
        ),
    ],
)
def test_a_name_is_plain_or_written_in_both_ways(filename, disposition, name):
    fields = content_disposition("attachment", filename), content_type("x/y", [("a", "b")], filename)
    assert [field.replace(b"\r\n ", b" ") for field in fields] == [
        b"Content-Disposition: attachment; " + disposition + b"\r\n",
        b"Content-Type: x/y; a=b; " + name + b"\r\n",
    ]


def test_no_name_is_written_for_a_file_without_one():
    assert content_disposition("inline") == b"Content-Disposition: inline\r\n"
    assert content_type("x/y", [("name", "a")]) == b"Content-Type: x/y; name=a\r\n"


def test_a_file_has_one_name():
    assert content_type("x/y", [("name", "a")], "b") == b"Content-Type: x/y; name=b\r\n"


@pytest.mark.parametrize("length", [61, 76, 200, 850])
def test_a_long_ascii_name_stays_plain(length):
    name = "a b-" * (length // 4) + "c.pdf"
    for field in (content_disposition("attachment", name), content_type("x/y", (), name)):
        assert f'name="{name}"'.encode() in field
        assert read(field).get_filename() == name


@pytest.mark.parametrize("name", LONG)
def test_a_very_long_one_comes_in_pieces_that_cut_no_character(name):
    for field in (content_disposition("attachment", name), content_type("x/y", (), name)):
        assert read(field).get_filename() == name
        for line in field.split(b"\r\n")[1:-1]:
            HeaderRegistry()("X", line.decode())


@pytest.mark.parametrize(
    "name", ["a\r\nb.pdf", "a\x00b", "a\x1b", "\ud800.pdf", "\u2029", "annexe\u202egpj.exe", "\u2066a"]
)
def test_a_name_that_misleads_is_refused(name):
    for make in (lambda: content_disposition("attachment", name), lambda: content_type("x/y", (), name)):
        with pytest.raises(HeaderError, match="filename") as caught:
            make()
        assert caught.value.message.isprintable()
        assert caught.value.hint
