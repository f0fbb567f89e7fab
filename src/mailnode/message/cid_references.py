"""Which Content-IDs HTML refers to (RFC 2392)."""

import re
from collections.abc import Iterator

from mailnode.message.markup import decode

_CID_URL = re.compile(r"(?<!\w)cid:", re.IGNORECASE)
_CID_GOES_ON = re.compile(r"[\w.@+-]")


class CidReferences:
    """The Content-IDs that HTML refers to; a look-up takes the same time however many there are."""

    def __init__(self, html: str) -> None:
        self._html = html and _decoded(html)
        self._places: list[int] | None = None
        self._by_length: dict[int, set[str]] = {}

    def __contains__(self, cid: str) -> bool:
        """Whether the HTML refers to this cid, and not to one that only begins so."""
        if not cid or not self._html:
            return False
        if len(cid) not in self._by_length:
            self._by_length[len(cid)] = set(self._of_length(len(cid)))
        return cid in self._by_length[len(cid)]

    def _of_length(self, length: int) -> Iterator[str]:
        if self._places is None:
            self._places = [found.end() for found in _CID_URL.finditer(self._html)]
        for start in self._places:
            if not _CID_GOES_ON.match(self._html, start + length):
                yield self._html[start : start + length]


def _decoded(html: str) -> str:
    """Undo what may hide a cid in an attribute: entities, and the percent signs of a URL (RFC 2392 2)."""
    from urllib.parse import unquote

    return unquote(decode(html))
