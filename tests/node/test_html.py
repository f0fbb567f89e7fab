import asyncio
import tracemalloc
from contextlib import suppress
from html import escape
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import ErrorCode, ExpressionError
from mailnode.node.expression import Evaluator
from mailnode.node.html import HtmlTemplate, markdown_to_html, render_html
from mailnode.node.inline import inline_style_sheets

STATE = {
    "name": "Ann",
    "evil": "<img src=x onerror='alert(\"1\")'>&amp;",
    "html": "<b>bold</b>",
    "a": True,
    "b": 2,
    "url": "https://shop.example/?a=1&b=2",
}


async def rendered(content, state=STATE, *, inline_styles=True, **options):
    return await render_html(HtmlTemplate(content), Evaluator(state, {}, **options), inline_styles=inline_styles)


async def html(content, state=STATE):
    result = await rendered(content, state)
    assert result.warnings == ()
    return result.html


async def refusal(content):
    with pytest.raises(ExpressionError) as caught:
        await rendered(content)
    assert caught.value.code is ErrorCode.BAD_EXPRESSION
    assert caught.value.hint
    return caught.value.message


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def read(content):
    reader = Reader()
    reader.feed(content)
    reader.close()
    return reader


async def test_content_without_expressions_or_style_sheets_is_left_alone():
    for content in ("", "Hello", "a < b & c > d", "<p>x<br>y", "<p>{ a } }}</p>", "<a href='x'>&eacute;</a>"):
        assert await html(content) == content


async def test_a_value_is_escaped_in_text_and_attributes():
    content = await html("<p title=\"{{ input.evil }}\">{{ input.evil }}</p><p title='{{ input.evil }}'></p>")
    reader = read(content)
    assert [tag for tag, _ in reader.tags] == ["p", "p"]
    assert [attributes["title"] for _, attributes in reader.tags] == [STATE["evil"]] * 2
    assert reader.text == STATE["evil"]


async def test_three_braces_do_not_escape_in_text():
    assert await html("<p>{{{ input.html }}}</p>{{ input.html }}") == "<p><b>bold</b></p>&lt;b&gt;bold&lt;/b&gt;"
    assert await html('{{{ input.a ? "<i>yes</i>" : "" }}}') == "<i>yes</i>"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("input.a &amp;&amp; input.name", "Ann"),
        ("input.a&amp;&amp;&quot;}}&quot;", "}}"),
        ("&nbsp;input.name&nbsp;", "Ann"),
        ("input.b&nbsp;&lt; 3 ? &#39;few&#39; : &#x27;many&#x27;", "few"),
        ("input.b < 3 ? 'few' : \"many\"", "few"),
        ("[1, 2].map(x =&gt; x * 2)", "2, 4"),
        ("{a: {b: 1}}.a.b", "1"),
        ("&quot;&amp;lt;&quot;", "&amp;lt;"),
        ("'{{'", "{{"),
        ("'<!--'.length", None),
    ],
)
async def test_entities_inside_the_braces_are_decoded_first(expression, value):
    if value is None:
        assert "splits" in await refusal(f"<p>{{{{ {expression} }}}}</p>")
    else:
        assert await html(f"<p>&copy; {{{{ {expression} }}}} &amp;</p>") == f"<p>&copy; {value} &amp;</p>"


async def test_an_expression_with_quotes_stands_in_a_quoted_attribute():
    assert await html('<p title="{{ input.a ? "x" : "y" }}" class="z">') == '<p title="x" class="z">'


@pytest.mark.parametrize(
    "content",
    [
        "{{ input.<b>name</b> }}",
        "{{ <b>input.name</b> }}",
        "<b>{{ input.name</b> }}",
        "{{ input.name }<i>}</i>",
        "{<b>{</b>{ input.na<br>me }}",
        "{{ input.name <br/> }}",
        "{{{ input.<b>name</b> }}}",
        "{{{ <span>input.html</span> }}}",
        "<p>{{ input.name</p><p>}}</p>",
    ],
)
async def test_an_expression_cut_by_a_tag_is_an_error(content):
    message = await refusal(content)
    assert "split" in message
    assert "tag" in message


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("<{{ input.name }}>", "in a tag name"),
        ("</{{{ input.name }}}", "in a tag name"),
        ("<!{{ input.name }}", "declaration"),
        ("<!-{{ input.name }}", "declaration"),
        ("<p{{ input.name }}>", "in a tag name"),
        ("</p{{ input.name }}>", "in a tag name"),
        ("<p {{ input.name }}>", "outside a quoted"),
        ("<p a{{ input.name }}='x'>", "outside a quoted"),
        ("<p title={{ input.name }}>", "not quoted"),
        ("<p title=x{{ input.name }}>", "not quoted"),
        ("<p title = {{ input.name }} class='a'>", "not quoted"),
        ("<p title='a'{{ input.name }}>", "outside a quoted"),
        ("<p onclick=\"go('{{ input.name }}')\">", "code"),
        ("<P ONCLICK='{{ input.name }}'>", "code"),
        ("<iframe srcdoc='{{ input.name }}'>", "code"),
        ("<script>let x = '{{ input.name }}'</script>", "<script>"),
        ("<SCRIPT>let x = '{{{ input.name }}}'", "<script>"),
        ("<style>p { color: {{ input.name }} }</style>", "<style>"),
        ("<!doctype {{ input.name }}>", "declaration"),
        ("<p title='{{{ input.html }}}'>", "attributes are always escaped"),
    ],
)
async def test_an_expression_where_no_value_is_safe_is_an_error(content, place):
    with pytest.raises(ExpressionError) as caught:
        await rendered(content)
    assert place in caught.value.message + caught.value.hint


async def test_comments_are_left_alone_but_conditional_ones_are_markup():
    assert await html("<!-- {{ input.gone.x }} <b> -->{{ input.name }}") == "<!-- {{ input.gone.x }} <b> -->Ann"
    assert await html("<!-->{{ input.name }}<!-- -->") == "<!-->Ann<!-- -->"
    outlook = '<!--[if mso]><v:rect href="{}">{}</v:rect><![endif]--><!--[if !mso]><!-->{}<!--<![endif]-->'
    assert await html(outlook.format("{{ input.url }}", "{{ input.evil }}", "{{ input.name }}")) == outlook.format(
        "https://shop.example/?a=1&amp;b=2",
        "&lt;img src=x onerror=&#x27;alert(&quot;1&quot;)&#x27;&gt;&amp;amp;",
        "Ann",
    )


async def test_title_and_script_do_not_hide_what_follows():
    content = "<script>if (a < b) { '<p' }</script><title>{{ input.html }}</title><p title='{{ input.name }}'>"
    assert "title='Ann'" in await html(content)


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example/?a=1&b=2",
        "HTTP://x",
        "mailto:a@b.example",
        "tel:+49",
        "cid:logo",
        "/path:a",
        "#top",
        "?a:b",
        "//x:80/",
        "",
    ],
)
async def test_a_safe_link_stays(url):
    for attribute in ("href", "src"):
        result = await rendered(f'<a {attribute}="{{{{ input.url }}}}">', {"url": url})
        assert result.warnings == ()
        assert read(result.html).tags[0][1][attribute] == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        " \x01javascript:alert(1)",
        "javascript\n:alert(1)",
        "java\u200bscript:alert(1)",
        "&#106;avascript:alert(1)",
        "&#0000000000106;avascript:alert(1)",
        "java&Tab;script&colon;alert(1)",
        "&amp;#106;avascript&amp;colon;alert(1)",
        "vbscript:x",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "blob:x",
        "\u00a0javascript:x",
        "shop.example:8080/x",
        "&#" + "9" * 5000 + ";javascript:x",
    ],
)
@pytest.mark.parametrize(
    "attribute", ["href", "src", "xlink:href", "ACTION", "formaction", "background", "poster", "srcset"]
)
async def test_a_link_whose_scheme_a_value_brings_is_emptied_with_a_warning(url, attribute):
    for content in ("{{ input.url }}", " {{ input.url }} ", "{{ input.url.slice(0, 3) }}{{ input.url.slice(3) }}"):
        result = await rendered(f'<a {attribute}="{content}" id="x">', {"url": url})
        assert read(result.html).tags == [("a", {attribute.lower(): "", "id": "x"})]
        assert len(result.warnings) == 1
        assert result.warnings[0].isprintable()


async def test_a_scheme_put_together_of_literal_and_value_is_checked():
    for content in (
        "java{{ 'script:x' }}",
        "javascript:go('{{ input.name }}')",
        "&#106;avascript:{{ input.name }}",
        "{{ 'javascript' }}:x",
    ):
        result = await rendered(f'<a href="{content}">')
        assert result.html == '<a href="">'
        assert "javascript" in result.warnings[0]
    assert await html("<a href=\"{{ 'https' }}://x\">") == '<a href="https://x">'
    assert await html('<a href="https://x/{{ "javascript:x" }}">') == '<a href="https://x/javascript:x">'
    assert await html("<a href=\"/{{ 'javascript:x' }}\">") == '<a href="/javascript:x">'


async def test_a_scheme_of_the_authors_own_stays_with_a_warning():
    for url in ("whatsapp://send?text=", "ftp://x/"):
        result = await rendered(f'<a href="{url}{{{{ input.name }}}}">')
        assert result.html == f'<a href="{url}Ann">'
        assert "scheme" in result.warnings[0]
    assert (await rendered("<a href='sms:1'>")).warnings != ()
    assert await html("<a href='https://x'><img src='cid:x'><img src='data:image/png;base64,AA'>")


async def test_an_image_may_be_data_in_src_only():
    data = {"url": "data:image/png;base64,iVBORw0KGgo="}
    assert await html("<img src='{{ input.url }}'>", data) == f"<img src='{data['url']}'>"
    for tag, name in (("a", "href"), ("iframe", "src"), ("embed", "src"), ("frame", "src"), ("object", "data")):
        assert (await rendered(f"<{tag} {name}='{{{{ input.url }}}}'>", data)).html == f"<{tag} {name}=''>"


@pytest.mark.parametrize(
    ("tag", "name"),
    [("meta", "content"), ("param", "value"), ("animate", "to"), ("animate", "values"), ("set", "to")],
)
async def test_what_is_an_address_only_sometimes_brings_no_code(tag, name):
    for value in ("javascript:x", "0;url=javascript:x", "0; JAVA\tSCRIPT:x", "#a;vbscript:x", "x,data:text/html,y"):
        result = await rendered(f'<{tag} {name}="{{{{ input.x }}}}">', {"x": value})
        assert result.html == f'<{tag} {name}="">'
        assert len(result.warnings) == 1
    assert (await rendered(f"<{tag} {name}=\"0;url=java{{{{ 'script:x' }}}}\">")).html == f'<{tag} {name}="">'
    for value in ("Meta data: an overview", "0;url=https://x.example/", "1;2;3", "width=device-width"):
        assert (await rendered(f'<{tag} {name}="{{{{ input.x }}}}">', {"x": value})).html == f'<{tag} {name}="{value}">'


async def test_srcset_is_checked_url_by_url():
    assert await html('<img srcset="{{ input.url }} 1x, cid:b 2x">') == (
        '<img srcset="https://shop.example/?a=1&amp;b=2 1x, cid:b 2x">'
    )
    assert (await rendered("<img srcset=\"cid:a 1x, {{ 'javascript:x' }} 2x\">")).html == '<img srcset="">'


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        ("red", True),
        ("rgb(1, 2, 3)", True),
        ("#fff", True),
        ("12.5%", True),
        ("red; position: fixed", False),
        ("url(https://x.example/track)", False),
        ("URL (x)", False),
        ("u\\72l(x)", False),
        ("expression(alert(1))", False),
        ("red/**/", False),
        ("}", False),
        ("calc((1px + 2px) * 3)", True),
        ("'Open Sans', \"Arial\"", True),
        ("calc(1px", False),
        ("1px)", False),
        (")(", False),
        ("[a", False),
        ("'red", False),
        ('"red', False),
        ("red\n", False),
        ("'('", True),
        ("image-set('https://x.example/track' 1x)", False),
        ("-webkit-image-set('https://x.example/track' 1x)", False),
        ("src('https://x.example/track')", False),
        ("cross-fade(a, b)", False),
    ],
)
async def test_a_value_in_a_style_is_one_value(value, stays):
    result = await rendered('<p style="color: {{ input.c }}; margin: 0">', {"c": value})
    assert result.html == (f'<p style="color: {escape(value)}; margin: 0">' if stays else '<p style="">')
    assert bool(result.warnings) is not stays


@pytest.mark.parametrize("blank", ["\xa0", "\u3000", "\u2028", "\x0b", "\x1c", "\x85"], ids=ascii)
@pytest.mark.parametrize(
    "tag",
    [
        '<a{}href="{{{{ input.v }}}}">',
        '<p title={}"{{{{ input.v }}}}">',
        "<p title={}'{{{{ input.v }}}}'>",
        "<p title{}='{{{{ input.v }}}}'>",
        '<style>p{{}}</style{}><p title="{{{{ input.v }}}}"></style>',
    ],
)
async def test_no_value_stands_where_only_other_readers_see_an_attribute(tag, blank):
    """To a browser such a blank is a letter, so that the value is a part of a name, or stands without quotes."""
    assert await refusal(tag.format(blank))
    assert (
        await rendered(f"<p{blank}x title='{{{{ input.v }}}}'>", {"v": blank})
    ).html == f"<p{blank}x title='{blank}'>"


async def test_a_style_ends_only_where_a_browser_ends_it():
    assert "in <style>" in await refusal("<style>p{}</styles>{{ input.v }}</style>")


async def test_values_are_never_read_as_templates_or_marks():
    state = {"x": "{{ input.secret }}", "y": "\x000\x00", "z": "{{{ 1 }}}", "secret": "s"}
    assert (
        await html("{{ input.x }}|{{ input.y }}|{{{ input.z }}}", state) == "{{ input.secret }}|\ufffd0\ufffd|{{{ 1 }}}"
    )
    assert await html("\x000\x00{{ input.secret }}", state) == "\ufffd0\ufffds"


async def test_lenient_leaves_missing_values_empty():
    assert (await rendered("<p>{{ input.missing }}</p>", lenient=True)).html == "<p></p>"
    with pytest.raises(ExpressionError) as caught:
        await rendered("<p>{{ input.missing }}</p>")
    assert caught.value.code is ErrorCode.NO_VALUE


async def test_a_style_sheet_is_inlined_and_a_fragment_stays_one():
    content = (
        "<style>.x { color: red } @media (max-width: 600px) { .x { margin: 0 } }</style>"
        '<p class="x">{{ input.evil }}</p>caf\u00e9'
    )
    assert await html(content) == (
        "<style>@media (max-width: 600px) { .x { margin: 0 } }</style>"
        f'<p style="color: red" class="x">{escape(str(STATE["evil"]))}</p>caf\u00e9'
    )
    plain = await rendered(content, inline_styles=False)
    assert plain.html == content.replace("{{ input.evil }}", escape(str(STATE["evil"])))


@pytest.mark.parametrize(
    ("deep", "why"),
    [
        ("<div>" * 20_000, "it is nested deeper than 256 elements"),
        ("<p>x" * 100_000, "it has more than 100,000 elements"),
    ],
    ids=["deep", "large"],
)
async def test_a_document_too_deep_or_large_for_a_parser_in_native_code_is_sent_as_it_is(deep, why):
    """It ended the process, or kept it busy for half a minute."""
    for content in (f"<style>p{{color:red}}</style>{deep}", "<style>p{color:red}</style>{{{ input.html }}}"):
        result = await rendered(content, {"html": deep})
        assert result.html == f"<style>p{{color:red}}</style>{deep}"
        assert result.warnings == (f"style sheets were not inlined: {why}",)


def test_a_document_of_very_many_tags_takes_little_memory():
    """It took 160 times its size of memory, whatever its size."""
    content = f"<style>p{{color:red}}</style>{'<p>' * 900_000}"
    tracemalloc.start()
    try:
        assert inline_style_sheets(content).html == content
        assert tracemalloc.get_traced_memory()[1] < 40 * len(content)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("sheet", "body"),
    [
        ("p{{color:red}}", "<p class=x>{}</p>{}"),
        ("a{{color:red}}[href]{{margin:0}}", "<a href='{}'>x</a>"),
        ("a{{color:red}}[title=Ann]{{margin:0}}", "<a title='{}'>x</a>"),
        (".Ann{{color:red}}p{{margin:0}}", "<p class='{}'>x</p>"),
        ("#Ann{{color:red}}p{{margin:0}}", "<p id='{}'>x</p>"),
        ("p{{margin:0}}", "<p style='color: {}; top: {}'>x</p>"),
        ("p:empty{{margin:0}}p{{color:red}}", "<p>{}</p>"),
        ("p{{color:blue}}</style><style type='{}'>p{{color:red}}", "<p>x</p>"),
        ("b div{{color:blue}}p + div{{color:red}}", "<p><b>1</p>{}<div>x</div>"),
        ("body > i{{color:red}}", "<table>{}<b><tr><td></table><i>x</i>"),
        ("p{{color:red}}", "<p title=\"{}\" style='top:0'>x</p>"),
    ],
)
@pytest.mark.parametrize("value", ["Ann", "", "red", "<p>", "javascript:x", "text/css"])
async def test_a_style_sheet_asks_for_values_where_they_matter(sheet, body, value):
    """Whether it is inlined before the values are in, once for all mails, or after, what leaves is the same."""
    content = f"<style>{sheet.replace('{{', '{').replace('}}', '}')}</style>{body}"
    before = await rendered(content.replace("{}", "{{ input.v }}"), {"v": value})
    after = await rendered(content.replace("{}", "{{ input.v }}"), {"v": value}, inline_styles=False)
    assert before.html == inline_style_sheets(after.html).html
    raw = await rendered(f"{{{{{{ input.v }}}}}}{content}".replace("{}", "Ann"), {"v": "<p class=x>"})
    assert raw.html == inline_style_sheets(f"<p class=x>{content.replace('{}', 'Ann')}").html


async def test_no_style_sheet_is_fetched():
    link = '<link rel="stylesheet" href="http://127.0.0.1:1/x.css">'
    content = f'{link}<style>@import url("http://127.0.0.1:1/y.css"); p{{margin:0}}</style><p>x</p>'
    assert await html(content) == (
        f'{link}<style>@import url("http://127.0.0.1:1/y.css"); </style><p style="margin:0">x</p>'
    )


def test_markdown_becomes_html_and_its_html_stays_text():
    result = markdown_to_html("# Hi\n\n*you* & [me](https://x.example)\n\n| a | b |\n|---|---|\n| 1 | <b>2</b> |\n")
    assert "<h1>Hi</h1>" in result
    assert '<a href="https://x.example">me</a>' in result
    assert "<table>" in result
    assert "&lt;b&gt;2&lt;/b&gt;" in result
    assert "href" not in markdown_to_html("[x](javascript:alert)")


places = st.sampled_from(
    [
        "{{ input.x }}",
        "<p title='{{ input.x }}'>y</p>",
        '<p title="a{{ input.x }}b">',
        "<!--[if mso]>{{ input.x }}<![endif]-->",
        "<b>{{ [input.x] }}</b>",
        "<a href='https://h/{{ input.x }}'>",
    ]
)


@given(st.lists(places, min_size=1, max_size=4), st.text(alphabet="<>&\"'`=/ -!ax;#{}()", max_size=20))
@settings(max_examples=150)
def test_no_value_adds_a_tag_or_an_attribute(pieces, value):
    def shape(x):
        content = asyncio.run(rendered("".join(pieces), {"x": x})).html
        return [(tag, list(attributes)) for tag, attributes in read(content).tags]

    assert shape(value) == shape("plain")


@given(st.text(alphabet="<>{}&;\"'!-/= \nabp", max_size=40))
@settings(max_examples=300)
def test_any_content_renders_or_is_refused_by_one_of_our_errors(content):
    with suppress(ExpressionError):
        asyncio.run(rendered(content))


def test_long_content_takes_linear_many_steps():
    # Quadratic walks need minutes at this length.
    units = ["<!--[if ", "<p ", "<p a='", "&amp;", "<!--", "<a href=x ", "<script>", "<", "{<b> ", "{{ 1 }}&lt;"]
    for unit in [*units, "<p a='{{ 1 }}'>"]:
        asyncio.run(rendered("{{ input.name }}" + unit * 20_000))


def test_markdown_may_be_as_deep_as_it_likes():
    for deep in (">" * 5000, "- " * 5000, "[" * 2000, "*a " * 2000, "1. " * 5000, "![" * 1000):
        assert len(markdown_to_html(deep + "x")) < 50_000
