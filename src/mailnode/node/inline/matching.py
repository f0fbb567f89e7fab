"""Whom each selector means, found by css-inline on a copy of the document whose start tags bear numbers."""

import re
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from mailnode.node.inline.tags import Scan, StartTag
from mailnode.printable import LONE_SURROGATE

# The attribute that numbers a start tag: nobody can have written it.
_MARK = f"n{secrets.token_hex(8)}"
_TAG = re.compile(r'<([a-z][^\s/>]*)((?: =?[^\s>/=]+="[^"]*")*)>')
_NUMBER = re.compile(rf' {_MARK}="(\d+)"')
_STYLE = re.compile(r' style="([^"]*)"')
_PROBE = re.compile(r"--(\d+):")


class Matches(NamedTuple):
    """What each start tag was matched by, by its number: a set of probes; and what matched elsewhere too.

    A tag that is not in `by_tag` was dropped by the parser, or stands in the document more than once and not alike.
    `loose` are the probes that matched elements which nobody wrote, such as an implied body.
    """

    by_tag: dict[int, frozenset[int]]
    loose: frozenset[int]


class Matcher:
    """Finds out which elements selectors mean: `probes`, which are told by their numbers."""

    def __init__(self, probes: Sequence[str]) -> None:
        """Take selectors that css-inline can match."""
        from css_inline import CSSInliner

        css = "\n".join(f"{probe}{{--{number}:0}}" for number, probe in enumerate(probes))
        self._inliner = CSSInliner(
            inline_style_tags=False,
            keep_style_tags=True,
            keep_link_tags=True,
            load_remote_stylesheets=False,
            extra_css=css,
        )

    def match(self, copy: str, tags: Sequence[StartTag]) -> Matches:
        """Match a document, by its copy with marked tags.

        Raises:
            InlineError: css-inline could not.
        """
        found: dict[int, set[frozenset[int]]] = defaultdict(set)
        loose: set[int] = set()
        for tag in _TAG.finditer(self._inliner.inline(copy)):
            number = _NUMBER.search(tag[2])
            style = _STYLE.search(tag[2])
            probes = frozenset(map(int, _PROBE.findall(style[1]))) if style else frozenset()
            if number and tags[int(number[1])].name == tag[1]:
                found[int(number[1])].add(probes)
            else:
                loose |= probes
        by_tag = {one: next(iter(ways)) for one, ways in found.items() if len(ways) == 1}
        for one, ways in found.items():
            if one not in by_tag:
                loose.update(*ways)
        return Matches(by_tag, frozenset(loose))


def marked_copy(scan: Scan) -> str:
    """Give a document without comments and style attributes, each start tag that everybody sees with its number."""
    edits = [(start, end, "<!---->") for start, end in scan.comments]
    for number, tag in enumerate(scan.tags):
        if tag.is_apart:
            continue
        edits.append((tag.name_end, tag.name_end, f' {_MARK}="{number}"'))
        edits += ((style.start, style.start + len("style"), f"{_MARK}s") for style in tag.styles)
    pieces: list[str] = []
    position = 0
    for start, end, text in sorted(edits):
        pieces += scan.html[position:start], text
        position = end
    return LONE_SURROGATE.sub("\ufffd", "".join([*pieces, scan.html[position:]]))
