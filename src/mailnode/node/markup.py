"""The expressions of HTML content, and where they are: in text, in an attribute, or where none is allowed.

Tags and attributes are cut as the HTML standard's tokenizer cuts them (13.2.5), with every expression one opaque mark.
Elements are not balanced, and time is linear in the content.
"""

import html
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from mailnode.errors import ExpressionError
from mailnode.message.markup import decode
from mailnode.node.directives import Block, find_blocks
from mailnode.node.template import Expression, expression_end, make_expression
from mailnode.printable import quoted_ascii, shortened

MARK = re.compile(r"\0(\d+)\0")

# What parts attributes (HTML 13.2.5.32): a no-break space, as people paste, is a part of a name or value.
_SPACE = r"\t\n\f\r\x20"
_ODD_SPACE = re.compile(rf"[^\S{_SPACE}]")
# A downlevel-hidden comment, <!--[if mso]>, is markup to the readers it is meant for; what stands in any other is not
# evaluated.
_COMMENT = r"<!--(?!\[if\b)(?:>|->|.*?(?:--!?>|\Z))"
_OPENING = re.compile(rf"(?P<braces>\{{\{{\{{?)|{_COMMENT}", re.DOTALL | re.IGNORECASE)
_MARKUP = re.compile(
    rf"<!--\[if\b[^\]>]*\]> | {_COMMENT} | (?P<declaration><[!?][^>]*>?) | </?(?P<tag>[A-Za-z\0][^{_SPACE}/>]*)",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
ATTRIBUTE = re.compile(
    rf"""[{_SPACE}/]*+ (?P<name>[^{_SPACE}/>][^{_SPACE}/>=]*+)
        (?:[{_SPACE}]*+ = [{_SPACE}]*+
            (?:"(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<bare>[^{_SPACE}>"'][^{_SPACE}>]*)?))?""",
    re.VERBOSE,
)
_RAW_TEXT_END = {name: re.compile(rf"</{name}(?=[{_SPACE}/>])|\Z", re.IGNORECASE) for name in ("script", "style")}
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LEADING_ZEROS = re.compile(r"&#0+(?=[0-9])")
_MANY_DIGITS = re.compile(r"&#[0-9]{8,}")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--")
_CUT_BRACES = re.compile(r"\{(?:</?[A-Za-z][^<>]*>)+\{")
_STRING = re.compile(r""" "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `(?:[^`\\]|\\.)*` """, re.VERBOSE | re.DOTALL)

_CUT_HINT = "remove the formatting from the expression, or put it around the braces; write less-than as &lt;"


_NO_MARKUP = ("script", "style", "textarea", "title")
_NO_MARKUP_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _NO_MARKUP}


@dataclass(frozen=True)
class Attribute:
    """A quoted attribute value with expressions in it: `marked[start:end]`; names are in lower case."""

    tag: str
    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Markup:
    """HTML content whose expressions are marks, their numbers between NULs, and the attributes that hold some.

    `blocks` are its elements with directives.
    """

    marked: str
    expressions: tuple[Expression, ...]
    attributes: tuple[Attribute, ...]
    blocks: tuple[Block, ...] = ()


def parse_html(content: str) -> Markup:
    """Find the expressions of HTML content and where they stand, and its directives.

    Entities inside the braces are decoded, as an editor stores `&amp;&amp;`.

    Raises:
        ExpressionError: an expression has no end, is cut by a tag, or stands where no value can be made safe; or as
            `find_blocks`.
    """
    content = content.replace("\0", "\ufffd")
    if cut := _CUT_BRACES.search(content):
        raise ExpressionError(f"a tag splits the braces: {shortened(cut[0])}", hint=_CUT_HINT)
    if "{{" not in content:
        return Markup(content, (), (), find_blocks(content))
    marked, expressions = _mark(content)
    attributes = tuple(_AttributeFinder(marked, expressions).attributes())
    return Markup(marked, tuple(expressions), attributes, find_blocks(marked))


def set_marked(markup: Markup, marked: str) -> Markup:
    """Give markup whose attributes without marks have changed: its marked content is now `marked`."""
    if marked == markup.marked:
        return markup
    return Markup(marked, markup.expressions, tuple(_AttributeFinder(marked, list(markup.expressions)).attributes()))


def decode_entities(text: str) -> str:
    """Decode character references as browsers do, those with more digits than Python reads included."""
    return html.unescape(_MANY_DIGITS.sub("&#1114112", _LEADING_ZEROS.sub("&#", text)))


def expression_spans(content: str) -> list[tuple[int, int]]:
    """Give where the expressions of HTML content begin and end, with their braces; errors as `parse_html` has them."""
    return [(start, end) for start, end, _ in _expressions(content)]


def _expressions(content: str) -> Iterator[tuple[int, int, Expression]]:
    decoded = _DecodedContent(content)
    position = 0
    while opening := _OPENING.search(content, position):
        position = opening.end()
        if opening["braces"]:
            raw = len(opening["braces"]) > len("{{")
            expression, position = _read_expression(content, decoded, position, raw=raw)
            yield opening.start(), position, expression


def _mark(content: str) -> tuple[str, list[Expression]]:
    found = [*_expressions(content)]
    pieces: list[str] = []
    position = 0
    for number, (start, end, _) in enumerate(found):
        pieces += content[position:start], f"\0{number}\0"
        position = end
    return "".join([*pieces, content[position:]]), [expression for _, _, expression in found]


def _read_expression(content: str, decoded: "_DecodedContent", start: int, *, raw: bool) -> tuple[Expression, int]:
    """The expression whose braces end at `start`, and where the content goes on."""
    closer = "}}}" if raw else "}}"
    begin = decoded.from_content(start)
    try:
        end = expression_end(decoded.text, begin, closer)
    except ExpressionError as error:
        _refuse_cut(content[start : content.find(closer, start)], raw=raw)
        raise error from None
    _refuse_cut(content[start : decoded.to_content(end)], raw=raw)
    expression = make_expression(decoded.text[begin:end], raw=raw)
    return expression, decoded.to_content(end + len(closer))


def _refuse_cut(written: str, *, raw: bool) -> None:
    # An editor writes &lt; in strings, so a tag there is formatting; who writes {{{ }}} by hand may mean the tag.
    code = _STRING.sub("", written) if raw else written
    if tag := _TAG.search(code):
        raise ExpressionError(
            f"the tag {shortened(tag[0])} splits an expression: {Expression(written)}",
            hint=_CUT_HINT,
        )


class _DecodedContent:
    """Content with its entities decoded, and how offsets in the two correspond."""

    def __init__(self, content: str) -> None:
        pieces: list[str] = []
        self._here = [0]  # where literal text (even) and entities (odd) begin, here and in the content
        self._there = [0]
        for entity in _ENTITY.finditer(content):
            literal, character = content[self._there[-1] : entity.start()], html.unescape(entity.group())
            begin = self._here[-1] + len(literal)
            self._here += begin, begin + len(character)
            self._there += entity.start(), entity.end()
            pieces += literal, character
        pieces.append(content[self._there[-1] :])
        self.text = "".join(pieces)

    def from_content(self, offset: int) -> int:
        return _translate(offset, self._there, self._here)

    def to_content(self, offset: int) -> int:
        return _translate(offset, self._here, self._there)


def _translate(offset: int, source: list[int], target: list[int]) -> int:
    piece = bisect_right(source, offset) - 1
    is_literal = piece % 2 == 0
    return target[piece] + (offset - source[piece] if is_literal else 0)


class _AttributeFinder:
    """Finds the attributes of marked content that contain expressions."""

    def __init__(self, marked: str, expressions: list[Expression]) -> None:
        self._marked = marked
        self._expressions = expressions
        self._attributes: list[Attribute] = []

    def attributes(self) -> list[Attribute]:
        """Every attribute that holds an expression; an ExpressionError for each other place inside a tag."""
        position = 0
        while markup := _MARKUP.search(self._marked, position):
            position = markup.end()
            if markup["declaration"]:
                self._refuse(markup.group(), "in a declaration")
            elif tag := markup["tag"]:
                self._refuse(tag, "in a tag name")
                position = self._read_tag(tag.lower(), position)
                if markup.group()[1] != "/" and (end := _RAW_TEXT_END.get(tag.lower())):
                    position = self._pass_raw_text(position, end, tag.lower())
        return self._attributes

    def _read_tag(self, tag: str, position: int) -> int:
        while attribute := ATTRIBUTE.match(self._marked, position):
            position = attribute.end()
            self._check(tag, attribute)
        close = self._marked.find(">", position)
        return len(self._marked) if close < 0 else close + 1

    def _check(self, tag: str, attribute: re.Match[str]) -> None:
        if "\0" not in attribute.group():
            return
        name = attribute["name"].lower()
        if _ODD_SPACE.search(name):  # some readers take it for a blank
            self._refuse(attribute.group(), f"in the attribute {quoted_ascii(name)}")
        self._refuse(name, "in a tag outside a quoted attribute value")
        self._refuse(attribute["bare"] or "", f"in {name}, which is not quoted", hint=f'write {name}="..."')
        quoted = "double" if attribute["double"] is not None else "single"
        if name.startswith("on") or name == "srcdoc":
            self._refuse(attribute[quoted], f"in {name}, which is code")
        if raw := [mark for mark in MARK.findall(attribute[quoted]) if self._expressions[int(mark)].raw]:
            raise _misplaced(self._expressions[int(raw[0])], f"in {name}", "write {{ }}: attributes are always escaped")
        self._attributes.append(Attribute(tag, name, *attribute.span(quoted)))

    def _pass_raw_text(self, position: int, end: re.Pattern[str], name: str) -> int:
        close = end.search(self._marked, position)
        assert close, "the end of the content ends it too"
        self._refuse(self._marked[position : close.start()], f"in <{name}>", hint="use a style or data- attribute")
        return close.start()

    def _refuse(self, text: str, place: str, hint: str = "put it in text or in a quoted attribute value") -> None:
        if mark := MARK.search(text):
            if odd := _ODD_SPACE.search(text):
                hint = f"type the space before it again: U+{ord(odd[0]):04X} is not a space to browsers"
            raise _misplaced(self._expressions[int(mark[1])], place, hint)


def _misplaced(expression: Expression, place: str, hint: str) -> ExpressionError:
    return ExpressionError(f"{expression} is not allowed {place}", hint=hint)


@dataclass(frozen=True, slots=True)
class LocatedTag:
    """A start tag of `html`: its name in lower case, and where the value of each of its attributes stands."""

    html: str
    name: str
    places: dict[str, tuple[int, int]]

    def __contains__(self, attribute: str) -> bool:
        """Whether it has this attribute, with a value or without."""
        return attribute in self.places

    def value(self, attribute: str) -> str:
        """Give an attribute's value, entities decoded; "" for one that it has not."""
        start, end = self.places.get(attribute, (0, 0))
        return decode(self.html[start:end])


def find_tags(html: str, *names: str) -> Iterator[LocatedTag]:
    """Find the start tags of these names, but for those in comments and in what is no markup."""
    opening, position = _opening(names), 0
    while found := opening.search(html, position):
        if found["name"]:
            position, places = _attributes(html, found.end())
            yield LocatedTag(html, found["name"].lower(), places)
        elif found["raw"]:
            end = _NO_MARKUP_END[found["raw"].lower()].search(html, found.end())
            position = end.end() if end else len(html)
        else:
            # `<!-->` is a whole comment.
            end_at = html.find("-->", found.start() + 2)
            position = end_at if end_at >= 0 else len(html)


def _attributes(html: str, position: int) -> tuple[int, dict[str, tuple[int, int]]]:
    places: dict[str, tuple[int, int]] = {}
    while found := ATTRIBUTE.match(html, position):
        position = found.end()
        kind = found.lastgroup
        assert kind, "each attribute has a name"
        places.setdefault(found["name"].lower(), (position, position) if kind == "name" else found.span(kind))
    return position, places


@cache
def _opening(names: tuple[str, ...]) -> re.Pattern[str]:
    # Five times as fast as IGNORECASE, which keeps the `<` from being searched for.
    wanted, raw = map(_in_any_case, (names, [name for name in _NO_MARKUP if name not in names]))
    return re.compile(rf"<(?:!--|(?:(?P<name>{wanted})|(?P<raw>{raw}))(?=[\s/>]))")


def _in_any_case(names: Iterable[str]) -> str:
    return "|".join("".join(f"[{letter}{letter.upper()}]" for letter in name) for name in names)
