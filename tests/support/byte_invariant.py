"""Proof that HTML left as its author wrote it, but for style attributes that were filled and rules that were cut.

It knows nothing of how mailnode inlines: the author's HTML is cut into tokens, and what left is held against them one
by one.
"""

import re
from collections import Counter
from functools import lru_cache
from html import unescape
from typing import NamedTuple

import tinycss2

_RAW = "script|style|title|textarea|iframe|noembed|noframes|xmp"
# White space as HTML has it.
_S = r" \t\n\r\f"
_VALUE = rf"""(?:"[^"]*"|'[^']*'|[^{_S}>"'][^{_S}>]*+)"""
_NAME = rf"[^{_S}/>][^{_S}/>=]*+"
_ATTRIBUTE = rf"[{_S}/]*+{_NAME}(?:[{_S}]*+=[{_S}]*+(?:{_VALUE}|(?=>)))?"
_TOKEN = re.compile(
    rf"<!--(?:>|->|.*?(?:--!?>|\Z))|<[!?/][^>]*>?"
    rf"|<(?P<name>[A-Za-z][^{_S}/>]*)(?P<attributes>(?:{_ATTRIBUTE})*+[{_S}/]*+)(?:>|\Z)|<",
    re.DOTALL,
)
_ONE = re.compile(rf"([{_S}/]*+)({_NAME})(?:([{_S}]*+=[{_S}]*+)({_VALUE})?)?")
_RAW_END = {name: re.compile(rf"</{name}(?=[{_S}/>])|\Z", re.IGNORECASE) for name in _RAW.split("|")}
_MARKS = ("<!--", "-->")
_END_TAG = re.compile(r"</style[^>]*>", re.IGNORECASE)


class Changes(NamedTuple):
    """What was done to the author's HTML: the text put into each style attribute in turn, and the rules cut."""

    filled: list[str]
    cut: list[str]


class Token(NamedTuple):
    """A piece of HTML; `name` only of a start tag, `raw` what stands in it when that is no markup."""

    source: str
    name: str = ""
    raw: str = ""


class _Differs(AssertionError):
    pass


def changes(author: str, left: str) -> Changes:
    """Tell how what left differs from what its author wrote.

    Raises:
        AssertionError: by more than filled style attributes and cut rules, or a rule was cut and stands nowhere else.
    """
    found = _Alignment(_tokens(author), left).changes()
    _moved(*found)
    return found


def _tokens(html: str) -> list[Token]:
    tokens, position = [], 0
    while found := _TOKEN.search(html, position):
        if found.start() > position:
            tokens.append(Token(html[position : found.start()]))
        position = found.end()
        name, raw = (found["name"] or "").lower(), ""
        if name in _RAW_END:
            end = _RAW_END[name].search(html, position)
            assert end
            raw, position = html[position : end.start()], end.start()
        elif name == "plaintext":
            raw, position = html[position:], len(html)
        tokens.append(Token(found.group(), name, raw))
    return [*tokens, Token(html[position:])]


class _Alignment:
    """The author's tokens held against what left; of a sheet that may be kept or gone both are tried."""

    def __init__(self, tokens: list[Token], left: str) -> None:
        self._tokens = tokens
        self._left = left
        self._number, self._at = 0, 0
        self._filled: list[str] = []
        self._cut: list[str] = []
        self._choices: list[tuple[int, int, int, int]] = []

    def changes(self) -> Changes:
        is_gone = False
        while True:
            try:
                while self._number < len(self._tokens):
                    self._step(is_gone=is_gone)
                    is_gone = False
                self._end()
            except _Differs:
                if not self._choices:
                    raise
                self._number, self._at, filled, cut = self._choices.pop()
                del self._filled[filled:], self._cut[cut:]
                is_gone = True
            else:
                return Changes(self._filled, self._cut)

    def _end(self) -> None:
        if self._left[self._at :]:
            raise _Differs(f"at the end stands {self._left[self._at : self._at + 200]!r}")

    def _step(self, *, is_gone: bool) -> None:
        token = self._tokens[self._number]
        is_same = self._left.startswith(token.source, self._at)
        if token.name == "style" and (is_gone or not is_same):
            self._leave_out(token)
        elif token.name == "style":
            self._choices.append((self._number, self._at, len(self._filled), len(self._cut)))
            begin = self._at + len(token.source)
            end = _RAW_END["style"].search(self._left, begin)
            assert end
            self._cut += _missing_rules(token.raw, self._left[begin : end.start()])
            self._at = end.start()
        else:
            self._pass(token, is_same=is_same)
        self._number += 1

    def _leave_out(self, token: Token) -> None:
        """Pass a sheet that is gone with all it had."""
        gone = _missing_rules(token.raw, "")
        following = self._tokens[self._number + 1].source if self._number + 1 < len(self._tokens) else ""
        if not gone or not _END_TAG.fullmatch(following):
            raise _Differs(f"{token.source!r} became {self._left[self._at : self._at + 200]!r}")
        self._cut += gone
        self._number += 1

    def _pass(self, token: Token, *, is_same: bool) -> None:
        if is_same:
            self._at += len(token.source)
        elif token.name:
            added, self._at = _filled(token, self._left, self._at)
            self._filled.append(added)
        else:
            raise _Differs(f"{token.source[:200]!r} became {self._left[self._at : self._at + 200]!r}")
        if not self._left.startswith(token.raw, self._at):
            raise _Differs(f"in <{token.name}> {token.raw[:200]!r} became {self._left[self._at : self._at + 200]!r}")
        self._at += len(token.raw)


def _filled(token: Token, left: str, at: int) -> tuple[str, int]:
    """What was put into the style attribute of a start tag, and where that tag ends."""
    became = _TOKEN.match(left, at)
    if not became or (became["name"] or "").lower() != token.name:
        raise _Differs(f"{token.source[:200]!r} became {left[at : at + 200]!r}")
    ours = _TOKEN.match(token.source)
    assert ours
    old, new = _ONE.findall(ours["attributes"]), _ONE.findall(became["attributes"])
    was = next((index for index, one in enumerate(old) if one[1].lower() == "style"), None)
    is_now = next((index for index, one in enumerate(new) if one[1].lower() == "style"), None)
    words = f"{token.source[:300]!r} became {became.group()[:300]!r}"
    if is_now is None:
        raise _Differs(words)
    value = _bare(new[is_now][3])
    if was is None:
        rest = new[:is_now] + new[is_now + 1 :]
        before = ""
    else:
        rest = [*new[:is_now], old[was], *new[is_now + 1 :]]
        before = _bare(old[was][3])
        if before and old[was][3] == before:
            # Without quotes it could hold what the quotes that it has now can't.
            value, before = unescape(value), unescape(before)
        if not value.endswith(before) or new[is_now][:2] != old[was][:2]:
            raise _Differs(words)
    if rest != old or _outside(token.source, old) != _outside(became.group(), new):
        raise _Differs(words)
    return unescape(value.removesuffix(before) if before else value), became.end()


def _outside(source: str, attributes: list[tuple[str, ...]]) -> tuple[str, str]:
    """The beginning and the end of a tag, without its attributes."""
    name = re.match(rf"<[^{_S}/>]*", source)
    assert name
    length = sum(len(piece) for one in attributes for piece in one)
    return name.group(), source[name.end() + length :]


def _bare(value: str) -> str:
    return value[1:-1] if value[:1] in {'"', "'"} and value[:1] == value[-1:] else value


def _missing_rules(author: str, left: str) -> list[str]:
    """The rules of a sheet that are no longer there; what is left must be the rest, byte for byte but for space."""
    rules = _top_level(author)
    rest = [source for source, _ in _top_level(left)]
    gone: list[str] = []
    here = 0
    for source, kind in rules:
        if here < len(rest) and source == rest[here]:
            here += 1
        elif kind == "qualified-rule":
            gone.append(source)
        else:
            raise _Differs(f"{source[:200]!r} was taken out of a sheet")
    if here < len(rest):
        raise _Differs(f"{rest[here][:200]!r} was not in the sheet, or not in this place")
    return gone


@lru_cache(maxsize=1024)
def _top_level(css: str) -> list[tuple[str, str]]:
    """The rules, comments and else of a sheet: their source, without the white space around it, and what they are."""
    starts = [0, *(found.end() for found in re.finditer(r"\r\n|[\n\r\f]", css))]
    nodes = tinycss2.parse_component_value_list(css, skip_comments=False)
    offsets = [starts[node.source_line - 1] + node.source_column - 1 for node in nodes] + [len(css)]
    found: list[tuple[str, str]] = []
    kind, begin = "", 0
    for node, offset, end in zip(nodes, offsets, offsets[1:], strict=False):
        if not kind:
            if node.type == "whitespace":
                continue
            begin = offset
            kind = "at-rule" if node.type == "at-keyword" else "qualified-rule"
            if node.type == "comment" or node in _MARKS:
                kind = "comment"
        if kind == "comment" or node.type == "{} block" or (kind == "at-rule" and node == ";"):
            found.append((css[begin:end].strip(), kind))
            kind = ""
    return [*found, (css[begin:].strip(), "broken off")] if kind else found


def _moved(filled: list[str], cut: list[str]) -> None:
    """Each declaration of a rule that was cut stands in some style attribute."""
    there = Counter(name for added in filled for name in _declarations(added))
    for rule in cut:
        node = tinycss2.parse_one_rule(rule, skip_comments=True)
        declarations = _declarations(tinycss2.serialize(node.content))
        missing = [one for one in declarations if one not in there]
        if missing:
            raise _Differs(f"{rule!r} was cut, and {missing[0]} stands in no style attribute")


@lru_cache(maxsize=4096)
def _declarations(css: str) -> list[tuple[str, str, bool]]:
    nodes = tinycss2.parse_blocks_contents(css, skip_comments=True, skip_whitespace=True)
    return [
        (node.lower_name, tinycss2.serialize(node.value).strip(), node.important)
        for node in nodes
        if node.type == "declaration"
    ]
