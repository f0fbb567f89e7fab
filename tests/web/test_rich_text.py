"""The rich text editor of a mail's content, in a real browser, under the content security policy of every page."""

import base64
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Route, expect

from mailnode.web.security.guard import CONTENT_SECURITY_POLICY
from support.browser import faults_of
from support.source import write_source

WEB = Path(__file__).parents[2] / "src/mailnode/web"
STATIC = WEB / "static"
PATHS = ["input", "input.name", "input.email", "input.order.id", "context", "context.user.name"]
LISTS = ["input.items", "input.items[0].name", "input.items[0].price", "input.vip"]
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Rich text</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/static/icon.svg"><link rel="stylesheet" href="/static/main.css">
<script type="module" src="/page.js"></script></head><body><main>
<h1>Rich text</h1><form>
<div class="field"><span class="label" id="label">Email Content</span>
<div class="rich" data-rich role="group" aria-labelledby="label"><textarea id="content" name="content" rows="10"
aria-labelledby="label" aria-describedby="error" spellcheck="false"></textarea></div>
<p class="error" id="error" hidden></p></div>
<div class="field"><label for="to">To</label><input id="to"></div>
<div class="field"><label for="text">Text</label><textarea id="text"></textarea></div>
</form></main></body></html>"""


class Pages(SimpleHTTPRequestHandler):
    """Serves the bundle and one page that uses it."""

    def do_GET(self) -> None:
        chunk = next(STATIC.glob("chunk-rich-text-*.js")).name
        script = f'import * as rich from "/static/{chunk}"; Object.assign(window, rich);'
        own = {"/": ("text/html", PAGE), "/page.js": ("text/javascript", script)}
        if self.path not in own:
            super().do_GET()
            return
        kind, text = own[self.path]
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        super().end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(bundle: None) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=str(WEB))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Iterator[Page]:
    with browser.new_context(base_url=address, viewport={"width": 900, "height": 800}) as context:
        context.set_default_timeout(60_000)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield context.new_page()


@pytest.fixture
def open_editor(page: Page, address: str):
    """Open the editor on some stored HTML; whatever the page complains about fails the test."""
    complaints: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((address, "data:")):
            complaints.append(request.url)

    listeners: dict[Any, Any] = {
        "pageerror": lambda error: complaints.append(str(error)),
        "console": said,
        "request": asked,
        "dialog": lambda dialog: complaints.append(dialog.message),
    }
    for event, listener in listeners.items():
        page.on(event, listener)

    def opened(html: str = "", paths: list[str] = PATHS) -> "Editor":
        page.goto("/")
        page.wait_for_function("'mountRichText' in window")
        page.evaluate(
            """([html, paths, pixel]) => {
                const host = document.querySelector("[data-rich]");
                host.querySelector("textarea").value = html;
                window.events = [];
                host.addEventListener("input", () => window.events.push("input"));
                document.addEventListener("mailnode:inline-image", (event) => window.events.push(event.detail));
                const store = async (file) => ({
                    path: `files/1-${file.name}`,
                    filename: file.name,
                    contentType: file.type,
                    address: pixel,
                });
                window.field = mountRichText(host, {paths: () => paths, store});
                for (const id of ["to", "text"]) mountCompletion(document.getElementById(id), () => paths);
            }""",
            [html, paths, f"data:image/gif;base64,{base64.b64encode(PIXEL).decode()}"],
        )
        return Editor(page)

    yield opened
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    assert complaints == []


class Editor:
    """What a test sees and does."""

    def __init__(self, page) -> None:
        self.page = page
        self.surface = page.locator(".surface")
        self.field = page.locator("#content")
        self.source = page.locator(".rich .cm-content")
        self.notice = page.locator(".rich-notice")

    @property
    def stored(self):
        return self.field.input_value()

    @property
    def mode(self):
        return self.page.locator("[data-rich]").get_attribute("data-mode")

    def tool(self, name: str):
        return self.page.locator(".rich-tools").get_by_role("button", name=name, exact=True)

    def type(self, text: str) -> None:
        self.surface.focus()
        self.page.keyboard.type(text)

    def click(self, within: Locator) -> None:
        """Put the cursor somewhere: the browser moves it at once, and tells the editor of it with the next frame."""
        within.click()
        self.settle()

    def settle(self) -> None:
        self.page.evaluate("new Promise(seen => requestAnimationFrame(() => requestAnimationFrame(seen)))")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def answer(self, button: str, **fields: str):
        dialog = self.page.get_by_role("dialog")
        for name, value in fields.items():
            if name in {"what", "case"}:
                dialog.locator(f"[name={name}]").select_option(label=value)
            else:
                dialog.locator(f"[name={name}]").fill(value)
        dialog.get_by_role("button", name=button, exact=True).click()
        return dialog

    def paste(self, html: str, text: str = "") -> None:
        self.surface.focus()
        self.page.evaluate(
            """([html, text]) => {
                const data = new DataTransfer();
                if (html) data.setData("text/html", html);
                data.setData("text/plain", text);
                const paste = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
                document.querySelector(".surface").dispatchEvent(paste);
            }""",
            [html, text],
        )

    def findings(self) -> list[str]:
        return faults_of(self.page)


def test_what_is_typed_is_stored_and_says_so(open_editor):
    editor = open_editor()
    editor.type("Hello")
    editor.press("Enter")
    editor.type("World")
    assert editor.stored == "<p>Hello</p><p>World</p>"
    assert editor.page.evaluate("window.events").count("input") == len("Hello") + 1 + len("World")


def test_what_is_deleted_leaves_nothing(open_editor):
    editor = open_editor("<p>x</p>")
    editor.surface.focus()
    editor.press("Control+a", "Delete")
    assert editor.stored == ""


def test_an_empty_line_is_one_in_the_mail(open_editor):
    editor = open_editor()
    editor.type("a")
    editor.press("Enter", "Enter")
    editor.type("b")
    assert editor.stored == "<p>a</p><p><br></p><p>b</p>"


@pytest.mark.parametrize(
    ("tool", "stored"),
    [
        ("Bold", "<p><strong>word</strong></p>"),
        ("Italic", "<p><em>word</em></p>"),
        ("Underline", "<p><u>word</u></p>"),
        ("Strikethrough", "<p><s>word</s></p>"),
        ("Heading 1", "<h1>word</h1>"),
        ("Heading 2", "<h2>word</h2>"),
        ("Heading 3", "<h3>word</h3>"),
        ("Quote", "<blockquote><p>word</p></blockquote>"),
        ("Bullet list", "<ul><li>word</li></ul>"),
        ("Numbered list", "<ol><li>word</li></ol>"),
        ("Align left", '<p style="text-align: left">word</p>'),
        ("Align center", '<p style="text-align: center">word</p>'),
        ("Align right", '<p style="text-align: right">word</p>'),
    ],
)
def test_each_tool_writes_plain_html_and_takes_it_back(open_editor, tool, stored):
    editor = open_editor("<p>word</p>")
    editor.surface.focus()
    editor.press("Control+a")
    editor.tool(tool).click()
    assert clean(editor.stored) == stored
    expect(editor.tool(tool)).to_have_attribute("aria-pressed", "true")
    editor.tool("Undo").click()
    assert editor.stored == "<p>word</p>"
    editor.tool("Redo").click()
    assert clean(editor.stored) == stored
    editor.tool(tool).click()
    assert editor.stored == "<p>word</p>"


def clean(html: str) -> str:
    return html.replace(';"', '"')


def test_colours_are_styles_of_a_span(open_editor):
    editor = open_editor("<p>word</p>")
    editor.surface.focus()
    editor.press("Control+a")
    editor.tool("Text colour").click()
    editor.page.get_by_role("button", name="Red", exact=True).click()
    editor.tool("Highlight").click()
    editor.page.get_by_role("button", name="Yellow", exact=True).click()
    stored = clean(editor.stored)
    assert stored.startswith('<p><span style="')
    assert stored.endswith('">word</span></p>')
    assert "color: #b3261e" in stored
    assert "background-color: #fde68a" in stored
    editor.tool("Text colour").click()
    editor.page.get_by_role("button", name="None", exact=True).click()
    editor.tool("Clear formatting").click()
    assert editor.stored == "<p>word</p>"


def test_a_link_leads_where_it_says_and_nothing_is_added(open_editor):
    editor = open_editor("<p>word</p>")
    editor.surface.focus()
    editor.press("Control+a", "Control+k")
    dialog = editor.answer("Apply", href="javascript:alert(1)")
    expect(dialog.locator(".error:visible")).to_contain_text("Only http")
    editor.answer("Apply", href="{{ input.url && input.urls[0] }}")
    assert editor.stored == '<p><a href="{{ input.url &amp;&amp; input.urls[0] }}">word</a></p>'
    editor.tool("Link").click()
    editor.answer("Remove link")
    assert editor.stored == "<p>word</p>"


def test_an_image_by_address_stands_in_the_text_and_is_not_fetched(open_editor):
    editor = open_editor()
    editor.tool("Image").click()
    editor.answer("Insert", src="https://example.com/a.png", alt="A tree", width="120")
    assert editor.stored == '<p><img src="https://example.com/a.png" alt="A tree" width="120"></p>'
    expect(editor.surface.get_by_role("img", name="A tree")).to_be_visible()


def test_a_picked_file_becomes_an_attachment_that_the_text_refers_to(open_editor):
    editor = open_editor()
    editor.tool("Image").click()
    dialog = editor.page.get_by_role("dialog")
    dialog.locator("[name=file]").set_input_files({"name": "Our Logo.gif", "mimeType": "image/gif", "buffer": PIXEL})
    editor.answer("Insert", alt="Logo")
    expect(editor.surface.locator("img[alt=Logo]")).to_be_visible()
    detail = editor.page.evaluate("window.events.find((event) => event.cid)")
    assert detail == {
        "path": "files/1-Our Logo.gif",
        "filename": "Our Logo.gif",
        "contentType": "",
        "cid": detail["cid"],
    }
    assert editor.stored == f'<p><img src="cid:{detail["cid"]}" alt="Logo"></p>'


def test_a_table_grows_and_shrinks(open_editor):
    editor = open_editor()
    editor.tool("Table").click()
    editor.answer("Insert", rows="2", columns="2")
    head = '<table border="1" cellpadding="6" cellspacing="0" style="border-collapse: collapse"><tbody>'
    table = head + "<tr><th></th><th></th></tr><tr><td></td><td></td></tr></tbody></table>"
    assert sorted_attributes(editor) == sorted_attributes(editor, table)
    editor.type("Item")
    for tool in ("Add row below", "Add row above", "Add column after", "Add column before"):
        editor.tool(tool).click()
    assert (editor.stored.count("<tr>"), editor.stored.count("<td>") + editor.stored.count("<th>")) == (4, 16)
    for tool in ("Delete row", "Delete column", "Delete column", "Delete column"):
        editor.tool(tool).click()
    assert (editor.stored.count("<tr>"), editor.stored.count("<td>") + editor.stored.count("<th>")) == (3, 3)
    editor.tool("Delete table").click()
    assert editor.stored == ""


def sorted_attributes(editor: Editor, html: str | None = None):
    """Give each element with its attributes, whatever their order."""
    return editor.page.evaluate(
        """(html) => {
            const said = ({name, value}) => name + value.replace(/;$/, "");
            const sorted = (element) => [...element.attributes].map(said).sort();
            const parsed = new DOMParser().parseFromString(html, "text/html");
            return [...parsed.body.querySelectorAll("*")].map((element) => [element.localName, ...sorted(element)]);
        }""",
        editor.stored if html is None else html,
    )


LOSSLESS = [
    "<p>Dear {{ input.name }}, it is on its way.</p>",
    '<p>{{ input.a &amp;&amp; "&lt;b&gt;" }} {{ input.b && 1 }} {{{ input.html }}} {{{ "<b>x</b>" }}}</p>',
    '<p>{{ "}}" }} and {{ {a: 1}.a }}</p>',
    '<p><a href="{{ input["url"] }}">here</a></p>',
    '<p title="x" class="lead" style="margin: 0 0 8px">a <b>b</b> <i><b>c</b></i></p>',
    "<ul>\n  <li>one</li>\n  <li>two<ul><li>three</li></ul></li>\n</ul>",
    "<ul><li><p>one</p></li></ul>",
    '<table width="100%" cellpadding="0"><tr><td align="center" style="padding: 4px; color: red">a</td></tr></table>',
    "<table><tr><td><p>a</p></td><td>b</td></tr></table>",
    '<p><span style="font-size: 20px; color: #ff0000">big</span></p>',
    '<h2 style="text-align: center; color: teal">x</h2><hr><p>a<br>b</p>',
    '<p><a href="https://example.com"><img src="cid:logo" alt="Logo" width="100" style="border: 0"></a></p>',
    "Dear {{ input.name }}, <b>hello</b>",
    "<p>a</p><p></p><p>b</p>",
    "",
]


@pytest.mark.parametrize("html", LOSSLESS)
def test_html_that_the_view_can_keep_opens_in_it_and_stays_as_it_is_until_it_is_changed(open_editor, html):
    editor = open_editor(html)
    assert editor.mode == "rich"
    editor.tool("HTML source").click()
    assert editor.stored == html
    editor.tool("HTML source").click()
    assert editor.mode == "rich"
    editor.surface.click()
    assert editor.stored == html
    assert editor.page.evaluate("window.events") == []


@pytest.mark.parametrize("html", [html for html in LOSSLESS if html])
def test_a_change_leaves_the_rest_as_it_was(open_editor, html):
    editor = open_editor(html)
    editor.surface.focus()
    editor.press("Control+End")
    editor.type("!")
    editor.press("Backspace")
    stored = editor.stored
    assert editor.page.evaluate("window.events.length") > 0
    for expression in ("{{ input.b && 1 }}", '{{{ "<b>x</b>" }}}', "{{ input.a &amp;&amp; "):
        assert (expression in html) == (expression in stored)
    editor.tool("HTML source").click()
    write_source(editor.page, stored)
    editor.tool("HTML source").click()
    assert editor.mode == "rich", stored


LOSSY = [
    ("<button>x</button>", "<button>"),
    ("<style>p { color: red }</style><p>x</p>", "<style>"),
    ('<p><font color="red">x</font></p>', "<font>"),
    ("<table><colgroup><col></colgroup><tr><td>x</td></tr></table>", "<col>"),
    ('<p onclick="x()">x</p>', "onclick of <p>"),
    ('<p><a href="javascript:alert(1)">x</a></p>', "<a>"),
    ('<a href="https://example.com" target="_top" data-x="1">x</a>', "data-x of <a>"),
    ("<!-- note --><p>x</p>", "comments"),
    ("<!doctype html><p>x</p>", "<!doctype>"),
    ("<p>{{ <b>input.name</b> }}</p>", "<strong>"),
    ("<p>&#123;&#123; input.name }}</p>", "arrangement"),
    ('<img src=x onerror="alert(1)">', "onerror of <img>"),
    ("<script>alert(1)</script>", "<script>"),
    ('<iframe src="https://example.com"></iframe>', "<iframe>"),
]


@pytest.mark.parametrize(("html", "named"), LOSSY)
def test_html_that_the_view_would_lose_opens_as_source_and_says_what(open_editor, html, named):
    editor = open_editor(html)
    assert editor.mode == "source"
    expect(editor.notice).to_contain_text(named)
    assert editor.stored == html
    editor.source.focus()
    editor.press("Control+End")
    editor.page.keyboard.insert_text("\n<p>more</p>  ")
    assert editor.stored == html + "\n<p>more</p>  "
    assert editor.page.evaluate("window.events").count("input") > 0


def test_a_button_and_a_line_are_put_in(open_editor):
    editor = open_editor("<p>word</p>")
    editor.surface.focus()
    editor.press("Control+a")
    editor.tool("Button").click()
    editor.answer("Insert")
    expect(editor.page.get_by_role("dialog")).to_contain_text("Enter an address.")
    editor.answer("Insert", text="Your order", href="{{ input.url }}")
    expect(editor.surface).to_be_focused()
    made = re.fullmatch(r'<p><a style="([^"]+)" href="{{ input.url }}">Your order</a></p>', editor.stored)
    assert made, editor.stored
    assert "background-color: #0b5c57" in made[1]
    assert "color: #ffffff" in made[1]
    editor.press("End")
    editor.page.keyboard.type("!")
    editor.tool("Horizontal line").click()
    editor.page.keyboard.type("after")
    assert re.search("</a>!</p><hr><p>after</p>$", editor.stored), editor.stored
    before = editor.stored
    editor.tool("HTML source").click()
    expect(editor.source).to_be_focused()
    editor.tool("HTML source").click()
    assert (editor.mode, editor.stored) == ("rich", before)


def test_the_source_is_in_colours_and_completes_expressions_and_undoes(open_editor):
    editor = open_editor("<p>Dear </p>")
    editor.tool("HTML source").click()
    expect(editor.source).to_be_focused()
    expect(editor.source).to_have_attribute("aria-label", "Email Content")
    assert editor.source.locator("span").count() > 2
    described = "element => element.ariaDescribedByElements.map((one) => one.id || one.textContent)"
    assert editor.source.evaluate(described) == ["error", "Tab goes to the next field, Escape to the toolbar."]
    editor.page.evaluate('document.querySelector("#content").setAttribute("aria-invalid", "true")')
    expect(editor.source).to_have_attribute("aria-invalid", "true")
    editor.press("Control+End", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft")
    editor.page.keyboard.type("{{em")
    expect(editor.page.get_by_role("option")).to_have_text(["input.email"])
    assert editor.source.evaluate("element => element.ariaActiveDescendantElement.textContent") == "input.email"
    editor.press("Enter")
    expect(editor.page.get_by_role("listbox")).to_be_hidden()
    assert editor.stored == "<p>Dear {{ input.email }}</p>"
    editor.tool("Insert value").click()
    editor.answer("Insert", expression="input.name")
    expect(editor.source).to_be_focused()
    assert editor.stored == "<p>Dear {{ input.email }}{{ input.name }}</p>"
    assert editor.page.evaluate("window.events.every((event) => event === 'input')")
    editor.press("Control+z")
    assert editor.stored == "<p>Dear {{ input.email }}</p>"
    editor.press("Tab")
    expect(editor.page.locator("#to")).to_be_focused()
    editor.tool("HTML source").click()
    expect(editor.surface.locator(".chip")).to_have_count(1)


def test_what_is_typed_before_the_colours_are_there_is_kept(open_editor):
    editor = open_editor("<p>one</p>")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    editor.page.route("**/chunk-source-editor-*.js", hold)
    with editor.page.expect_request("**/chunk-source-editor-*.js"):
        editor.tool("HTML source").click()
    expect(editor.field).to_be_focused()
    editor.press("Control+End")
    editor.page.keyboard.type("<p>two</p>")
    (route,) = held
    route.continue_()
    expect(editor.source).to_be_focused()
    editor.page.keyboard.type("<p>three</p>")
    assert editor.stored == "<p>one</p><p>two</p><p>three</p>"
    editor.press("Control+z", "Control+z")
    assert editor.stored == "<p>one</p>"
    editor.page.unroute("**/chunk-source-editor-*.js")


def test_conversion_asks_first(open_editor):
    editor = open_editor('<font face="serif">Dear {{ input.name }}<br>bye</font>')
    convert = editor.page.get_by_role("button", name="Convert to rich text")
    convert.click()
    editor.answer("Cancel")
    assert (editor.mode, editor.page.evaluate("window.events")) == ("source", [])
    convert.click()
    editor.answer("Convert")
    expect(editor.surface).to_be_focused()
    assert editor.mode == "rich"
    assert editor.stored == '<span style="font-family: serif">Dear {{ input.name }}<br>bye</span>'
    assert editor.page.evaluate("window.events").count("input") > 0
    editor.notice.get_by_role("button", name="Undo").click()
    assert editor.stored == '<font face="serif">Dear {{ input.name }}<br>bye</font>'
    editor = open_editor("<mjml><mj-body><mj-text>Hi</mj-text></mj-body></mjml>")
    expect(editor.notice).to_contain_text("This is MJML")
    expect(editor.page.get_by_role("button", name="Convert to rich text")).to_have_count(0)


def test_an_expression_becomes_a_chip_when_it_is_closed(open_editor):
    editor = open_editor()
    editor.type('Dear {{ input.name < "a}}" && 1 }}, hello {{')
    expect(editor.surface.locator(".chip")).to_have_text('input.name < "a}}" && 1')
    assert editor.stored == '<p>Dear {{ input.name &lt; "a}}" &amp;&amp; 1 }}, hello {{</p>'


def test_typing_braces_offers_the_sample_s_paths(open_editor):
    editor = open_editor()
    editor.type("Dear {{")
    options = editor.page.get_by_role("option")
    expect(options).to_have_text(PATHS)
    editor.type("name")
    expect(options).to_have_text(["input.name", "context.user.name"])
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")
    editor.press("ArrowDown")
    assert editor.surface.get_attribute("aria-activedescendant") == options.nth(1).get_attribute("id")
    editor.press("Enter")
    expect(editor.page.get_by_role("listbox")).to_be_hidden()
    editor.type("!")
    assert editor.stored == "<p>Dear {{ context.user.name }}!</p>"
    editor.type(" {{ em")
    editor.press("Escape")
    expect(editor.page.get_by_role("listbox")).to_be_hidden()
    expect(editor.surface).to_be_focused()


def test_a_chip_is_edited_by_enter_and_by_a_double_click(open_editor):
    editor = open_editor("<p>a {{ input.name }}</p>")
    editor.surface.focus()
    editor.press("Control+End", "ArrowLeft", "Enter")
    field = editor.page.get_by_role("dialog").locator("[name=expression]")
    expect(field).to_have_value("input.name")
    field.fill("input.name +")
    editor.press("Escape")
    editor.surface.locator(".chip").dblclick()
    dialog = editor.answer("Change", expression='input["a')
    expect(dialog.locator(".error:visible")).to_contain_text("quotes")
    field.fill("")
    editor.press("ArrowDown")
    expect(editor.page.get_by_role("option")).to_have_text(PATHS)
    editor.page.keyboard.type("em")
    editor.press("Enter")
    expect(field).to_have_value("input.email")
    editor.press("Enter")
    assert editor.stored == "<p>a {{ input.email }}</p>"
    expect(editor.surface).to_be_focused()


def test_chips_are_copied_as_chips_and_as_text(open_editor):
    editor = open_editor("<p>{{ input.a &amp;&amp; 1 }}</p>")
    editor.surface.focus()
    editor.press("Control+a", "Control+c", "Control+End")
    # The browser moves the cursor, and tells the editor of it with the next frame; a person is slower than that.
    editor.page.evaluate("new Promise(seen => requestAnimationFrame(() => requestAnimationFrame(seen)))")
    editor.press("Control+v")
    expect(editor.surface.locator(".chip")).to_have_count(2)
    assert editor.stored.count("{{ input.a &amp;&amp; 1 }}") == 2
    assert editor.page.evaluate("navigator.clipboard.readText()") == "{{ input.a && 1 }}"
    editor.paste("", "{{ input.b }}")
    expect(editor.surface.locator(".chip")).to_have_count(3)


HOSTILE = """
<p onclick="alert(1)" style="position: fixed; inset: 0">text</p><script>alert(2)</script><img src=x onerror="alert(3)">
<a href="javascript:alert(4)">bad</a><a href="java&#10;script:alert(5)">x</a>
<iframe srcdoc="<script>alert(6)</script>"></iframe>
<svg onload="alert(7)"><a xlink:href="javascript:alert(8)">x</a></svg><style>* { display: none }</style>
<img src="data:image/svg+xml,<svg onload=alert(9)>"><span data-expression="<img src=x onerror=alert(10)>">chip</span>
<p data-kept='{"onclick": "alert(11)", "id": 5}'>kept</p>
<form action="https://example.com"><button autofocus onfocus="alert(12)">b</button></form>
"""


def test_hostile_html_that_is_pasted_is_dropped_and_never_runs(open_editor):
    editor = open_editor()
    editor.paste(HOSTILE)
    dialog = editor.page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 field or button of a form, 2 images that are not on the web and 2 links")
    editor.answer("Cancel")
    assert editor.stored == ""
    editor.paste(HOSTILE)
    editor.answer("Paste")
    stored = editor.stored
    assert all(word in stored for word in ("text", "kept", "chip"))
    for evil in ("alert", "script", "onerror", "onclick", "javascript", "<svg", "<style", "iframe", "form", "svg+xml"):
        assert evil not in stored, stored


DOCUMENT = """<!-- made by hand -->
<!DOCTYPE html>
<html><head><style>p { color: red }</style></head><body><p>Hi</p></body></html>"""


def test_a_whole_document_that_is_pasted_as_text_becomes_the_source(open_editor):
    editor = open_editor()
    editor.paste("<pre>coloured by an editor of programs</pre>", DOCUMENT)
    assert (editor.mode, editor.stored) == ("source", DOCUMENT)
    expect(editor.notice).to_contain_text("<style>")
    assert editor.page.evaluate("window.events") == ["input"]

    editor = open_editor("<p>Dear Jane</p>")
    editor.paste("", DOCUMENT)
    editor.answer("Cancel")
    assert (editor.mode, editor.stored) == ("rich", "<p>Dear Jane</p>")
    editor.paste("", DOCUMENT)
    editor.answer("Replace")
    expect(editor.source).to_be_visible()
    assert editor.stored == DOCUMENT

    editor = open_editor()
    editor.paste("", "<p> is how a paragraph begins")
    assert editor.stored == "<p>&lt;p&gt; is how a paragraph begins</p>"


def test_plain_text_keeps_its_lines(open_editor):
    text = "Dear {{ input.name.split(\n' ').at(0) }},\n\nit is on its way & here soon.\n"
    editor = open_editor(text)
    assert (editor.mode, editor.stored) == ("rich", text)
    editor.surface.focus()
    editor.press("Control+End")
    editor.page.keyboard.type("!")
    words = text.strip().replace(",\n\n", ",<br><br>").replace("&", "&amp;")
    assert editor.stored == f"{words}!"


@pytest.mark.parametrize("html", [HOSTILE, f"<p>{{{{ input.name }}}}</p>{HOSTILE}"])
def test_hostile_html_that_is_stored_never_runs(open_editor, html):
    html = html.replace("<style>* { display: none }</style>", "")  # a mail with a style sheet stays as source
    editor = open_editor(html)
    assert (editor.mode, editor.stored) == ("source", html)
    editor.page.get_by_role("button", name="Convert to rich text").click()
    editor.answer("Convert")
    assert "alert" not in editor.stored


def test_a_pasted_image_becomes_an_attachment(open_editor):
    editor = open_editor()
    editor.surface.focus()
    editor.page.evaluate(
        """(octets) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(octets)], "shot.gif", {type: "image/gif"}));
            const paste = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
            document.querySelector(".surface").dispatchEvent(paste);
        }""",
        list(PIXEL),
    )
    expect(editor.surface.locator("img[src]")).to_be_visible()
    assert editor.page.evaluate("window.events.filter((event) => event.cid).length") == 1


def test_images_that_stand_in_pasted_html_become_attachments_and_what_was_there_stays(open_editor):
    pixel = base64.b64encode(PIXEL).decode()
    before = f'<p><img src="data:image/png;base64,{pixel}" alt="before"></p>'
    editor = open_editor(before)
    editor.surface.focus()
    editor.press("Control+End")
    editor.page.evaluate(
        """(html) => {
            const data = new DataTransfer();
            data.setData("text/html", html);
            const paste = new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
            document.querySelector(".surface").dispatchEvent(paste);
        }""",
        f'<p>from <img src="data:image/gif;base64,{pixel}" alt="new"> Gmail</p>',
    )
    expect(editor.field).to_have_value(re.compile(r'src="cid:image-[0-9a-f]{8}" alt="new"'))
    assert f'src="data:image/png;base64,{pixel}" alt="before"' in editor.stored
    (attached,) = editor.page.evaluate("window.events.filter((event) => event.cid)")
    assert attached["filename"] == "image.gif"
    # Undoing takes the paste back as a whole.
    editor.press("Control+z")
    expect(editor.field).to_have_value(before)


def test_the_keyboard_is_enough(open_editor):
    editor = open_editor("<p>word</p>")
    editor.page.locator("body").click(position={"x": 1, "y": 1})
    editor.press("Tab")
    expect(editor.page.locator(".rich-tools button:focus")).to_have_count(1)
    editor.press("Home", "ArrowRight", "ArrowRight", "Tab")
    expect(editor.surface).to_be_focused()
    editor.press("Control+a", "Alt+F10")
    expect(editor.tool("Heading 1")).to_be_focused()
    editor.press("Enter")
    expect(editor.surface).to_be_focused()
    assert editor.stored == "<h1>word</h1>"
    editor.press("Escape", "End")
    expect(editor.tool("HTML source")).to_be_focused()
    editor.press("Enter")
    expect(editor.source).to_be_focused()
    editor.press("Escape")
    expect(editor.tool("HTML source")).to_be_focused()
    editor.press("ArrowLeft", "Enter")
    expect(editor.tool("Full screen")).to_have_attribute("aria-pressed", "true")
    assert (editor.page.locator(".source-editor").bounding_box() or {})["height"] > 600
    editor.press("Enter", "ArrowRight")
    expect(editor.tool("Full screen")).to_have_attribute("aria-pressed", "false")
    editor.press("Enter")
    expect(editor.surface).to_be_focused()
    editor.press("Tab")
    expect(editor.page.locator("#to")).to_be_focused()


def test_colours_are_picked_by_keyboard(open_editor):
    editor = open_editor("<p>word</p>")
    editor.surface.focus()
    editor.press("Control+a")
    editor.tool("Text colour").focus()
    editor.press("Enter", "ArrowRight", "ArrowDown", "Enter")
    assert 'style="color: #0b5c57' in editor.stored
    expect(editor.surface).to_be_focused()


@pytest.mark.parametrize("field", ["#to", "#text"])
def test_other_fields_complete_too(open_editor, field):
    editor = open_editor()
    page = editor.page
    page.locator(field).focus()
    page.keyboard.type("Jane <{{em")
    expect(page.get_by_role("option")).to_have_text(["input.email"])
    editor.press("Tab")
    page.keyboard.type(">")
    expect(page.locator(field)).to_have_value("Jane <{{ input.email }}>")
    page.keyboard.type("{{ context.user.nam")
    page.get_by_role("option").click()
    expect(page.locator(field)).to_have_value("Jane <{{ input.email }}>{{ context.user.name }}")
    expect(page.locator(field)).to_be_focused()
    # A button does the same for who knows nothing of braces, and a list never covers what it belongs to.
    page.set_viewport_size({"width": 900, "height": 520})
    page.keyboard.type(" {{")
    expect(page.get_by_role("listbox")).to_be_visible()
    here, there = page.get_by_role("listbox").bounding_box(), page.locator(field).bounding_box()
    assert here
    assert there
    assert here["y"] + here["height"] <= there["y"] or here["y"] >= there["y"] + there["height"]
    page.set_viewport_size({"width": 900, "height": 800})
    editor.press("Escape", "Backspace", "Backspace", "Tab", "Enter")
    dialog = page.get_by_role("dialog")
    expect(page.get_by_role("option").nth(1)).to_have_text(PATHS[1])
    covered = dialog.get_by_role("listbox").bounding_box()
    buttons = dialog.get_by_role("button", name="Insert", exact=True).bounding_box()
    assert covered
    assert buttons
    assert covered["y"] + covered["height"] <= buttons["y"]
    editor.press("ArrowDown", "Enter", "Enter")
    expect(dialog).to_have_count(0)
    assert page.locator(field).input_value().endswith("{{ context.user.name }} {{ input.name }}")
    expect(page.locator(field)).to_be_focused()


ROWS = "<table><tbody><tr><th>Item</th></tr><tr{}><td>{}</td></tr></tbody></table>"


def test_a_row_is_repeated_for_each_item_of_a_list(open_editor):
    editor = open_editor(ROWS.format("", "x"), LISTS)
    editor.click(editor.surface.locator("td"))
    editor.press("End", "Backspace")
    editor.type("{{ items")
    editor.press("ArrowUp", "ArrowUp", "ArrowUp", "Enter")  # round to the list itself, past its fields
    offer = editor.page.locator(".rich-offer")
    expect(offer).to_contain_text("input.items is a list.")
    offer.get_by_role("button", name="Repeat this table row for each item…").click()
    dialog = editor.page.get_by_role("dialog")
    assert [dialog.locator(f"[name={name}]").input_value() for name in ("list", "item")] == ["input.items", "item"]
    editor.answer("Apply", item="class")
    expect(dialog.locator(".error:visible")).to_contain_text("has a meaning of its own")
    editor.answer("Apply", item="product", index="number")
    row = ' data-each="product, number of input.items"'
    assert editor.stored == ROWS.format(row, "{{ product.name }}")
    label = editor.surface.locator("td[data-row-label]")
    expect(label).to_have_attribute("data-row-label", "for each product, number of input.items")
    expect(offer).to_be_hidden()
    # Completion knows the item's fields, and only within the row.
    editor.type(" {{")
    first = editor.page.get_by_role("option").nth(0)
    expect(first).to_have_text("product.name")
    editor.press("Escape", "Backspace", "Backspace", "Backspace")
    # The row moves with what it says.
    editor.press("Alt+Shift+ArrowUp")
    assert editor.stored.index("data-each") < editor.stored.index("Item")
    editor.tool("Undo").click()
    assert editor.stored == ROWS.format(row, "{{ product.name }}")
    # The label is a way to the dialog too.
    label.click(position={"x": 20, "y": 10})
    editor.answer("Apply", item="thing")
    assert 'data-each="thing, number of input.items"' in editor.stored
    # A new row says nothing, and what is not repeated any more says nothing either.
    editor.tool("Add row above").click()
    assert editor.stored.count("data-each") == 1
    editor.press("Alt+Shift+R")
    editor.answer("Don't repeat")
    assert "data-each" not in editor.stored


def test_what_is_shown_on_a_condition_says_so_and_can_be_changed_by_keyboard(open_editor):
    editor = open_editor("<p>VIP</p><p>Others</p><ul><li>one</li></ul>", LISTS)
    editor.click(editor.surface.get_by_text("VIP"))
    editor.press("Alt+Shift+O")
    dialog = editor.answer("Apply", condition='input["vip')
    expect(dialog.locator(".error:visible")).to_contain_text("not a complete expression")
    editor.answer("Apply", condition="input.vip && 1")
    assert editor.stored.startswith('<p data-if="input.vip &amp;&amp; 1">VIP</p>')
    expect(editor.surface.locator("p").nth(0)).to_have_attribute("data-label", "only if input.vip && 1")
    editor.click(editor.surface.get_by_text("Others"))
    editor.press("Alt+Shift+O")
    editor.answer("Apply", case="Otherwise: when what stands directly before it is not shown")
    assert '<p data-else="">Others</p>' in editor.stored
    assert editor.findings() == []
    # Away from what it belongs to, it says that it belongs to nothing.
    editor.press("Alt+Shift+ArrowDown")
    expect(editor.surface.locator(".misplaced")).to_have_count(1)
    editor.press("Alt+Shift+ArrowUp")
    expect(editor.surface.locator(".misplaced")).to_have_count(0)
    editor.click(editor.surface.locator("li"))
    editor.press("Alt+Shift+O")
    expect(editor.page.get_by_role("dialog").locator("[name=what] option:checked")).to_have_text("This list item")
    editor.answer("Apply", what="The whole list", condition="input.vip")
    assert '<ul data-if="input.vip"><li>one</li></ul>' in editor.stored
    editor.press("End", "Shift+ArrowLeft")
    editor.settle()
    editor.press("Alt+Shift+O")
    editor.answer("Apply", what="The selected text", condition="1")
    assert '<li>on<span data-if="1">e</span></li>' in editor.stored
    editor.settle()
    editor.press("Control+a")
    editor.settle()
    editor.press("Alt+Shift+O")
    editor.answer("Apply", what="The selected blocks, as one section", condition="2")
    assert editor.stored.startswith('<div data-if="2"><p data-if=')
    editor.tool("HTML source").click()
    before = editor.stored
    editor.tool("HTML source").click()
    assert (editor.mode, editor.stored) == ("rich", before)


def test_an_error_of_the_field_is_one_of_the_view(open_editor):
    editor = open_editor()
    editor.page.evaluate('document.querySelector("#content").setAttribute("aria-invalid", "true")')
    expect(editor.surface).to_have_attribute("aria-invalid", "true")
    assert editor.surface.get_attribute("aria-labelledby") == "label"
    assert editor.surface.get_attribute("aria-describedby") == "error"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_editor, scheme):
    editor = open_editor('<p>Dear {{ input.name }} <img src="cid:x" alt="Logo"></p><table><tr><td>x</td></tr></table>')
    editor.page.emulate_media(color_scheme=scheme)
    assert editor.findings() == []
    editor.surface.locator("td").click()
    editor.type(" {{")
    expect(editor.page.get_by_role("listbox")).to_be_visible()
    assert editor.findings() == []
    editor.press("Escape")
    editor.tool("Text colour").click()
    assert editor.findings() == []
    editor.press("Escape")
    editor.tool("Image").click()
    assert editor.findings() == []
    editor.answer("Cancel")
    editor.tool("HTML source").click()
    write_source(editor.page, "<button>x</button>")
    assert editor.findings() == []
    editor.tool("HTML source").click()
    expect(editor.notice).to_be_visible()
    assert editor.findings() == []
    editor.page.locator("#to").focus()
    editor.page.keyboard.type("{{")
    assert editor.findings() == []


def test_the_tools_wrap_on_a_phone(open_editor):
    editor = open_editor("<table><tr><td>x</td></tr></table>")
    editor.page.set_viewport_size({"width": 400, "height": 800})
    editor.surface.locator("td").click()
    width = editor.page.evaluate("document.documentElement.scrollWidth")
    editor.page.set_viewport_size({"width": 900, "height": 800})
    assert width <= 400
