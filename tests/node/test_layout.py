"""Layouts around the content of a node: what a server received, and what is said of a layout that can't be used."""

import re
from pathlib import Path

import pytest

from mailnode.app import Mailnode
from mailnode.errors import ErrorCode, MailnodeError
from mailnode.inbox.server import Inbox
from mailnode.node.html import HtmlTemplate
from mailnode.node.layout import MOST_BYTES, find_layout, read_layout
from support.flows import run, send, to_server, write_flow

PLAIN = "<!doctype html><html><body><h1>{{ input.shop }}</h1><div data-content>Sample</div><p>Bye</p></body></html>"
MJML = """<mjml><mj-body><mj-section><mj-column>
<mj-text data-content>Sample</mj-text><mj-text>{{ input.shop }}</mj-text>
</mj-column></mj-section></mj-body></mjml>"""
STATE = {"shop": "Tea & Co", "name": "<Zoë>"}


def put(folder: Path, text: str, name: str = "plain") -> None:
    (folder / "layouts").mkdir(exist_ok=True)
    (folder / "layouts" / f"{name}.html").write_text(text, encoding="utf-8")


def refusal(text: str) -> MailnodeError:
    with pytest.raises(MailnodeError) as caught:
        read_layout("plain", text)
    assert caught.value.hint
    return caught.value


class TestSent:
    async def test_the_content_stands_in_the_layout(self, inbox: Inbox, tmp_path: Path) -> None:
        put(tmp_path, PLAIN)
        sent = await send(inbox, tmp_path, STATE, layout="plain", content="<p>Dear {{ input.name }}</p>")
        assert sent.body("html").strip() == (
            "<!doctype html><html><body><h1>Tea &amp; Co</h1><div><p>Dear &lt;Zoë&gt;</p></div><p>Bye</p></body></html>"
        )
        assert sent.body("plain").split() == ["Tea", "&", "Co", "Dear", "<Zoë>", "Bye"]

    async def test_its_style_sheet_counts_for_the_content_and_values_are_escaped(
        self, inbox: Inbox, tmp_path: Path
    ) -> None:
        put(tmp_path, '<style>a{color:red}</style><a href="{{ input.bad }}">x</a><b data-content ></b>')
        sent = await send(
            inbox,
            tmp_path,
            {"bad": "javascript:1", "b": '"><b>'},
            layout="plain",
            content='<a title="{{input.b}}">y</a>',
        )
        assert sent.body("html").strip() == (
            '<a style="color:red" href="">x</a><b><a style="color:red" title="&quot;&gt;&lt;b&gt;">y</a></b>'
        )

    async def test_plain_content_keeps_its_lines_and_those_of_its_values(self, inbox: Inbox, tmp_path: Path) -> None:
        put(tmp_path, "<p>{{ input.lines }}</p><div data-content></div>")
        state = {"lines": "1\n2"}
        sent = await send(inbox, tmp_path, state, layout="plain", content="Dear all,\n{{ input\n.lines }}\n\nBye")
        assert sent.body("html").replace("\r\n", "\n").strip() == (
            "<p>1\n2</p><div>Dear all,<br>\n1<br>\n2<br>\n<br>\nBye</div>"
        )

    async def test_a_layout_of_mjml(self, inbox: Inbox, tmp_path: Path) -> None:
        put(tmp_path, MJML)
        sent = await send(inbox, tmp_path, STATE, layout="plain", content="<p>1<p>{{ input.name }}")
        assert re.search("><p[^>]*>1<p[^>]*>&lt;Zoë&gt;</div></td></tr>", sent.body("html"))
        assert "Tea &amp; Co</div>" in sent.body("html")
        assert "data-content" not in sent.body("html")

    async def test_content_of_mjml(self, inbox: Inbox, tmp_path: Path) -> None:
        content = MJML.replace(" data-content", "").replace("Sample", "{{ input.name }}")
        sent = await send(inbox, tmp_path, STATE, content=content)
        assert "&lt;Zoë&gt;</div></td></tr>" in sent.body("html")
        assert sent.body("plain").split() == ["<Zoë>", "Tea", "&", "Co"]

    async def test_queued_email_keeps_the_layout_of_its_time(self, inbox: Inbox, tmp_path: Path) -> None:
        put(tmp_path, PLAIN)
        settings = to_server(inbox.port, layout="plain", asynchronous=True)
        flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
        async with Mailnode.open() as mailnode:
            await mailnode.run(flow, input=STATE)
            put(tmp_path, "<b data-content></b>")
            await mailnode.run(flow, input=STATE)
            await mailnode.work(drain=True)
        bodies = [mail.octets() for mail in inbox.messages()]
        assert sorted(b"<h1>" in body for body in bodies) == [False, True]

    async def test_preview_and_run_and_test_give_the_same(self, inbox: Inbox, tmp_path: Path) -> None:
        put(tmp_path, MJML)
        settings = to_server(inbox.port, layout="plain")
        flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
        async with Mailnode.open() as mailnode:
            dry_run = mailnode.dry_run(flow, "tell", input=STATE, context={})
            shown = (await dry_run.compose()).email.html
            await mailnode.run(flow, input=STATE)
            await dry_run.send_to("somebody@example.org")
        assert shown
        for mail in inbox.messages():
            assert b"Tea &amp; Co" in mail.octets()
        assert len(inbox.messages()) == 2


class TestErrors:
    async def test_a_missing_layout_is_found_before_anything_is_sent(self, inbox: Inbox, tmp_path: Path) -> None:
        put(tmp_path, PLAIN, "branded")
        first = {"id": "first", "type": "sendSmtpEmail", "settings": to_server(inbox.port)}
        second = {"id": "second", "type": "sendSmtpEmail", "settings": to_server(inbox.port, layout="plain")}
        flow = write_flow(tmp_path, first, second)
        with pytest.raises(MailnodeError) as caught:
            await run(flow)
        error = caught.value
        assert (error.code, error.node, error.key) == (ErrorCode.UNKNOWN_LAYOUT, "second", "layout")
        assert error.hint == "layouts here: branded"
        assert error.line
        assert not inbox.messages()
        async with Mailnode.open() as mailnode:
            assert [one.key for one in mailnode.dry_run(flow).errors()] == ["layout"]

    @pytest.mark.parametrize(
        "name", ["../flow", "/etc/passwd", "a/b", "a\\b", "plain.html", "..", "ä", "x" * 65, "{{ a }}"]
    )
    async def test_a_name_that_leads_elsewhere_is_none(self, tmp_path: Path, name: str) -> None:
        flow = write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": to_server(1, layout=name)})
        with pytest.raises(MailnodeError) as caught:
            await run(flow)
        assert caught.value.key == "layout"
        assert caught.value.hint

    def test_a_link_out_of_the_folder_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "secret.html").write_text(PLAIN)
        flows = tmp_path / "flows"
        (flows / "layouts").mkdir(parents=True)
        (flows / "layouts" / "file.html").symlink_to(tmp_path / "secret.html")
        (flows / "layouts" / "folder.html").mkdir()
        (flows / "layouts" / "inside.html").symlink_to(flows / "layouts" / "real.html")
        (flows / "layouts" / "real.html").write_text(PLAIN)
        assert find_layout(flows, "inside").after == "</div><p>Bye</p></body></html>"
        for name in ("file", "folder"):
            with pytest.raises(MailnodeError, match="not in the flows' folder"):
                find_layout(flows, name)
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "layouts").symlink_to(flows / "layouts")
        with pytest.raises(MailnodeError, match="not in the flows' folder"):
            find_layout(tmp_path / "other", "real")

    def test_what_is_too_large_or_no_text_is_told(self, tmp_path: Path) -> None:
        put(tmp_path, "x" * (MOST_BYTES + 1))
        with pytest.raises(MailnodeError, match="larger than 1 MB"):
            find_layout(tmp_path, "plain")
        (tmp_path / "layouts" / "plain.html").write_bytes(b"\xff")
        with pytest.raises(MailnodeError, match="not UTF-8"):
            find_layout(tmp_path, "plain")
        with pytest.raises(MailnodeError, match="was not read from a folder"):
            find_layout(None, "plain")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("<p>Hi</p>", "no element has data-content"),
            ("<!-- <div data-content></div> --><script data-x>'<i data-content>'</script>", "no element has"),
            ("{{{ '<div data-content></div>' }}}", "no element has data-content"),
            ("<div data-content></div><b data-content></b>", "2 elements have data-content"),
            ("<div data-content><b data-content></b></div>", "2 elements have data-content"),
            ("<img data-content>", "data-content can't stand on <img>"),
            ("<p data-content></p>", "data-content can't stand on <p>"),
            ("<title data-content></title>", "data-content can't stand on <title>"),
            ("<b>x</b><td data-content></td>", "data-content on <td>: it stands where browsers drop it"),
            ("<!--[if mso]><div data-content></div><![endif]-->", "stands in a comment"),
            ("<mjml><mj-body></mj-body></mjml>", "no element has data-content"),
            ("<mjml><mj-bdy></mj-body></mjml>", "MJML, line 1: there is no element <mj-bdy>"),
            ("{{ input.", "is not closed"),
        ],
    )
    def test_a_layout_has_exactly_one_place_for_the_content(self, text: str, words: str) -> None:
        error = refusal(text)
        assert error.message.startswith("in the layout plain: ")
        assert words in error.message

    @pytest.mark.parametrize(
        ("text", "before", "after"),
        [
            (
                "<table><td><table><tr><td DATA-CONTENT='' id=a><table><td>1</td></table></td>{{{'</td>'}}}</table>",
                "<table><td><table><tr><td id=a>",
                "</td>{{{'</td>'}}}</table>",
            ),
            ("<table><tr><td data-content>1<tr><td>2</table>", "<table><tr><td>", "<tr><td>2</table>"),
            ("<ul><li a='>' data-content>1<i>2</i><li>3</ul>", "<ul><li a='>'>", "<li>3</ul>"),
            ("<div data-content><div></div>", "<div>", ""),
        ],
    )
    def test_the_end_of_its_place_is_that_of_its_own_element(self, text: str, before: str, after: str) -> None:
        layout = read_layout("plain", text)
        assert (layout.before, layout.after) == (before, after)

    @pytest.mark.parametrize("content", ["<!DOCTYPE html><p>", "<body><p>x", MJML, "<html>"])
    def test_a_whole_document_does_not_go_into_one(self, content: str) -> None:
        with pytest.raises(MailnodeError, match=r"^content: the content is (a whole document|MJML), and"):
            read_layout("plain", PLAIN).around(HtmlTemplate(content))

    async def test_an_undefined_value_says_where_it_stands(self, inbox: Inbox, tmp_path: Path) -> None:
        put(tmp_path, PLAIN + '<p data-each="one of input.all">{{ one }}</p>')
        settings = to_server(inbox.port, layout="plain", content="<p>{{ input.name }}</p>")
        flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
        whole = {"name": "Zoë", "shop": "Tea", "all": []}
        for left_out, key in (("shop", "layout"), ("all", "layout"), ("name", "content")):
            ran = await run(flow, input={name: value for name, value in whole.items() if name != left_out})
            assert f"node tell, {key}: " in ran.nodes[0].result["error"]["message"]
        message = (await run(flow, input={"all": []})).nodes[0].result["error"]["message"]
        assert ("layout: {{ input.shop }}" in message, "content: {{ input.name }}" in message) == (True, True)


def test_the_same_layout_and_content_are_one_template() -> None:
    content = HtmlTemplate("<p>x</p>")
    assert read_layout("plain", MJML).around(content) is read_layout("plain", MJML).around(content)
