"""Where the start tags and style sheets of HTML stand, as browsers find them (HTML 13.2.5), in linear time.

What a conditional comment holds is looked at too: it is markup to the readers that it is meant for.
"""

import re
from typing import NamedTuple

from mailnode.message.html_tree import MOST_CHARACTERS, MOST_ELEMENTS, MOST_TAGS
from mailnode.message.html_tree.stack import BeyondLimitError
from mailnode.message.markup import decode

_SPACE = r"[ \t\n\r\f]"
_MARKUP = re.compile(r"<(?:(?P<comment>!--)|(?P<close>/?)(?P<name>[A-Za-z][^ \t\n\r\f/>]*)|[!?/])")
_ATTRIBUTE = re.compile(
    rf"""(?:{_SPACE}|/)*+ (?P<name>[^ \t\n\r\f/>][^ \t\n\r\f/>=]*+)
        (?:{_SPACE}*+ = {_SPACE}*+
            (?:"(?P<double>[^"]*)(?:"|\Z) | '(?P<single>[^']*)(?:'|\Z) | (?P<bare>[^ \t\n\r\f>]*+)))?""",
    re.VERBOSE,
)
_TAG_END = re.compile(rf"(?:{_SPACE}|/)*+>")
_WHOLE_COMMENT = re.compile(r"<!---?>")
_COMMENT_END = re.compile(r"--!?>")
_CONDITION = re.compile(r"<!(?:--)?\[if\b", re.IGNORECASE)
_CONDITION_END = re.compile(r"<!\[endif\]", re.IGNORECASE)

# Elements whose content is no markup (raw text and RCDATA), with what ends them.
_RAW_END = {
    name: re.compile(rf"</(?P<name>{name})(?=[ \t\n\r\f/>])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "iframe", "noembed", "noframes", "xmp")
}
# In SVG it is markup: one that never ends must not be looked for again from each of them.
_FOREIGN_STYLE_END = re.compile(r"</?(?P<name>style)(?=[ \t\n\f\r/>])", re.IGNORECASE)
_FOREIGN = frozenset({"svg", "math"})
# What stands within is shown by some readers only, or is parsed by rules of its own.
_APART = _FOREIGN | {"noscript", "template"}
_CSS_TYPES = frozenset({"", "text/css"})
_FOR_ALL = frozenset({"", "all"})
# The words of inliners for "leave this sheet where it is", and what makes a sheet count for some readers only.
_LEFT_ALONE = frozenset({"data-css-inline", "data-embed", "data-premailer", "scoped", "title"})


_ASKED_FOR = _LEFT_ALONE | {"class", "id", "media", "style", "type"}


class Style(NamedTuple):
    """A style attribute: `html[start:end]` is all of it, `html[value_start:value_end]` its value within the quotes."""

    start: int
    end: int
    value_start: int
    value_end: int
    quote: str


class StartTag(NamedTuple):
    """A start tag: its name in lower case, where the name and the tag end, and what selectors ask for most.

    `is_apart`: not every reader sees it, or not in this place. `styles`: its style attributes; the first one counts.
    """

    name: str
    name_end: int
    end: int
    classes: tuple[str, ...]
    id: str
    styles: tuple[Style, ...]
    is_apart: bool


class StyleElement(NamedTuple):
    """A `<style>` element: `html[start:end]`, with its sheet at `html[css_start:css_end]`.

    `is_for_all`: it counts for every reader, so that its rules may move.
    """

    start: int
    css_start: int
    css_end: int
    end: int
    is_for_all: bool


class Scan:
    """All start tags and style sheets of HTML, in their order, and the comments as pairs of offsets."""

    def __init__(self, html: str) -> None:
        """Go through `html` once.

        Raises:
            BeyondLimitError: it is larger than any mail: what is kept of each tag is a hundred times as large as `<p>`.
        """
        if len(html) > MOST_CHARACTERS:
            raise BeyondLimitError(f"it is longer than {MOST_CHARACTERS // 2**20} MB")
        self.html = html
        self.tags: list[StartTag] = []
        self.style_elements: list[StyleElement] = []
        self.comments: list[tuple[int, int]] = []
        self._scan(0, len(html), is_apart=False)

    def _scan(self, position: int, stop: int, *, is_apart: bool) -> None:
        depths = dict.fromkeys(_APART, 0)
        conditions = 0
        while found := _MARKUP.search(self.html, position, stop):
            name = (found["name"] or "").lower()
            is_foreign = any(depths[one] for one in _FOREIGN)
            if not name:
                position = self._unseen(found, stop, is_apart=is_apart, is_foreign=is_foreign)
                conditions = self._conditions(conditions, found.start(), position)
                continue
            tag = self._read_tag(found, stop)
            if not tag:
                return
            position = tag.end
            if found["close"]:
                if depths.get(name):
                    depths[name] -= 1
                continue
            if name in depths and not (tag.is_closed and name in _FOREIGN):
                depths[name] += 1
            is_within = is_apart or any(depths.values())
            self._start_tag(tag, is_apart=is_within)
            if name == "style":
                position = self._style_element(
                    tag, stop, is_for_all=not (is_within or conditions), is_foreign=is_foreign
                )
            elif name in _RAW_END and not is_foreign:
                ending = _RAW_END[name].search(self.html, position, stop)
                position = ending.start() if ending else stop
            elif name == "plaintext":
                return

    def _unseen(self, found: re.Match[str], stop: int, *, is_apart: bool, is_foreign: bool) -> int:
        """Skip a comment or declaration; the content of a conditional comment is scanned."""
        start = found.start()
        if not found["comment"]:
            closer = "]]>" if is_foreign and self.html.startswith("<![CDATA[", start) else ">"
            end = self.html.find(closer, start, stop)
            return stop if end < 0 else end + len(closer)
        end, content_end = self._comment(start, stop)
        if not is_apart:
            self.comments.append((start, end))
            if len(self.comments) > MOST_TAGS:
                raise BeyondLimitError(f"it has more than {MOST_TAGS:,} tags")
            if _CONDITION.match(self.html, start):
                self._scan(start + 4, content_end, is_apart=True)
        return end

    def _comment(self, start: int, stop: int) -> tuple[int, int]:
        """Where a comment ends, and where its content does."""
        # `<!-->` and `<!--->` are whole comments.
        if whole := _WHOLE_COMMENT.match(self.html, start, stop):
            return whole.end(), whole.start()
        ending = _COMMENT_END.search(self.html, start + 4, stop)
        return (ending.end(), ending.start()) if ending else (stop, stop)

    def _conditions(self, before: int, start: int, end: int) -> int:
        """How many conditions are open after a comment: one that does not end within it goes on to <![endif]>."""
        opened = 1 if _CONDITION.match(self.html, start) else 0
        closed = 1 if _CONDITION_END.search(self.html, start, end) else 0
        return max(before + opened - closed, 0)

    def _read_tag(self, found: re.Match[str], stop: int) -> "_Tag | None":
        """A tag with its attributes that count; None when the HTML ends before it does, so that it is none."""
        position = found.end()
        attributes = []
        while attribute := _ATTRIBUTE.match(self.html, position, stop):
            if attribute["name"].lower() in _ASKED_FOR:
                attributes.append(attribute)
            position = attribute.end()
        ending = _TAG_END.match(self.html, position, stop)
        return _Tag(found, attributes, ending.end(), "/" in ending.group()) if ending else None

    def _start_tag(self, tag: "_Tag", *, is_apart: bool) -> None:
        classes: tuple[str, ...] | None = None
        identity: str | None = None
        styles = []
        for attribute in tag.attributes:
            name = attribute["name"].lower()
            if name == "class" and classes is None:
                classes = tuple(_value(attribute).split())
            elif name == "id" and identity is None:
                identity = _value(attribute)
            elif name == "style":
                styles.append(_style(attribute))
            elif name == "data-css-inline":
                is_apart = True  # css-inline knows this word, and would leave the element out
        self.tags.append(
            StartTag(tag.name, tag.found.end(), tag.end, classes or (), identity or "", tuple(styles), is_apart)
        )
        if len(self.tags) > MOST_ELEMENTS:
            raise BeyondLimitError(f"it has more than {MOST_ELEMENTS:,} elements")

    def _style_element(self, tag: "_Tag", stop: int, *, is_for_all: bool, is_foreign: bool) -> int:
        """Record a style sheet; markup continues after it, or within it where it is not raw text."""
        found = (_FOREIGN_STYLE_END if is_foreign else _RAW_END["style"]).search(self.html, tag.end, stop)
        ending = self._read_tag(found, stop) if found else None
        css_end = found.start() if found else stop
        says = {attribute["name"].lower(): _value(attribute) for attribute in reversed(tag.attributes)}
        if says.get("type", "").lower() in _CSS_TYPES:
            is_for_all &= says.get("media", "").strip().lower() in _FOR_ALL and _LEFT_ALONE.isdisjoint(says)
            self.style_elements.append(
                StyleElement(
                    tag.found.start(), tag.end, css_end, ending.end if ending else stop, is_for_all and bool(ending)
                )
            )
        return tag.end if is_foreign else css_end


class _Tag(NamedTuple):
    """A tag as it is read, with the attributes that somebody asks for; `is_closed`: it ends with `/>`."""

    found: re.Match[str]
    attributes: list[re.Match[str]]
    end: int
    is_closed: bool

    @property
    def name(self) -> str:
        return self.found["name"].lower()


def _value(attribute: re.Match[str]) -> str:
    return decode(attribute["double"] or attribute["single"] or attribute["bare"] or "")


def _style(attribute: re.Match[str]) -> Style:
    start = attribute.start("name")
    for group, quote in (("double", '"'), ("single", "'"), ("bare", "")):
        if attribute[group] is not None:
            return Style(start, attribute.end(), *attribute.span(group), quote)
    return Style(start, attribute.end(), attribute.end(), attribute.end(), "")
