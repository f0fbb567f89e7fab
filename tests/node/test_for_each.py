"""Attachments with `forEach`: one for each item of a list."""

import pytest

from mailnode.errors import MailnodeError
from mailnode.node.address_guard import AddressGuard
from mailnode.node.expression import Evaluator
from mailnode.node.render import Renderer
from mailnode.node.settings import SendSmtpEmailSettings
from mailnode.node.settings_reader import read_settings

INPUT: dict[str, list[dict[str, str]]] = {
    "files": [{"n": "a.txt", "t": "QQ=="}, {"n": "b.txt", "t": "Qg=="}, {"n": "c/d.txt", "t": ""}],
    "none": [],
}
EACH = {"forEach": "{{ input.files }}"}
PART = "Content-Type: text/plain; name={{ item.n }}\r\n\r\n{{ item.t }}"


async def made(attachment, *, lenient=False, **settings):
    given = {"emailService": "Gmail", "to": "a@b.example", "from": "c@d.example", "lenient": lenient}
    read = read_settings(SendSmtpEmailSettings, {**given, "attachments": [attachment], **settings})
    renderer = Renderer(read, Evaluator({**INPUT, "nothing": None}, {}, lenient=lenient), AddressGuard())
    return await renderer.render(None)


@pytest.mark.parametrize(
    ("attachment", "files"),
    [
        (
            {
                "type": "text",
                "filename": "{{ index + 1 }} {{ item.n }}",
                "content": "{{ item.t }}\n",
                "cid": "c{{ index }}",
            },
            [("1 a.txt", b"QQ==\n", "c0"), ("2 b.txt", b"Qg==\n", "c1"), ("d.txt", b"\n", "c2")],
        ),
        (
            {"type": "base64", "filename": "{{ item.n }}", "content": "{{ item.t }}"},
            [("a.txt", b"A", ""), ("b.txt", b"B", ""), ("d.txt", b"", "")],
        ),
        (
            {"type": "custom", "contentType": "text/csv", "filename": "x.csv", "content": "{{ item.n }};é"},
            [("x.csv", "a.txt;é".encode(), ""), ("x.csv", "b.txt;é".encode(), ""), ("x.csv", "c/d.txt;é".encode(), "")],
        ),
        (
            {"type": "url", "url": "data:text/plain;base64,{{ item.t }}", "filename": " {{ item.n }}\n"},
            [("a.txt", b"A", ""), ("b.txt", b"B", ""), ("d.txt", b"", "")],
        ),
    ],
)
async def test_each_item_makes_one_of_any_type(attachment, files):
    rendered = await made({**attachment, **EACH})
    assert [(one.filename, one.content, one.cid) for one in rendered.email.attachments] == files
    told = [warning for warning in rendered.warnings if "slash" in warning]
    assert all(warning.startswith("attachments[0].filename: ") and warning.endswith("(3 of 3)") for warning in told)
    assert len(told) == (attachment["type"] != "custom")


async def test_each_item_makes_one_mime_part():
    parts = (await made({"type": "mime", "content": PART, **EACH})).email.attachments
    assert [part.content for part in parts] == [
        PART.replace("{{ item.n }}", one["n"]).replace("{{ item.t }}", one["t"]).encode() for one in INPUT["files"]
    ]


@pytest.mark.parametrize("kind", ["url", "text"])
async def test_an_empty_list_makes_none(kind):
    attachment = {"type": kind, "url" if kind == "url" else "content": "data:,x", "filename": "x"}
    assert not (await made({**attachment, "forEach": "{{ input.none }}"})).email.attachments
    assert not (await made({**attachment, "forEach": "{{ input.nothing }}"}, lenient=True)).email.attachments
    assert len((await made({**attachment, "forEach": ""})).email.attachments) == 1


@pytest.mark.parametrize(
    ("attachment", "error", "hint"),
    [
        ({"forEach": "{{ input.nothing }}"}, "attachments[0].forEach: {{ input.nothing }} is null", "?? []"),
        ({"forEach": "{{ 'x' }}"}, "attachments[0].forEach: {{ 'x' }} can't repeat: 'x' is text, not a list", "split"),
        ({"forEach": "{{ Array(101).fill(1) }}"}, "attachments[0].forEach: {{ Array(101).fill(1) }} repeats", "slice"),
        ({"forEach": "x {{ input.files }}"}, "attachments[0].forEach: this is not one expression", "input.files"),
        ({"forEach": "input.files"}, "attachments[0].forEach: this is not one expression", "{{ input.files }}"),
        ({"filename": "{{ item.x }}"}, "attachments[0].filename: {{ item.x }} is undefined (row 1 of", "default"),
        ({"filename": "{{ item.n }}\x07"}, "attachments[0].filename", ""),
        ({"type": "base64", "content": "{{ '=' + item.t }}"}, "attachments[0].content: the Base64 text", "files"),
        (
            {"type": "url", "url": "http://127.0.0.1:1/{{ item.n }}", "content": None},
            "address (",
            "MAILNODE_FETCH_ALLOW",
        ),
        ({"cid": "{{ item.n + ' ' }}x"}, "attachments[0].cid", "letters"),
    ],
)
async def test_an_error_says_which_one_it_is_about(attachment, error, hint):
    text = {"type": "text", "content": "{{ item.t }}", "filename": "{{ item.n }}", **EACH, **attachment}
    with pytest.raises(MailnodeError) as caught:
        await made({key: value for key, value in text.items() if value is not None})
    assert error in str(caught.value)
    assert hint in caught.value.hint
    if "forEach" not in error and "row" not in error:
        assert str(caught.value).endswith(" of 3)")
