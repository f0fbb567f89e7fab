"""What the HTML standard knows elements by (13.2.4 to 13.2.6).

The name of a foreign element has its namespace before it, and a blank, which no tag's name can hold: `s title`.
"""

SVG, MATHML = "s ", "m "

MATHML_TEXT_POINTS = frozenset({"m mi", "m mo", "m mn", "m ms", "m mtext"})
SVG_HTML_POINTS = frozenset({"s foreignobject", "s desc", "s title"})

SCOPE = (
    frozenset({"applet", "caption", "html", "table", "td", "th", "marquee", "object", "select", "template"})
    | MATHML_TEXT_POINTS
    | SVG_HTML_POINTS
)
LIST_SCOPE = SCOPE | {"ol", "ul"}
BUTTON_SCOPE = SCOPE | {"button"}
TABLE_SCOPE = frozenset({"html", "table", "template"})
BODY_CONTEXT = frozenset({"tbody", "tfoot", "thead", "template", "html"})
ROW_CONTEXT = frozenset({"tr", "template", "html"})

IMPLIED_ENDS = frozenset({"dd", "dt", "li", "option", "optgroup", "p", "rb", "rp", "rt", "rtc"})

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
CELLS = frozenset({"td", "th"})
SECTIONS = frozenset({"tbody", "tfoot", "thead"})
FORMATTING = frozenset({"b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u"})
BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "center", "details", "dialog", "dir", "div", "dl", "fieldset"}
    | {"figcaption", "figure", "footer", "header", "hgroup", "main", "menu", "nav", "ol", "search", "section"}
    | {"summary", "ul"}
)
BLOCK_ENDS = BLOCKS | {"button", "listing", "pre", "select"}
MARKING = frozenset({"applet", "marquee", "object"})
SPECIAL = (
    (BLOCKS - {"dialog", "search"})
    | HEADINGS
    | MARKING
    | {"area", "base", "basefont", "bgsound", "body", "br", "button", "caption", "col", "colgroup", "dd", "dt"}
    | {"embed", "form", "frame", "frameset", "head", "hr", "html", "iframe", "img", "input", "isindex", "li", "link"}
    | {"listing", "meta", "noembed", "noframes", "noscript", "p", "param", "plaintext", "pre", "script", "select"}
    | {"source", "style", "table", "tbody", "td", "template", "textarea", "tfoot", "th", "thead", "title", "tr"}
    | {"track", "wbr", "xmp"}
)

# Whose content is no markup, with a scripting reader.
RAW = frozenset({"iframe", "noembed", "noframes", "noscript", "script", "style", "textarea", "title", "xmp"})
HEAD_VOID = frozenset({"base", "basefont", "bgsound", "link", "meta"})
HEAD_RAW = frozenset({"noframes", "script", "style", "title"})
IN_HEAD = HEAD_VOID | HEAD_RAW | {"template"}

# What ends foreign content.
BREAKOUT = frozenset(
    {"b", "big", "blockquote", "body", "br", "center", "code", "dd", "div", "dl", "dt", "em", "embed", "h1", "h2"}
    | {"h3", "h4", "h5", "h6", "head", "hr", "i", "img", "li", "listing", "menu", "meta", "nobr", "ol", "p", "pre"}
    | {"ruby", "s", "small", "span", "strong", "strike", "sub", "sup", "table", "tt", "u", "ul", "var"}
)
