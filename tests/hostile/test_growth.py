"""Ten times the input takes about ten times the time and memory, whatever its shape: measured at n and at 10 n.

Time is measured here, and next to nowhere else, because work that grows as the square of its input shows in nothing
else: it copies or looks through the same characters again inside one call into C, where no line of Python can be
counted and little more memory is held. What is measured is the thread's own time, so other processes do not count;
what they still do to it (caches, clock rate) fails no test: a slow look is only a suspicion, and four more, at up
to three times the size, have to agree.
"""

import asyncio
import time
import tracemalloc
from functools import partial

import pytest

from fuzz.targets import TARGETS
from mailnode import direct
from mailnode.message.compose import compose
from mailnode.message.email import Email, RawPart
from mailnode.node.data_images import attach_data_images
from mailnode.node.expression import Evaluator
from mailnode.node.html import HtmlTemplate, render_html
from mailnode.node.recipients import parse_address_template, render_addresses

# A quadratic parser takes a hundred times as long, a linear one ten times.
MOST_TIMES = 35
# One that is slow at one size has to be so at all of these, too.
LOOKS = (1, 2, 2, 3, 3)
# What is over sooner tells nothing.
LEAST_SECONDS = 0.002
N = 2_000
# In a single field or word.
N_OF_ONE = 100_000

SHAPES = {
    "address_list": [
        *(
            "(",
            "a@b,",
            '"',
            "<",
            "a.",
            "@a",
            "[",
            "g:",
            "\\",
            '" "',
            "a@x.example;",
            "=?utf-8?q?",
            "\u00fc@\u00fc,",
            "a@" + "b.",
        ),
        "a <b@c>,",
    ],
    "submission": [
        *("x", "\xff\r", "\x02a\r\n", "\xffEHLO a\r\n", "\x02\x1eMAIL FROM:<a@b>\r\nRSET\r\n\x1e"),
        "\x02EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\x1e.\r\n.\x1e\r\n.\r\n",
        "\x00EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\x1e..\r\n\x1e.\r\n",
        "\x02EHLO a\r\nMAIL FROM:<\x1ea\x1e@b>\r\n",
    ],
    "header_field": ["X:a <b> ", "X:<\u00fc ", "X:a ", "X: \u00fc", "X:=?", "X:\t"],
    "mime_part": [
        *(
            "Content-Type: text/plain\r\n",
            "a: b\r\n",
            "\r\n",
            "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n",
            "\u00fc",
        ),
        *("--a\r\n", "a", "\r", ";a=", "X: (\r\n ("),
        *("Content-Type: a/b\x1e;\r\n a\x1e\r\n\r\nx", "Content-Disposition: a\x1e;\r\n a\x1e\r\n\r\nx"),
        *(
            'Content-Type: a/b\r\n ;"\x1e;\r\n \x1e\r\n\r\nx',
            "Content-Type: a/b; charset=punycode\r\n\r\n\x1eb\x1e\u00fc",
        ),
    ],
    "raw_head": [
        "Content-Type: a; b=\u00fc",
        "\u00fc;",
        "Content-A: \u00fc\r\n",
        "a: b\r\n",
        "X",
        "Content-A",
        "From x",
        "a: b\r\n c\r\n",
        "\r\n",
        " ",
        "a:",
    ],
    "message_ids": ["<a@b> ", "<", ">", "<a ", '<"', ",", "@", "a@b,", "<\u00fc>", "<a@b"],
    "file_field": ["a", '"', "\u00fc", " ", "=?", "\\", "%", "a b"],
    "message": [
        *("Content-Type: multipart/mixed\x1e;\r\n a\x1e", 'Content-Type: multipart/mixed\r\n ;"\x1e;\r\n \x1e'),
        "a: b\r\n",
        "\r\n",
        "\r",
        "\n.\n",
        "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n",
    ],
    "content": ["\r", "\n", ".", "\r\n.", "QUJD" * 19 + "\r\n", "\r\n.\r\n"],
    "data_url": [";base64", "%", "a/b;c=d", ",", ";", "%00", '"'],
    "base64_text": ["eHh4", "=", " ", "e\n", "data:,"],
    "template": ["{{ a }}", "{{", "}}", "{{ (", "{{ `${", "{{ '", "{{ /*", "{{ [/", "\\", "{", "{{ a // b\n"],
    "html": [
        *(
            "<p>",
            "</p>",
            "<",
            "<!--",
            "<a href='{{ a }}'>",
            "&",
            "&amp;",
            "<p a=",
            "<style>",
            "<table><tr><td>",
            "{{ a }}",
        ),
        *("<ul><li>", "<![CDATA[", "<?", "</", '<p "', "<title>", "<script>", "<a href=x>b", "&#x"),
        *("<img src='data:image/gif,a'>", "<img ", "<img src='"),
    ],
    "directives": [
        *("<p data-if=1>", "<li data-each='i of a' title='{{ i }}'>x", "<p data-if=1></p><p data-else></p>"),
        *("<!--[if mso]><b data-if=1>", "<noscript><p data-if=a>", "<p data-if=1 ", "<p data-if='"),
    ],
    "layout": [
        *("<b>", "<div data-content></div>", "<!--", "<!-- -->", "{{ a }}", "<mjml>"),
        "<mjml><mj-body><mj-section><mj-column><mj-text>\x1e<!--\x1e",
    ],
    "native_html": [
        *(
            "<div>",
            "<p>x",
            "<p><b a=1>",
            "<a><svg><desc>",
            "<table><td><object></table>",
            "<",
            "<p a=",
            "<!--",
            "<svg>",
        ),
        *("<script><!--", "<style>a{", "<nobr>", "</b>"),
    ],
    "style_sheet": [
        *("p{a:b}", ":not(", "[a=", "@media a{", ".a:hover{", "p{a:b}\x1f", "p{a:b}\x1f<p>x"),
        *("p{a:b}\x1f<!--[if mso]><p>", "p{a:b}\x1f<p a='"),
    ],
    "style_attributes": ["<p style='", "<!--[if ", "<svg>", "<p a", "<style></style>", "<p style=a>", "<svg><style>"],
    "file_name": [
        *(";filename==?utf-8?q?a?=", "filename=", ' filename="', "%41", " ", ";a=", "=", "\n;", "\n,", "\na/", "\n%41"),
        *("a ", "a;", "\u00fc", "=?a?b?", 'filename="a";', "/", "%2f", "\\", ".", 'a; filename="\\'),
        "filename*=utf-8''%41;",
    ],
    "media_type": ["a/b;c=d;", "/", '"', ";", "\\"],
    "flow_yaml": [
        "- a\n",
        "a: b\n",
        "? a\n",
        "# a\n",
        "[",
        "{a: ",
        "- - ",
        "'",
        '"',
        "&a ",
        "!!",
        "\n",
        "  ",
        "a\n",
        "|\n",
        "---\n",
    ],
    "flow_json": ["[", '{"a":', '"', "[1,", '{"a":1},', "1", "\\", " ", "\n"],
    "connection": ['{"hosts": ["', "[", '{"a":', "1"],
    "reply": ["250-a\r\n", "250 a\r\n", "a", "\n", "250-", "\r", "\xff"],
    "ehlo": ["SIZE 1\n", "AUTH PLAIN\n", "AUTH=", "a ", "\n", "LIMITS RCPTMAX=1 "],
    "sasl": ["\x00VXNl\n", "\x02cj1h\n", "\x02cj1hLHM9YSxpPTE=", "\x01=", "\x00A"],
    "protocol": ["\xff250 a\r\n", "\xff250-a\r\n", "\x01421 a\r\n", "\xff220 a"],
    "proxy": ["http://a", "@", ":", "%41", "[", "/"],
    "networks": ["10.0.0.0/8,", ",", "a.", ":", "/", "*"],
    "snapshot": ["a", "\n", "{"],
    "safe_mail": [
        *(
            "<div>",
            "<p>",
            "<i",
            "<style>",
            "</p>",
            "<style>url(cid:",
            "<img src=cid:a>",
            "<p style='background:url(cid:a)'>",
            "&amp;",
        ),
        *("<style>p{background:url(cid:a)}</style>", "<b title='", "<!--", "<table><tr><td>", "<a href=x:", "\\"),
        *("<style>url(", "<style>@import ", "<style>behavior ", "<style>\\75", "<img src=data:image/gif;"),
    ],
    "caught_mail": [
        *(
            "a: b\r\n",
            "Subject: =?utf-8?q?a?= ",
            "=?",
            "Subject: \x1e=?a?q?x\x1e",
            "Subject: \x1e=?\x1e",
            " =?utf-8?b?QQ==?=",
            "Content-Type: a;",
            "\r\n",
            "From: (",
            "a",
        ),
        *("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n", "--a\r\n", "Content-Type: a/b; c*0=", ";a*1*="),
        *("Content-Type: multipart/mixed\x1e;a\x1e", "Content-Disposition: a\x1e;a\x1e"),
        *('Content-Type: multipart/mixed;"\x1e;\x1e', "Content-Type: multipart/mixed; boundary*=punycode''\x1eb\x1e"),
        *("Subject: =?punycode?q?\x1eb\x1e?=", "Content-Type: text/plain; charset=punycode\r\n\r\n\x1eb\x1e"),
        *("Content-ID: <a>\r\n\r\n", "Content-Transfer-Encoding: base64\r\n\r\n=", '"', "\\", "\u00fc"),
    ],
    "event_card": [
        *(
            "BEGIN:VEVENT\r\n",
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n\x1eATTENDEE:mailto:a@b\r\n\x1eEND:VEVENT\r\nEND:VCALENDAR\r\n",
        ),
        *("BEGIN:VEVENT\r\nEND:VEVENT\r\n", "DESCRIPTION:a\r\n b", ";A=B", "\\n"),
    ],
    "certificate": ["0\x82", "\0"],
}
CASES = [(target, shape) for target, shapes in SHAPES.items() for shape in shapes]


def octets(shape, count):
    """A shape again and again: `count` octets and a little more; of three with \x1e between them the second."""
    encoding = "latin-1" if shape.startswith(("\xff", "\x01", "\x00", "\x02")) else "utf-8"
    first, again, last = (
        shape.encode(encoding).split(b"\x1e") if "\x1e" in shape else (b"", shape.encode(encoding), b"")
    )
    return first + again * (count // len(again) + 1) + last


def seconds(work, *given):
    begun = time.thread_time()
    work(*given)
    return time.thread_time() - begun


def times(work, make, count):
    """How many times as long ten times as much takes."""
    little = min(seconds(work, make(count)) for _ in range(2))
    return seconds(work, make(10 * count)) / max(little, LEAST_SECONDS)


def is_quadratic(work, make, count=N):
    work(make(10))
    while seconds(work, make(count)) < LEAST_SECONDS and count < 20 * N:
        count *= 3
    return all(times(work, make, larger * count) > MOST_TIMES for larger in LOOKS)


def peak(target, given):
    tracemalloc.start()
    try:
        TARGETS[target](given)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_every_target_has_its_shapes():
    assert set(SHAPES) == set(TARGETS)


@pytest.mark.parametrize(("target", "shape"), CASES, ids=[f"{target}-{shape!a}" for target, shape in CASES])
def test_time_and_memory_grow_as_the_input_does(target, shape):
    assert not is_quadratic(TARGETS[target], partial(octets, shape), N_OF_ONE if "\x1e" in shape else N)
    small = octets(shape, N)
    assert peak(target, octets(shape, 10 * N)) < MOST_TIMES * max(peak(target, small), 100_000)


def images(count):
    made = attach_data_images("".join(f"<img src='data:image/gif,{one}'>" for one in range(count // 10)), limit=100)
    compose(Email(from_="a@x.org", to="b@x.org", subject="", html=made.html, attachments=made.files))


def parameters_in_a_preview(count):
    part = b"Content-Type: a/b;\r\n" + b" a;\r\n" * (10 * count) + b"\r\nx"
    assert compose(Email(from_="a@x.org", to="b@x.org", subject="", attachments=[RawPart(content=part)])).header_fields


def blanks_in_a_link(count):
    asyncio.run(render_html(HtmlTemplate(f"<a href={' ' * count}!>"), Evaluator({}, {})))


def lines_before_an_address(count):
    text = "a@x.org," + "\n" * count + "x{{ input }}@x.org"
    asyncio.run(render_addresses(parse_address_template(text), Evaluator("a", {})))


def boundaries_in_a_message_of_a_program(count):
    text = b"".join(b"boundary=%d-%s\r\n" % (one, b"x" * 60) for one in range(count // 10))
    direct._digest(b"From: a@x.org\r\nTo: b@x.org\r\n\r\n" + text, None)


@pytest.mark.parametrize(
    "work",
    [
        images,
        parameters_in_a_preview,
        blanks_in_a_link,
        lines_before_an_address,
        boundaries_in_a_message_of_a_program,
    ],
)
def test_so_does_what_the_parsers_are_used_for(work):
    assert not is_quadratic(work, int)


def test_what_is_quadratic_is_seen_and_what_is_linear_is_not():
    def squared(text):
        while text:
            text = text[1:]

    assert times(squared, "a".__mul__, 20_000) > MOST_TIMES
    assert not is_quadratic(str.split, "a ".__mul__)
