"""Where tokens stand in what the compiler of MJML made: for expressions, for HTML, and for elements with directives."""

import re
import secrets

# Nobody can have written it.
KEY = f"m{secrets.token_hex(8)}"
EXPRESSION = re.compile(rf"{KEY}e(\d+)e")
CONTENT = re.compile(rf"{KEY}c(\d+)c")
_MARK = re.compile(rf"{KEY}d(\d+)d(?!-)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG_AND_END = re.compile(r"<(/?)([a-z][a-z0-9:]*)\b[^<>]*?(/?)>", re.IGNORECASE)
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})


class Places:
    """Where the tokens stand in `html`; `seen` is that without what comments hold, of the same length."""

    def __init__(self, html: str) -> None:
        """Find them, in linear time."""
        self.html = html
        self.seen = _COMMENT.sub(lambda comment: " " * len(comment[0]), html)
        self.marks: dict[int, list[int]] = {}
        for mark in _MARK.finditer(self.seen):
            self.marks.setdefault(int(mark[1]), []).append(mark.start())
        self.expressions = [(int(token[1]), token.start()) for token in EXPRESSION.finditer(html)]
        self.contents = {int(token[1]): token.start() for token in CONTENT.finditer(html)}


def with_edits(html: str, edits: list[tuple[int, str]]) -> str:
    """Put texts into HTML, each at its place."""
    pieces: list[str] = []
    position = 0
    for place, text in sorted(edits):
        pieces += html[position:place], text
        position = place
    return "".join([*pieces, html[position:]])


def end_of_element(html: str, start: int) -> int:
    """Find where an element of the compiler's ends: its HTML is well formed, and tokens hide the author's."""
    depth = 0
    for tag in _TAG_AND_END.finditer(html, start):
        if tag[3] or tag[2].lower() in _VOID:
            continue
        depth += -1 if tag[1] else 1
        if depth == 0:
            return tag.end()
    return len(html)
