"""What a run and a preview say of a mail alike, and what is done about it."""

import base64
import json
from typing import Any

import pytest

from mailnode.app import Mailnode
from mailnode.inbox.server import Inbox
from support.flows import Sent, send, to_server, write_flow
from support.mail_readers import read_by_npm

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
CALENDAR = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR"


def picture(filename: str, cid: str) -> dict[str, str]:
    return {"type": "base64", "content": base64.b64encode(PNG).decode(), "filename": filename, "cid": cid}


async def said(inbox: Inbox, folder: Any, state: dict[str, Any] | None = None, **settings: Any) -> tuple[Sent, str]:
    """Send a mail, and give it with the warnings of its run, which are those of its preview."""
    sent = await send(inbox, folder, state, **settings)
    node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(inbox.port, **settings)}
    async with Mailnode.open() as mailnode:
        made = await mailnode.dry_run(write_flow(folder, node), input=state or {}).compose()
    assert list(made.warnings) == sent.report["warnings"]
    return sent, "\n".join(made.warnings)


def html_of(sent: Sent) -> str:
    return sent.body("html").replace("\r\n", "\n")


def parts(sent: Sent) -> list[tuple[str, str | None, bytes]]:
    """Give type, Content-ID and content of each file, as the standard library and postal-mime read it."""
    files = [part for part in sent.message.walk() if part.get_content_disposition()]
    (other,) = read_by_npm([sent.received.octets()])
    read = [(part.get_content_type(), part["Content-ID"], part.get_content()) for part in files]
    assert [one["size"] for one in other["attachments"]] == [len(content) for _, _, content in read]
    return [(kind, cid, bytes(content)) for kind, cid, content in read]


class TestRemarks:
    async def test_nothing_is_said_of_a_mail_without_fault(self, inbox, tmp_path):
        sent, words = await said(
            inbox,
            tmp_path,
            content='<p>Hi <img src="cid:a%2Eb" alt="x"><a href="https://x.example/">y</a></p>',
            attachments=[picture("a.png", "a.b")],
        )
        assert words == ""
        assert parts(sent) == [("image/png", "<a.b>", PNG)]

    async def test_two_files_that_share_a_cid(self, inbox, tmp_path):
        files = [picture("a.png", "logo"), picture("b.png", "logo")]
        _, words = await said(inbox, tmp_path, content='<img src="cid:logo" alt="Logo">', attachments=files)
        assert words == "2 attachments have the cid logo: mail programs show only one of them, so give each its own"

    async def test_a_cid_that_nothing_refers_to_and_one_that_nothing_has(self, inbox, tmp_path):
        content = '<p>Hi</p><!-- cid:logo --><img src="cid:lego" alt="x">'
        _, words = await said(inbox, tmp_path, content=content, attachments=[picture("a.png", "legs")])
        assert "the image cid:lego has no attachment with this cid" in words
        assert "nothing in the content refers to cid:legs, so it is attached" in words

    async def test_a_cid_in_other_letters(self, inbox, tmp_path):
        _, words = await said(
            inbox, tmp_path, content='<p>Hi</p><img src="cid:Logo" alt="x">', attachments=[picture("a.png", "logo")]
        )
        assert words == "the image cid:Logo has no attachment with this cid: write cid:logo, case matters"

    async def test_a_stranger_s_words_are_told_on_one_short_line(self, inbox, tmp_path):
        content = '<p>Hi {%\x1b[1m%}</p><img src="cid:%1b]0;x%07{{ input.x }}" alt="x">'
        raw = b"Content-Type: text/calendar; name*=utf-8''%1b%0d%0aa.ics\r\n\r\nMETHOD:REQUEST"
        files = [{"type": "mime", "content": raw.decode()}]
        state = {"x": "\r\nBcc: \u202e" + "y" * 10_000}
        _, words = await said(inbox, tmp_path, state, content=content, attachments=files)
        lines = words.split("\n")
        assert all(line.isprintable() and len(line) < 200 for line in lines)
        assert "the image cid:\\x1b]0;x\\x07\\r\\nBcc: \\u202eyyy" in words
        assert "\\x1b\\r\\na.ics is only an attached file" in words
        assert "content contains {%\\x1b[1m%}, which" in words

    async def test_the_scheme_before_a_cid_is_taken_away(self, inbox, tmp_path):
        for cid in ("cid:icon.gif", "<CID:icon.gif>"):
            sent, words = await said(
                inbox,
                tmp_path,
                content='<p>Hi</p><img src="cid:icon.gif" alt="x">',
                attachments=[picture("i.png", cid)],
            )
            assert words == ""
            assert parts(sent) == [("image/png", "<icon.gif>", PNG)]
            (_, related) = sent.message.iter_parts()
            assert related.get_content_type() == "multipart/related"

    @pytest.mark.parametrize(
        "file",
        [
            {
                "type": "custom",
                "content": CALENDAR,
                "contentType": "text/calendar; method=REQUEST",
                "filename": "in.ics",
            },
            {"type": "text", "content": CALENDAR, "filename": "in.ics"},
            {
                "type": "mime",
                "content": f"Content-Type: text/calendar; name=in.ics\nContent-Disposition: attachment\n\n{CALENDAR}",
            },
        ],
    )
    async def test_a_calendar_that_is_only_a_file(self, inbox, tmp_path, file):
        _, words = await said(inbox, tmp_path, attachments=[file])
        assert words == "in.ics is only an attached file: mail programs may not offer to accept it: set `invitation`"

    @pytest.mark.parametrize(
        "event", [CALENDAR.replace("REQUEST", "PUBLISH"), CALENDAR.replace("METHOD:REQUEST\n", "")]
    )
    async def test_a_calendar_that_nobody_is_to_answer_is_a_file(self, inbox, tmp_path, event):
        assert event != CALENDAR
        file = {"type": "text", "content": event, "filename": "in.ics"}
        assert (await said(inbox, tmp_path, attachments=[file]))[1] == ""

    async def test_a_calendar_beside_the_text_is_an_invitation(self, inbox, tmp_path):
        event = f"--b\nContent-Type: text/calendar\n\n{CALENDAR}\n--b--\n"
        part = f"Content-Type: multipart/alternative; boundary=b\n\n{event}"
        _, words = await said(inbox, tmp_path, attachments=[{"type": "mime", "content": part}])
        assert words == ""

    async def test_content_that_gmail_cuts_off(self, inbox, tmp_path):
        for size, is_cut in ((102 * 1024, False), (102 * 1024 + 1, True)):
            _, words = await said(
                inbox, tmp_path, content="<p>" + "\u00e9" * ((size - 6) // 2) + "x" * (size % 2) + "<p>"
            )
            assert ("Gmail shows only its first 102 kB" in words) == is_cut

    async def test_what_the_preview_said_before_a_run_says_too(self, inbox, tmp_path):
        content = '<a href="www.x.example">x</a><img src="a.png"><textarea><img></textarea><!-- <img> -->'
        content += "<a href=\u201chttps://x.example/\u201d>y</a>"
        _, words = await said(inbox, tmp_path, content=content, subject="")
        assert words.splitlines() == [
            "the subject is empty",
            "1 image is without alt text: readers who see no images miss it",
            "the link 'www.x.example' needs the whole URL, with https://",
            (
                "the link '\u201chttps://x.example/\u201d' is in typographic quotes, which become a part of it: "
                'use straight ones, "like this"'
            ),
        ]

    async def test_links_and_images_within_an_attribute_are_those_of_this_mail(self, inbox, tmp_path):
        content = """<p title='<a href="https://shop.example/{{ input.id }} x">'>hi</p>"""
        _, warnings = await said(inbox, tmp_path, {"id": 17}, content=content)
        assert "the link 'https://shop.example/17 x' is not a valid URL" in warnings
        content = """<p style="color: {{ input.color }} <img src=x>">hi</p>"""
        _, warnings = await said(inbox, tmp_path, {"color": "red; }"}, content=content)
        assert "style was emptied" in warnings
        assert "without alt text" not in warnings

    async def test_what_is_sent_as_it_stands_though_it_was_meant_as_something_else(self, inbox, tmp_path):
        content = "<p>Hi {% if vip %}x{% endif %}, 5 {% off</p>Joe <joe@x.example>"
        content += "<style>@keyframes a{0%{top:0}50%{top:1}}</style>"
        _, words = await said(inbox, tmp_path, subject="Dear *|FNAME|*", content=content, textContent="{ % x } **|**")
        assert words.splitlines() == [
            "subject contains *|FNAME|*, which mailnode does not fill in: it only knows {{ }}",
            "content contains {% if vip %}, which mailnode does not fill in: write {{ }}, data-each and data-if",
            "<joe@x.example> in content is read as an HTML tag, and not shown: write &lt;joe@x.example&gt;",
        ]

    @pytest.mark.parametrize(
        ("content", "is_told"),
        [
            ("Hello <b>Jane</b>,\n\nit is on its way.", True),
            ("Hello <b>Jane</b>,\nit is on its way.", False),
            ("Hello <b>Jane</b>,<BR>\n\nit is on its way.", False),
            ("<b>Hello</b>\n\n", False),
        ],
    )
    async def test_lines_of_html_that_readers_see_as_one(self, inbox, tmp_path, content, is_told):
        _, words = await said(inbox, tmp_path, content=content)
        assert words == ("content has tags, but no <p> and no <br>: its lines are shown as one" if is_told else "")


class TestDataImages:
    CONTENT = (
        f'<p>Hi</p><img src="{DATA_URL}" alt="x"><img alt="y" SRC = \'{DATA_URL.replace("=", "&#61;")}\'>'
        '<img src=data:image/gif,GIF89a alt=z><img src="data:image/png;base64,!" alt="w">'
        '<img src="https://x.example/a" alt="">'
    )

    async def test_they_are_told(self, inbox, tmp_path):
        sent, words = await said(inbox, tmp_path, content=self.CONTENT)
        assert "4 images are in the HTML itself (data:)" in words
        assert "set dataImages to attach" in words
        assert html_of(sent).rstrip() == self.CONTENT

    async def test_they_become_inline_files(self, inbox, tmp_path):
        sent, words = await said(
            inbox,
            tmp_path,
            {"v": DATA_URL},
            content=self.CONTENT + '<img src="{{ input.v }}" alt="v">',
            dataImages="attach",
        )
        png, gif = parts(sent)
        assert (png[0], png[2], gif[0], gif[2]) == ("image/png", PNG, "image/gif", b"GIF89a")
        cid = (png[1] or "").strip("<>")
        assert html_of(sent).count(f"cid:{cid}") == 3
        assert html_of(sent).startswith(f'<p>Hi</p><img src="cid:{cid}" alt="x"><img alt="y" SRC = \'cid:{cid}\'>')
        assert f"<img src=cid:{(gif[1] or '').strip('<>')} alt=z>" in html_of(sent)
        why = "the Base64 text can't be read: '!' at character 1 is not Base64"
        assert words == f"an image was left as a data: URL, which Gmail and Outlook do not show: {why}"

    async def test_what_is_no_image_or_too_large_stays(self, inbox, tmp_path):
        content = f'<p>Hi</p><img src="data:text/html,hello" alt="x"><img src="data:image/gif,{"x" * 2000}" alt="y">'
        sent, words = await said(inbox, tmp_path, content=content, dataImages="attach", maxAttachmentMB=0.001)
        assert parts(sent) == []
        assert "'text/html' is not an image" in words
        assert "an image was left as a data: URL, which Gmail and Outlook do not show: 'data URL' has " in words
        assert html_of(sent).rstrip() == content


class TestPlainText:
    async def test_its_line_breaks_are_kept(self, inbox, tmp_path):
        sent, words = await said(inbox, tmp_path, content="Hello,\nthis is\r\n\r\nplain < text & more")
        assert html_of(sent) == "Hello,<br>\nthis is<br>\n<br>\nplain < text & more\n"
        assert sent.body("plain").splitlines() == ["Hello,", "this is", "", "plain < text & more"]
        assert "content is plain text" in words

    async def test_those_of_values_too(self, inbox, tmp_path):
        state = {"v": "one\ntwo <b>&amp;</b>\n"}
        sent, words = await said(inbox, tmp_path, state, content="Dear {{ input.v }}")
        assert html_of(sent) == "Dear one<br>\ntwo &lt;b&gt;&amp;amp;&lt;/b&gt;\n"
        assert "content is plain text" in words

    @pytest.mark.parametrize(
        "content",
        [
            "Hello,\nthis is <b>HTML",
            "Hello,\nthis is&nbsp;HTML",
            "Hello,\nthis is &#8364; HTML",
            "Hello,\nthis is<!-- HTML -->",
            "Hello,\n{{{ input.v }}}",
            "{{{ input.v }}}",
            "one line {{ input.w }}",
            "one line\n",
        ],
    )
    async def test_html_and_a_single_line_stay_as_they_are(self, inbox, tmp_path, content):
        state = {"v": "<p>one\ntwo</p>", "w": "<&"}
        sent, words = await said(inbox, tmp_path, state, content=content)
        expected = content.replace("{{{ input.v }}}", state["v"]).replace("{{ input.w }}", "&lt;&amp;")
        assert html_of(sent).rstrip("\n") == expected.rstrip("\n")
        assert words == ""


async def test_a_notification_says_it_too(inbox, tmp_path, monkeypatch):
    for name, value in {
        "HOST": "127.0.0.1",
        "PORT": str(inbox.port),
        "TLS_OPTION": "none",
        "FROM": "a@x.example",
    }.items():
        monkeypatch.setenv(f"MAILNODE_NOTIFICATION_{name}", value)
    node = {
        "id": "tell",
        "type": "emailNotification",
        "settings": {"to": "b@x.example", "subject": "Hi", "content": "a\nb"},
    }
    async with Mailnode.open() as mailnode:
        ran = await mailnode.run(write_flow(tmp_path, node))
    assert "content is plain text" in json.dumps(ran.nodes[0].result["warnings"])
