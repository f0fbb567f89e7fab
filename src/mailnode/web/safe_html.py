"""HTML of mails, made fit to be looked at: it runs nothing, asks nobody for anything, and leads nowhere by itself.

Two locks, each of which would do alone: what this module lets through, and the policy that the document is served with.
The frame with an empty `sandbox` that shows it is a third, against everything but fetching.
"""

import re
from collections.abc import Callable, Mapping
from html import escape
from urllib.parse import unquote

import nh3

from mailnode.message.html_tree import beyond_limits

# For a document of its own. `sandbox` holds too where somebody opens it outside of its frame.
MAIL_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"

# How much of its source stands in place of what can't be shown.
MOST_SOURCE_CHARACTERS = 100_000


def _words(text: str) -> set[str]:
    return set(text.split())


_TAGS = _words("""
    a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt
    em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q rp rt ruby s
    samp section small span strike strong style sub sup table tbody td tfoot th thead time tr tt u ul var wbr
""")
# What stands in these is no text of the mail.
_DROPPED_WITH_CONTENT = _words("""
    applet audio canvas datalist embed frameset iframe math noembed noframes noscript object option script select svg
    template textarea title video xmp
""")
_BOX = _words("align background bgcolor height valign width")
_CELL = _BOX | _words("abbr axis colspan headers nowrap rowspan scope")
_ATTRIBUTES = {
    "*": _words("class dir id lang style title"),
    "a": {"href", "name"},
    "blockquote": {"type"},
    "br": {"clear"},
    "col": _words("align span valign width"),
    "colgroup": _words("align span valign width"),
    "div": {"align", "bgcolor"},
    "font": _words("color face size"),
    "hr": _words("align color noshade size width"),
    "img": _words("align alt border height hspace src vspace width"),
    "li": {"type", "value"},
    "ol": _words("reversed start type"),
    "p": {"align"},
    "style": {"media", "type"},
    "table": _BOX | _words("border bordercolor cellpadding cellspacing rules summary"),
    "tbody": {"align", "valign"},
    "td": _CELL,
    "tfoot": {"align", "valign"},
    "th": _CELL,
    "thead": {"align", "valign"},
    "tr": _words("align bgcolor valign"),
    "ul": {"type"},
}
_LINK = re.compile(r"(?:https?|mailto|tel):|#", re.IGNORECASE)
_IMAGE = re.compile(r"data:image/[a-z0-9.+-]+[;,]", re.IGNORECASE)
_IMAGE_OF_PART = re.compile(r"data:image/[a-z0-9.+-]+;base64,[a-z0-9+/]*={0,2}", re.IGNORECASE)
# An image that is referred to again stands again in the document: a letter that does so a thousand times is none.
MOST_REPEATED_CHARACTERS = 2**21
_BODY = re.compile(r"<(/?)body\b", re.IGNORECASE)
_STYLE_ELEMENT = re.compile(r"<style.*?</style>", re.IGNORECASE | re.DOTALL)

# A letter may be written as its number, of six digits at most, or behind a backslash where it is no such digit.
_LETTER = "(?:[46][1-9a-f]|[57][0-9a])"
_ESCAPED = re.compile(
    rf"\\(?:((?:0{{4}}{_LETTER}|0{{0,3}}{_LETTER}(?![0-9a-f])))(?:\r\n|[ \t\r\n\f])?|([g-z]))", re.IGNORECASE
)
_MOST_ROUNDS = 9
_FETCHING = re.compile(r"(?<![\w-])(?:url|src|image|(?:-webkit-)?image-set|expression)\(", re.IGNORECASE)
_URL_OF_DATA = re.compile(r"url\(\s*[\"']?data:image/", re.IGNORECASE)
_URL_OF_PART = re.compile(r"url\(\s*([\"']?)cid:([^\"'()\s]+)\1\s*\)", re.IGNORECASE)
_IMPORT = re.compile(r"@import|(?<![\w-])(?:-moz-binding|behavior)(?=\s*:)", re.IGNORECASE)


def safe_html(html: str, images: Mapping[str, str]) -> str:
    """Give the HTML of a mail as a fragment without what could run, fetch, submit or lead away.

    Styles and tables stay. `images` maps the content-ids of the mail's parts (without <>) to `data:` URLs, which take
    the place of `cid:`; any other image loses its address. Links get `rel="noreferrer"`. What is too deep or too large
    to be parsed stands there as its escaped source, with a notice.
    """
    html = html.encode("utf-8", "replace").decode()
    # A fragment has no body, but its colours are wanted.
    fragment = _BODY.sub(r"<\1div", html)
    if why := beyond_limits(fragment):
        return escaped_source(html, why)
    parts = _Parts(images)
    cleaned = nh3.clean(
        fragment,
        tags=_TAGS,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=_filter(parts),
        link_rel="noreferrer",
        url_schemes={"cid", "data", "http", "https", "mailto", "tel"},
        url_relative=lambda url: url if url.startswith("#") else None,
    )
    return _STYLE_ELEMENT.sub(lambda found: _safe_css(found[0], parts), cleaned)


def escaped_source(source: str, why: str) -> str:
    """Give the source of what can't be shown, as text and 100,000 characters of it at the most, with a notice.

    `why` is a clause about the mail, such as "it is nested deeper than 256 elements".
    """
    shown, left = source[:MOST_SOURCE_CHARACTERS], len(source) - MOST_SOURCE_CHARACTERS
    more = f"<p>{left:,} more characters are left out.</p>" if left > 0 else ""
    notice = f"<p><strong>This mail can\u2019t be shown: {escape(why)}. This is its source.</strong></p>"
    return f'{notice}<pre style="white-space: pre-wrap">{escape(shown)}</pre>{more}'


class _Parts:
    """The images that are parts of the mail, as `data:` URLs; what is none, or comes too often, is not given."""

    def __init__(self, images: Mapping[str, str]) -> None:
        self._unused = dict(images)
        self._used: dict[str, str] = {}
        self._left = MOST_REPEATED_CHARACTERS

    def of(self, cid: str) -> str:
        cid = unquote(cid)
        if cid in self._unused:
            address = self._unused.pop(cid)
            # What is in it stands in styles too, where a bracket would end it.
            self._used[cid] = address if _IMAGE_OF_PART.fullmatch(address) else ""
            return self._used[cid]
        address = self._used.get(cid, "")
        self._left -= len(address)
        return address if self._left >= 0 else ""


def _filter(parts: _Parts) -> Callable[[str, str, str], str | None]:
    def filtered(_tag: str, name: str, value: str) -> str | None:
        if name == "href":
            return value if _LINK.match(value.strip()) else None
        if name in {"src", "background"}:
            return _image(value.strip(), parts)
        if name == "style":
            return _safe_css(value, parts)
        return value

    return filtered


def _image(address: str, parts: _Parts) -> str | None:
    if address[:4].lower() == "cid:":
        return parts.of(address[4:]) or None
    return address if _IMAGE.match(address) else None


def _safe_css(css: str, parts: _Parts) -> str:
    # Names are changed, wherever they stand, and nothing is taken out: what is left can't join to something new, and
    # nothing depends on knowing what is a comment or a string. A browser skips what it doesn't know.
    css = _without_escapes(css)
    css = _URL_OF_PART.sub(lambda found: f"url({parts.of(found[2])})", css)
    css = _IMPORT.sub(lambda found: "@removed" if found[0][0] == "@" else "removed", css)
    return _FETCHING.sub(lambda found: found[0] if _URL_OF_DATA.match(css, found.start()) else "removed(", css)


def _without_escapes(css: str) -> str:
    # One letter may complete the number of another, so again; nobody but an attacker comes to the end.
    for _ in range(_MOST_ROUNDS):
        before, css = css, _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], css)
        if css == before:
            return css
    return ""
