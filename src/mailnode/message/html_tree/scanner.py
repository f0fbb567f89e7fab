"""The tokens of HTML (HTML 13.2.5), as far as the tree hangs on them."""

import re

from mailnode.message.html_tree.builder import Builder
from mailnode.message.html_tree.names import RAW
from mailnode.message.html_tree.stack import ATTRIBUTE, BeyondLimitError, Stack, ascii_lower

_BLANKS = " \t\n\f\r"
_MARKUP = re.compile(r"<(?:(/?)([a-zA-Z][^\t\n\f\r />]*)|!--|!\[CDATA\[|[!?]|/[^a-zA-Z])")
# A quote that is never closed has the rest of the document in it. Each character can be read in one way alone, so that
# a tag without an end is soon given up: the group is not possessive, which Python 3.11.4 and older would read wrongly.
_TAG = re.compile(
    r"""( (?: [\t\n\f\r\ ]++ | /(?!>)
        | [^\t\n\f\r\ />][^\t\n\f\r\ />=]*+
          (?: (?![\t\n\f\r\ ]*+=) | [\t\n\f\r\ ]*+ = [\t\n\f\r\ ]*+
            (?: "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) | [^\t\n\f\r\ "'>][^\t\n\f\r\ >]*+ | (?=>|\Z) ) )
        )* ) (/?)>""",
    re.VERBOSE,
)
_COMMENT_END = re.compile(r"--!?>")
_RAW_END = {name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII) for name in RAW}
_IN_SCRIPT = re.compile(r"<!--|-->|<(/?)script(?=[\t\n\f\r />])", re.IGNORECASE | re.ASCII)
_DOCTYPE = re.compile(r"<!doctype", re.IGNORECASE | re.ASCII)
_STANDARD = re.compile(
    r"(?:[\t\n\f\r ]++|<!--(?:-?>|.*?--!?>))*+<!doctype[\t\n\f\r ]+html"
    r"(?:[\t\n\f\r ]+public[\t\n\f\r ]+\"-//W3C//DTD XHTML 1[^\">]*\"[\t\n\f\r ]+\"http://www\.w3\.org/[^\">]*\")?"
    r"[\t\n\f\r ]*>",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)


def modes(html: str) -> tuple[bool, ...]:
    """Tell whether the document is read as one of old (quirks mode); that it may be either where that is not plain."""
    if _STANDARD.match(html):
        return (False,)
    return (False, True) if _DOCTYPE.search(html) else (True,)


class Scanner:
    """Cuts a document into tokens, and has a builder follow them."""

    def __init__(self, html: str, stack: Stack, most_tags: int, most_attributes: int, *, is_quirky: bool) -> None:
        """Begin at its beginning; comments count as tags, and attributes are those of one tag."""
        self._html = html
        self._most_tags = most_tags
        self._most_attributes = most_attributes
        self._builder = Builder(stack, is_quirky=is_quirky)
        self.sheets: list[str] = []

    def run(self) -> None:
        """Read all of it; BeyondLimitError where it is too much."""
        html = self._html
        position: int | None = 0
        tags = 0
        while position is not None and (found := _MARKUP.search(html, position)):
            tags += 1
            if tags > self._most_tags:
                raise BeyondLimitError(f"it has more than {self._most_tags:,} tags")
            if found.start() > position:
                self._text(position, found.start())
            if name := found[2]:
                position = self._tag(ascii_lower(name), bool(found[1]), found.end())
            else:
                position = self._declaration(found[0], found.start())
        if position is not None and position < len(html):
            self._text(position, len(html))

    def _text(self, start: int, end: int) -> None:
        self._builder.text(is_blank=not self._html[start:end].strip(_BLANKS))

    def _tag(self, name: str, is_end: bool, start: int) -> int | None:
        tag = _TAG.match(self._html, start)
        if not tag:
            return None  # the document ends within it
        source = tag[1]
        if is_end:
            self._builder.end(name)
            return tag.end()
        if len(source) > 2 * self._most_attributes:
            self._bound_attributes(source)
        self._builder.start(name, source, is_closed=bool(tag[2]))
        return self._raw(tag.end()) if self._builder.raw else tag.end()

    def _bound_attributes(self, source: str) -> None:
        if sum(1 for _ in ATTRIBUTE.finditer(source)) > self._most_attributes:
            raise BeyondLimitError(f"a tag has more than {self._most_attributes} attributes")

    def _raw(self, start: int) -> int | None:
        """Pass over what is no markup, to behind its end tag."""
        name, self._builder.raw = self._builder.raw, ""
        if name == "plaintext":
            return None
        end = self._script_end(start) if name == "script" else _RAW_END[name].search(self._html, start)
        if name == "style":
            self.sheets.append(self._html[start : end.start() if end else len(self._html)])
        tag = _TAG.match(self._html, end.end()) if end else None
        return tag.end() if tag else None

    def _script_end(self, start: int) -> re.Match[str] | None:
        # Within a comment a script that begins is text, and so is its end (13.2.5.17 to 13.2.5.31).
        is_comment = is_inner = False
        while found := _IN_SCRIPT.search(self._html, start):
            start = found.end()
            if found[0] == "<!--":
                start -= 2 if not is_comment else 0  # `<!-->` is a comment too
                is_comment = True
            elif found[0] == "-->":
                is_comment = is_inner = False
            elif not found[1]:
                is_inner = is_inner or is_comment
            elif is_inner:
                is_inner = False
            else:
                return found
        return None

    def _declaration(self, opening: str, start: int) -> int | None:
        html = self._html
        if opening == "<!--":
            # `<!-->` and `<!--->` are whole comments.
            if html.startswith((">", "->"), start + 4):
                return html.index(">", start) + 1
            end = _COMMENT_END.search(html, start + 4)
            return end.end() if end else None
        if opening == "<![CDATA[" and self._builder.is_in_foreign:
            begin = start + len(opening)
            close = html.find("]]>", begin)
            end_at = len(html) if close < 0 else close
            if end_at > begin:
                self._text(begin, end_at)
            return None if close < 0 else close + 3
        close = html.find(">", start)
        return None if close < 0 else close + 1
