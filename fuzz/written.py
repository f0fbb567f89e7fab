"""The tree that a parser in native code made, read from the HTML that it wrote: each end tag is in its place."""

import re

VOID = frozenset(
    {"area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input", "keygen", "link"}
    | {"meta", "param", "source", "track", "wbr"}
)
RAW = frozenset({"iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "xmp"})
POINTS = {"svg": {"desc", "foreignObject", "title"}, "math": {"mi", "mn", "mo", "ms", "mtext"}}
WRITTEN = re.compile(
    r"<(?:!--.*?-->|!DOCTYPE[^>]*>|(/?)([a-zA-Z][^ \t\n\f\r/>]*)(?: =?[^ \t\n\f\r/>=]*(?:=\"[^\"]*\")?)*>)", re.DOTALL
)


def tree(written: str) -> tuple[int, int]:
    """Give its levels and its elements."""
    position, levels, elements = 0, 0, 0
    opened = [("", "html")]
    while found := WRITTEN.search(written, position):
        position = found.end()
        name = found[2]
        if not name:
            continue
        if found[1]:
            assert opened.pop()[0] == name
            continue
        elements += 1
        levels = max(levels, len(opened))
        space = namespace(name, *opened[-1])
        if space == "html" and name in VOID:
            continue
        if space == "html" and name in RAW:
            end = written.rfind(f"</{name}>") if name == "plaintext" else written.find(f"</{name}>", position)
            position = end if end >= 0 else len(written)
        opened.append((name, space))
    return levels, elements


def namespace(name: str, parent: str, space: str) -> str:
    """Tell whose element it is, by what it stands in: html, svg or math."""
    if name in {"svg", "math"}:
        return name
    is_html = space == "html" or (parent in POINTS[space] and name not in {"malignmark", "mglyph"})
    return "html" if is_html else space
