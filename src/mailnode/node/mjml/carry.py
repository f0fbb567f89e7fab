"""What is carried around the compiler of MJML: expressions, HTML and directives, each by a token in its place."""

import re
from dataclasses import dataclass

from mailnode.node.directives import EACH, ELSE, IF
from mailnode.node.mjml.components import AROUND, DEFAULTS, IN_HEAD
from mailnode.node.mjml.places import CONTENT, EXPRESSION, KEY, Places, end_of_element, with_edits
from mailnode.node.mjml.reader import Attribute, Element, MjmlSource

SLOT = "data-content"
MOST_HTML = 5 * 2**20
_CARRIED = (ELSE, EACH, IF, SLOT)
_CLASS = re.compile(rf"\s?class=\"{KEY}d\d+d(?:-[a-z]+)?\"|{KEY}d\d+d(?:-[a-z]+)? |\s?{KEY}d\d+d(?:-[a-z]+)?")
_WORD = re.compile(r"[\w$]+")
_VARIABLES = re.compile(r"\s*([\w$]+)\s*(?:,\s*([\w$]+)\s*)?of\b")


@dataclass(frozen=True, slots=True)
class _Bearer:
    """An element with directives, and the variables that they bring."""

    element: Element
    directives: tuple[Attribute, ...]
    variables: frozenset[str]


class Compilation:
    """MJML on its way through the compiler."""

    def __init__(self, source: MjmlSource, root: Element) -> None:
        """Take MJML that has been read."""
        self._source = source
        self._root = root
        self._contents: list[Element] = []
        self._bearers: list[_Bearer] = []
        self._carried: dict[int, Element] = {}
        self._defaults = _Defaults(source, root)

    def for_compiler(self) -> str:
        """Give the MJML for the compiler.

        Raises:
            ExpressionError: a directive stands where it can't be carried.
        """
        return self._written(self._root)

    def finished(self, html: str) -> str:
        """Give the HTML of what the compiler made of it.

        Raises:
            ExpressionError: an expression or directive has no place in that HTML.
        """
        places = Places(html)
        edits = [self._carry(places, number, bearer) for number, bearer in enumerate(self._bearers)]
        for number, element in enumerate(self._contents):
            if SLOT in element.attributes:
                edits.append(self._slot(places, number, element))
        self._check_expressions(places)
        self._check_length(places)
        html = _CLASS.sub("", with_edits(html, edits))
        html = EXPRESSION.sub(lambda token: self._source.expression(int(token[1])), html)
        return CONTENT.sub(lambda token: self._content(int(token[1])), html)

    def _check_length(self, places: Places) -> None:
        spans = self._source.spans
        added = (spans[number][1] - spans[number][0] for number, _ in places.expressions)
        if len(places.html) + sum(added) > MOST_HTML:
            raise self._source.error(
                0, f"it makes more than {MOST_HTML // 2**20} MB of HTML", "repeat with data-each, or make it shorter"
            )

    def _content(self, number: int) -> str:
        start, end = self._contents[number].content or (0, 0)
        return self._source.text[start:end]

    def _written(self, element: Element) -> str:
        """Write an element as XML for the compiler."""
        name = element.name
        attributes = {one.name: self._value(one) for one in element.attributes.values() if one.name not in _CARRIED}
        self._note_directives(element, attributes)
        start = "".join([f"<{name}", *(f' {one}="{value}"' for one, value in attributes.items())])
        if element.content is None:
            return f"{start}>{''.join(map(self._written, element.children))}</{name}>"
        return f"{start}>{self._token_of_content(element)}</{name}>"

    def _token_of_content(self, element: Element) -> str:
        assert element.content, "it holds HTML"
        if element.name == "mj-title":  # it is written into an attribute too
            return self._text(*element.content, is_title=True)
        if not self._source.text[slice(*element.content)].strip() and SLOT not in element.attributes:
            return ""
        self._contents.append(element)
        return f"{KEY}c{len(self._contents) - 1}c"

    def _value(self, attribute: Attribute) -> str:
        return self._text(attribute.start, attribute.end) if attribute.has_value else attribute.name

    def _text(self, start: int, end: int, *, is_title: bool = False) -> str:
        """Give text with tokens for its expressions, as the value of an attribute."""
        pieces: list[str] = []
        for number in self._source.within(start, end):
            begin, stop = self._source.spans[number]
            pieces += _escaped(self._source.text[start:begin]), f"{KEY}e{number}e"
            start = stop
        pieces.append(_escaped(self._source.text[start:end]))
        text = "".join(pieces)
        return " ".join(text.split()) if is_title else text

    def _note_directives(self, element: Element, attributes: dict[str, str]) -> None:
        """Remember an element's directives, and give it the class that leads to what is made of it."""
        given = tuple(element.attributes[name] for name in _CARRIED if name in element.attributes)
        if not given:
            return
        self._check_directives(element, given[0])
        directives = tuple(one for one in given if one.name != SLOT)
        if not directives:
            return
        mark = f"{KEY}d{len(self._bearers)}d"
        own = attributes.get("css-class", self._defaults.css_class(element, attributes.get("mj-class", "")))
        attributes["css-class"] = f"{mark} {own}".rstrip()
        each = element.attributes.get(EACH)
        named = _VARIABLES.match(self._source.text, each.start, each.end) if each else None
        variables = frozenset(filter(None, named.groups())) if named else frozenset()
        self._bearers.append(_Bearer(element, directives, variables))

    def _check_directives(self, element: Element, first: Attribute) -> None:
        name, at = element.name, element.position
        parent = element.parent.name if element.parent else ""
        if first.name == SLOT and len([one for one in _CARRIED if one in element.attributes]) == 1:
            if element.content is None or name in IN_HEAD or name == "mj-raw":
                raise self._source.error(
                    at, f"data-content can't stand on <{name}>", "put it on <mj-text>, or on an element in <mj-raw>"
                )
            return
        if name in IN_HEAD or parent in {"mj-head", DEFAULTS} or name in {"mjml", "mj-body"}:
            raise self._source.error(
                at, f"{first.name} can't stand on <{name}>", "put it on an element within <mj-body>"
            )
        if name == "mj-raw":
            raise self._source.error(
                at,
                f"{first.name} can't stand on <mj-raw>, of which nothing is made",
                "put it on an element in <mj-raw>",
            )
        if name == "mj-carousel-image":
            raise self._source.error(
                at,
                f"{first.name} can't stand on <mj-carousel-image>, which is made in several places",
                "put it on <mj-carousel>, or use <mj-image>",
            )

    def _carry(self, places: Places, number: int, bearer: _Bearer) -> tuple[int, str]:
        """Give where the directives of an element go: into the start tag of the outermost element made of it."""
        element = bearer.element
        marks = places.marks.get(number, [])
        if len(marks) != 1:
            raise self._source.error(
                element.position,
                f"{bearer.directives[0].name} of <{element.name}> can't be carried into HTML",
                "put it on an element around it",
            )
        start = places.seen.rindex("<", 0, marks[0])
        around = AROUND.get(element.name)
        if around and (found := re.search(around, places.seen[max(0, start - 2000) : start])):
            start -= len(found[0])
        self._check_scope(places, start, bearer)
        name = re.compile(r"<[a-z]+").match(places.html, start)
        assert name, "a start tag begins there"
        return name.end(), "".join(f" {self._directive(one)}" for one in bearer.directives)

    def _directive(self, attribute: Attribute) -> str:
        if not attribute.has_value:
            return attribute.name
        value = self._source.text[attribute.start : attribute.end]
        return f"{attribute.name}='{value}'" if '"' in value else f'{attribute.name}="{value}"'

    def _check_scope(self, places: Places, start: int, bearer: _Bearer) -> None:
        """Check that no expression with a variable of `data-each` stands beside what is repeated, as Outlook's may."""
        if not bearer.variables:
            return
        wanted = {number for inner in _all(bearer.element) for number in self._numbers(inner)}
        wanted = {one for one in wanted if bearer.variables & set(_WORD.findall(self._source.expression(one)))}
        if not wanted:
            return
        end = end_of_element(places.seen, start)
        for number, place in places.expressions:
            if number in wanted and not start <= place < end:
                raise self._source.error(
                    self._source.spans[number][0],
                    f"{self._source.expression(number)} is needed outside what <{bearer.element.name}> repeats,"
                    " for Outlook",
                    "put data-each on an element around it, such as <mj-wrapper>",
                )

    def _numbers(self, element: Element) -> set[int]:
        return {
            number
            for one in element.attributes.values()
            if one.name not in _CARRIED
            for number in self._source.within(one.start, one.end)
        }

    def _slot(self, places: Places, number: int, element: Element) -> tuple[int, str]:
        """Give where `data-content` goes: into the start tag directly before an element's content."""
        place = places.contents[number]
        start = places.html.rindex("<", 0, place)
        tag = re.compile(r"<([a-z]+)[^<>]*>").fullmatch(places.html, start, place)
        if not tag:
            raise self._source.error(
                element.position, f"data-content can't stand on <{element.name}>", "put it on <mj-text>"
            )
        return tag.end(1), f" {SLOT}"

    def _check_expressions(self, places: Places) -> None:
        """Check that each expression in an attribute came through: the compiler leaves out what it can't read."""
        found = {number for number, _ in places.expressions}
        for element in _all(self._root):
            for attribute in element.attributes.values():
                if attribute.name in _CARRIED:
                    continue
                for number in self._source.within(attribute.start, attribute.end):
                    if number not in found:
                        raise self._source.error(
                            attribute.start,
                            f"{self._source.expression(number)} can't stand in {attribute.name} of <{element.name}>,"
                            " which MJML computes with or does not know",
                            "write the value itself there",
                        )


class _Defaults:
    """What elements have by `<mj-attributes>`."""

    def __init__(self, source: MjmlSource, root: Element) -> None:
        self._classes: dict[str, str] = {}
        self._elements: dict[str, str] = {}
        for element in _all(root):
            if not element.parent or element.parent.name != DEFAULTS or "css-class" not in element.attributes:
                continue
            css_class = element.attributes["css-class"]
            value = _escaped(source.text[css_class.start : css_class.end])
            if element.name != "mj-class":
                self._elements[element.name] = value
            elif name := element.attributes.get("name"):
                self._classes[source.text[name.start : name.end]] = value

    def css_class(self, element: Element, mj_class: str) -> str:
        """Give the css-class of an element that names none."""
        named = (self._classes[one] for one in mj_class.split() if one in self._classes)
        return next(named, self._elements.get(element.name, self._elements.get("mj-all", "")))


def _all(element: Element) -> list[Element]:
    return [element, *(inner for child in element.children for inner in _all(child))]


def _escaped(text: str) -> str:
    """Write the value of an attribute so that its end is its end; entities that are there stay."""
    return text.replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
