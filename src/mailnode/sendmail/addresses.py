"""Addresses in header fields (RFC 5322 3.4), and where they stand: lists, groups, names, comments, quoted strings."""

import re
from itertools import pairwise

# In this order: a quoted string, a domain in brackets, one special character, a word.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|\[(?:[^\]\\]|\\.)*\]?|[<>,:;@.()]|[^\s<>,:;@.()"\[]+', re.DOTALL)
_IN_COMMENT = re.compile(r"\\.|[()]", re.DOTALL)
_ENDS = frozenset(",:;")


class Address:
    """An address, and its place in the text it was found in."""

    __slots__ = ("end", "is_qualified", "start", "text")

    def __init__(self, text: str, start: int, end: int, *, is_qualified: bool) -> None:
        """Keep it; `is_qualified` where it has a domain."""
        self.text, self.start, self.end, self.is_qualified = text, start, end, is_qualified


class _Entry:
    """One entry of a list, as its words come."""

    def __init__(self) -> None:
        self.words: list[tuple[str, int, int]] = []
        self.angle: list[tuple[str, int, int]] | None = None
        self.is_open = False

    def add(self, word: tuple[str, int, int]) -> None:
        if word[0] == "<" and self.angle is None:
            self.angle, self.is_open = [], True
        elif word[0] == ">":
            self.is_open = False
        elif self.is_open and self.angle is not None:
            if word[0] == ":":  # what came before is a route (RFC 5321 appendix C)
                self.angle.clear()
            else:
                self.angle.append(word)
        else:
            self.words.append(word)

    def address(self) -> Address | None:
        words = self.words if self.angle is None else self.angle
        if not words:
            return None
        text = words[0][0]
        for (before, _, end), (word, start, _) in pairwise(words):
            # Only around dots and the sign may blanks stand within an address.
            text += word if start == end or before in {".", "@"} or word in {".", "@"} else f" {word}"
        return Address(text, words[0][1], words[-1][2], is_qualified=any(word == "@" for word, _, _ in words))


def addresses_in(value: str) -> list[Address]:
    """Give the addresses of a field's value, without names, comments and the names of groups."""
    found, entry = list[Address](), _Entry()
    for word in _words(value):
        if word[0] in _ENDS and not entry.is_open:
            if word[0] != ":" and (address := entry.address()):
                found.append(address)
            entry = _Entry()
        else:
            entry.add(word)
    last = entry.address()
    return [*found, last] if last else found


def _words(value: str) -> list[tuple[str, int, int]]:
    """Give the words with their places, without comments, which may stand within one another."""
    words, at = list[tuple[str, int, int]](), 0
    while found := _TOKEN.search(value, at):
        at = found.end()
        if found[0] != "(":
            words.append((found[0], found.start(), at))
            continue
        depth = 1
        while depth and (within := _IN_COMMENT.search(value, at)):
            at = within.end()
            depth += (within[0] == "(") - (within[0] == ")")
        if depth:
            break  # it never ends
    return words
