"""HTML of strangers' mail: what it tries, and what is left of that."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import sync_playwright

from mailnode.web.previews import frame
from mailnode.web.safe_html import MAIL_POLICY, MOST_REPEATED_CHARACTERS, safe_html
from support.browser import chromium

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
OUT = "http://tracker.invalid"

RUNS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//tracker.invalid/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\n>alert(1)</script\n>",
    "<p><script>alert(1)",
    "<img src=x onerror=alert(1)>",
    "<img src=x:x onerror\n=alert(1)//>",
    "<img/src='x'/onerror='alert(1)'>",
    '<img """><script>alert(1)</script>">',
    "<body onload=alert(1)>",
    "<div onmouseover=alert(1) style='position:fixed;inset:0'>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<style onload=alert(1)></style>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href='javascript:alert(1)'><text y=20>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<math href='javascript:alert(1)'>x</math>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<style><!--</style><script>alert(1)//--></script>",
    "<p title='<style>'></p><p title='</style><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'></xmp>",
    "<textarea><p title='</textarea><img src=x onerror=alert(1)>'></textarea>",
    "<title><p title='</title><img src=x onerror=alert(1)>'></title>",
    "<plaintext><script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='javascript:alert(1)'></object>",
    "<object data='data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=='></object>",
    "<embed src='javascript:alert(1)'>",
    "<link rel=import href='data:text/html,<script>alert(1)</script>'>",
    "<div style='width:expression(alert(1))'>",
    "<div style='behavior:url(#x);-moz-binding:url(http://tracker.invalid/x)'>",
]
FETCHES = [
    f"<img src='{OUT}/a.gif'>",
    "<img src=//tracker.invalid/a.gif>",
    "<img src='/api/deliveries'>",
    f"<img srcset='{OUT}/a.gif 2x'>",
    f"<picture><source srcset='{OUT}/a.gif'><img></picture>",
    f"<img lowsrc='{OUT}/a.gif' dynsrc='{OUT}/b.gif' longdesc='{OUT}'>",
    f"<video poster='{OUT}/a.gif'></video>",
    f"<audio src='{OUT}/a' autoplay></audio>",
    f"<table background='{OUT}/a.gif'><tr><td background='{OUT}/b.gif'>x</table>",
    f"<body background='{OUT}/a.gif'>",
    f"<link rel=stylesheet href='{OUT}/a.css'>",
    f"<link rel=dns-prefetch href='{OUT}'>",
    f"<svg><image href='{OUT}/a.gif'/></svg>",
    f"<svg><use href='{OUT}/a.svg#x'/></svg>",
    f"<input type=image src='{OUT}/a.gif'>",
    f"<style>@import '{OUT}/a.css';</style>",
    f"<style>@IMPORT url({OUT}/a.css);</style>",
    f"<style>@\\69mport '{OUT}/a.css';</style>",
    f"<style>@\\000049 mport '{OUT}/a.css';</style>",
    f"<style>@im@importport '{OUT}/a.css';</style>",
    f"<style>/*</style><style>*/@import '{OUT}/a.css';</style>",
    f"<style>body{{background:url({OUT}/a.gif)}}</style>",
    f"<style>body{{background:u\\72l({OUT}/a.gif)}}</style>",
    f"<style>body{{background:u\\000072l({OUT}/a.gif)}}</style>",
    f"<style>body{{background:ur\\6\\63 ({OUT}/a.gif)}}</style>",
    f"<style>body{{background:\\\\75rl({OUT}/a.gif)}}</style>",
    f"<style>body{{background:\\u\\r\\l({OUT}/a.gif)}}</style>",
    f"<style>body{{background:url('data:image/gif,x'),url({OUT}/a.gif)}}</style>",
    f"<style>body{{background:image-set('{OUT}/a.gif' 1x)}}</style>",
    f"<style>body{{background:-webkit-image-set('{OUT}/a.gif' 1x)}}</style>",
    f"<style>@font-face{{font-family:f;src:url({OUT}/f.woff)}} body{{font-family:f}}</style>x",
    f"<style>@namespace 'x'; li{{list-style:url({OUT}/a.gif)}}</style><ul><li>x</ul>",
    f"<style>p::before{{content:url({OUT}/a.gif)}} p{{cursor:url({OUT}/c.cur),auto}}</style><p>x",
    f"<div style='background:url({OUT}/a.gif)'>x</div>",
    f"<div style='background:url(&quot;{OUT}/a.gif&quot;)'>x</div>",
    f"<div style='background:&#117;rl({OUT}/a.gif)'>x</div>",
    f"<div style='background:\\75 rl({OUT}/a.gif)'>x</div>",
    "<div style='background:url(//tracker.invalid/a.gif)'>x</div>",
    "<img src='cid:unknown'>",
    "<img src='cid:evil'>",
    "<p style='background:url(cid:bracket)'>x",
    "<style>p{background:url(cid:bracket)}</style><p>x",
    "<table background='cid:bracket'><tr><td>x</table>",
    f"<meta http-equiv=refresh content='0;url={OUT}'>",
    f"<META HTTP-EQUIV='Refresh' CONTENT='0; {OUT}'>",
    f"<base href='{OUT}/'><img src=a.gif>",
    f"<iframe src='{OUT}'></iframe>",
    f"<frameset><frame src='{OUT}'></frameset>",
    f"<object data='{OUT}/a.swf'></object>",
    f"<embed src='{OUT}/a.swf'>",
    f"<applet archive='{OUT}/a.jar'></applet>",
    f"<html manifest='{OUT}/a'>",
    f"<a ping='{OUT}' href='https://example.org'>x</a>",
]
LEADS_AWAY = [
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "<a href=' javascript:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='java&#10;script:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='&#x6A&#x61vascript&colon;alert(1)'>x</a>",
    "<a href='\x01javascript:alert(1)'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='file:///etc/passwd'>x</a>",
    "<a href='/api/inbox'>x</a>",
    "<a href='//tracker.invalid'>x</a>",
    "<form action='http://tracker.invalid'><button>x</button></form>",
    "<form action='javascript:alert(1)'><input type=submit></form>",
    "<button formaction='javascript:alert(1)'>x</button>",
    "<isindex action='javascript:alert(1)'>",
    "<map name=m><area href='javascript:alert(1)' shape=default></map>",
]
IMAGES = {
    "logo@shop": PIXEL,
    "evil": f"{OUT}/a.gif",
    "bracket": f"data:image/gif);background:url({OUT}/a.gif?;base64,R0lGODlhAQABAIAAAAAAAP",
}


class Found(HTMLParser):
    """What an independent parser finds: tags, attributes, and the text of style elements."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.css = [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        if self.cdata_elem == "style":  # text behind a closed one is no style any more
            self.css += data


FORBIDDEN = {
    *("script", "svg", "math", "meta", "base", "form", "input", "button", "iframe", "frame", "frameset", "object"),
    *(
        "embed",
        "link",
        "template",
        "noscript",
        "video",
        "audio",
        "source",
        "area",
        "textarea",
        "applet",
        "body",
        "html",
    ),
}


def assert_harmless(html):
    found = Found(html)
    assert not FORBIDDEN & set(found.tags)
    css = found.css
    for _tag, name, value in found.attributes:
        assert not name.startswith("on")
        assert name not in {"srcset", "ping", "action", "formaction", "poster", "target", "srcdoc", "http-equiv"}
        if name in {"src", "background"}:
            assert value.startswith("data:image/")
        if name == "href":
            assert value.lower().lstrip().startswith(("http://", "https://", "mailto:", "tel:", "#"))
        if name == "style":
            css += value
    assert "@import" not in css.lower()
    assert "url(" not in css.lower().replace("url(data:image/", "").replace("url('data:image/", "")


@pytest.mark.parametrize("attack", RUNS + FETCHES + LEADS_AWAY)
def test_nothing_is_left_that_runs_fetches_or_leads_away(attack):
    assert_harmless(safe_html(attack, IMAGES))
    assert_harmless(safe_html(f"<table><tr><td>{attack}</td></tr></table>", IMAGES))


@given(
    st.lists(st.sampled_from([*RUNS, *FETCHES, *LEADS_AWAY, "<style>", "</style>", "<svg>", "<p title='"]), max_size=5)
)
@settings(max_examples=100)
def test_nor_is_it_when_attacks_stand_together(attacks):
    assert_harmless(safe_html("".join(attacks), IMAGES))


def test_a_browser_without_any_other_lock_runs_and_asks_for_nothing():
    happened = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        page = browser.new_page()

        def note_dialog(dialog):
            happened.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", note_dialog)
        page.on("request", lambda request: happened.append(request.url))
        for attack in [*RUNS, *FETCHES, *LEADS_AWAY]:
            page.set_content(frame(safe_html(attack, IMAGES)))
            for link in page.locator("a[href]").all():
                link.evaluate("link => link.href.startsWith('javascript:') && link.click()")
        page.wait_for_timeout(200)  # what would come late
        browser.close()
    assert [url for url in happened if not url.startswith(("data:image/", "about:"))] == []


def test_a_browser_with_the_policy_alone_runs_and_asks_for_nothing():
    """As if nothing were taken out of the mail, and no frame were around it."""
    happened = []
    pages = {f"https://mail.invalid/{number}": attack for number, attack in enumerate([*RUNS, *FETCHES, *LEADS_AWAY])}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        page = browser.new_page()

        def answer(route):
            url = route.request.url
            if url not in pages:
                happened.append(url)
                route.abort()
                return
            route.fulfill(
                body=f"<!doctype html><meta charset=utf-8>{pages[url]}",
                headers={"Content-Type": "text/html", "Content-Security-Policy": MAIL_POLICY},
            )

        def note_dialog(dialog):
            happened.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", note_dialog)
        page.route("**/*", answer)
        for url in pages:
            page.goto(url)
        page.wait_for_timeout(200)  # what would come late
        browser.close()
    assert happened == []


def test_an_image_that_comes_again_and_again_does_not_make_the_document_grow_without_end():
    large = {"a": "data:image/gif;base64," + "A" * 100_000}
    safe = safe_html("<img src=cid:a>" * 4000, large)
    assert len(safe) < 100_000 + MOST_REPEATED_CHARACTERS + 4000 * 60
    assert safe.count("data:image/gif") == 1 + MOST_REPEATED_CHARACTERS // 100_022
    assert safe.count("<img") == 4000


def test_styles_and_tables_stay():
    html = (
        "<style>@media (max-width: 480px) { .wide { width: 100% !important } }</style>"
        '<table class="wide" bgcolor="#eeeeee" cellpadding="4" width="600"><tbody><tr>'
        '<td align="center" style="color: #333; padding: 4px 8px" colspan="2">Hello</td></tr></tbody></table>'
    )
    safe = safe_html(html, {})
    assert "@media (max-width: 480px) { .wide { width: 100% !important } }" in safe
    assert 'style="color: #333; padding: 4px 8px"' in safe
    assert {("table", "bgcolor", "#eeeeee"), ("td", "colspan", "2")} <= set(Found(safe).attributes)


def test_the_colours_of_the_body_stay():
    safe = safe_html('<html><body style="background: #123456"><p>Hi</p></body></html>', {})
    assert safe == '<div style="background: #123456"><p>Hi</p></div>'


@pytest.mark.parametrize("cid", ["cid:logo@shop", "CID:logo%40shop", " cid:logo@shop "])
def test_an_image_of_the_mail_is_shown_from_its_part(cid):
    assert f'src="{PIXEL}"' in safe_html(f'<img src="{cid}" alt="Logo">', IMAGES)


def test_an_image_of_the_mail_may_be_a_background_too():
    assert f"url({PIXEL})" in safe_html("<td style=\"background: url('cid:logo@shop')\">x", IMAGES) + safe_html(
        "<style>body { background: url(cid:logo@shop) }</style>", IMAGES
    )
    assert f'background="{PIXEL}"' in safe_html('<table background="cid:logo@shop"></table>', IMAGES)


def test_an_image_from_elsewhere_keeps_its_words_and_its_place():
    safe = safe_html(f'<img src="{OUT}/a.gif" alt="A chart" width="300">', {})
    assert set(Found(safe).attributes) == {("img", "alt", "A chart"), ("img", "width", "300")}


def test_links_tell_nobody_where_they_were():
    assert safe_html('<a href="https://example.org/x?a=1&amp;b=2" target="_blank">x</a>', {}) == (
        '<a href="https://example.org/x?a=1&amp;b=2" rel="noreferrer">x</a>'
    )


def test_what_is_no_text_of_the_mail_leaves_none_behind():
    html = "<head><title>T</title><script>alert(1)</script></head><p>Hi</p><noscript>no</noscript><select><option>o"
    assert safe_html(html, {}) == "<p>Hi</p>"


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("<div>" * 20_000, "nested deeper than 256 elements"),
        ("<body>" * 257, "nested deeper than 256 elements"),  # each of which is a <div> here
        ("<p>x" * 100_000, "more than 100,000 elements"),
        ("<p " + "a " * 100_000 + ">", "more than 500 attributes"),
        (f"<p title='{'x' * 2**23}'>", "longer than 8 MB"),
    ],
    ids=["deep", "bodies", "large", "attributes", "long"],
)
def test_what_is_too_deep_or_large_is_shown_as_its_escaped_source(html, why):
    shown = safe_html(html + "<script>alert(1)</script>", {})
    assert why in shown
    assert "This is its source" in shown
    assert set(re.findall("<[a-z]+", shown)) == {"<p", "<strong", "<pre"}
    assert html[:20].replace("<", "&lt;") in shown.replace("&gt;", ">").replace("&#x27;", "'")
    assert len(shown) < 2_000_000


def test_escapes_of_escapes_cost_a_mail_its_styles():
    css = "p { color: " + "\\" * 20 + "green }"
    assert safe_html(f"<style>{css}</style><p>Hi</p>", {}) == "<p>Hi</p>"


def test_half_a_character_is_no_error():
    assert safe_html("<p>\ud83d</p>", {}) == "<p>?</p>"
