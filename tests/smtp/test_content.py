import re

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.smtp.content import DotStuffer, is_header_ascii
from support.messages import letter


def wire(*blocks):
    stuffer = DotStuffer()
    return b"".join([stuffer.stuff(block) for block in blocks]) + stuffer.dot


def read(octets):
    """What a server that knows CRLF only makes of it: the content, and what follows the end of it."""
    content, rest = (b"\r\n" + octets).split(b"\r\n.\r\n", 1)
    return content.replace(b"\r\n..", b"\r\n.")[2:], rest


def test_dots_at_line_starts_are_doubled():
    assert wire(b".a\r\n.\r\nb.\r\n..c\r\n") == b"..a\r\n..\r\nb.\r\n...c\r\n.\r\n"


def test_a_dot_after_a_block_border_is_doubled():
    for at in range(10):
        text = b"ab\r\n.cd\r\n"
        assert wire(text[:at], text[at:]) == b"ab\r\n..cd\r\n.\r\n"


def test_content_without_a_last_line_break_gets_one():
    assert wire(b"ab") == b"ab\r\n.\r\n"
    assert wire(b"ab\r") == b"ab\r\n.\r\n"


def test_empty_content_is_a_lone_dot():
    assert wire() == wire(b"") == b".\r\n"


def test_bare_line_breaks_become_crlf_so_that_no_mail_is_smuggled():
    assert wire(b"a\n.\nb\r.\rc\r\n.\n") == b"a\r\n..\r\nb\r\n..\r\nc\r\n..\r\n.\r\n"


@settings(max_examples=100)
@given(st.lists(st.text("\r\n.ab", max_size=8).map(str.encode), max_size=6))
def test_nothing_within_the_content_ends_it_wherever_it_is_split(blocks):
    content, rest = read(wire(*blocks))
    whole = re.sub(rb"\r\n|\r|\n", b"\r\n", b"".join(blocks))
    assert content == whole.removesuffix(b"\r\n")
    assert rest == b""
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire(*blocks))


@settings(max_examples=200)
@given(st.integers(0, 233), st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\n.", b"x"]))
def test_lines_of_base64_with_one_octet_that_is_none_are_no_way_around(at, strange):
    lines = (b"QUJD" * 19 + b"\r\n") * 3
    block = (lines[:at] + strange + lines[at + 1 :])[: len(lines)]
    content, rest = read(wire(block, b".end\r\n"))
    whole = re.sub(rb"\r\n|\r|\n", b"\r\n", block + b".end\r\n")
    assert content == whole.removesuffix(b"\r\n")
    assert rest == b""


@given(
    st.lists(
        st.sampled_from([b"To: a@x", "To: \u00fc@x".encode(), b"\r\n", b"\r", b"\n", "\u00fc".encode()]), max_size=12
    ),
    st.integers(1, 9),
)
@settings(max_examples=100)
def test_a_header_ends_at_the_first_empty_line_wherever_the_blocks_do(pieces, size):
    octets = b"".join(pieces)
    blocks = tuple(octets[at : at + size] for at in range(0, len(octets), size))
    header = (b"\r\n" + octets).partition(b"\r\n\r\n")[0]
    assert is_header_ascii(letter(content=blocks)) == header.isascii()


def test_a_body_beyond_ascii_makes_no_header_so():
    assert is_header_ascii(letter(content="Subject: hi\r\n\r\ngrüß\r\n".encode()))
    assert is_header_ascii(letter(content="\r\ngrüß\r\n".encode()))
