"""The tags of one or a few names in HTML, with the places of their attributes, in one pass over the text."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from mailnode.message.markup import decode
from mailnode.node.markup import ATTRIBUTE

_RAW_TEXT = ("script", "style", "textarea", "title")
_RAW_TEXT_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _RAW_TEXT}


@dataclass(frozen=True, slots=True)
class FoundTag:
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


def find_tags(html: str, *names: str) -> Iterator[FoundTag]:
    """Find the start tags of these names, but for those in comments and in what is no markup."""
    opening, position = _opening(names), 0
    while found := opening.search(html, position):
        if found["name"]:
            position, places = _attributes(html, found.end())
            yield FoundTag(html, found["name"].lower(), places)
        elif found["raw"]:
            end = _RAW_TEXT_END[found["raw"].lower()].search(html, found.end())
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
    wanted, raw = map(_in_any_case, (names, [name for name in _RAW_TEXT if name not in names]))
    return re.compile(rf"<(?:!--|(?:(?P<name>{wanted})|(?P<raw>{raw}))(?=[\s/>]))")


def _in_any_case(names: Iterable[str]) -> str:
    return "|".join("".join(f"[{letter}{letter.upper()}]" for letter in name) for name in names)
