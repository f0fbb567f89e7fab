"""The lexical tokens of address lists (RFC 5322 3.2), found in one pass over the text."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mailnode.errors import MailboxError
from mailnode.printable import quoted

MAX_COMMENT_DEPTH = 10
QUOTE_HINT = 'put a name with special characters in double quotes: "Foo [Bar]" <foo@example.org>'

# Blanks of any script are blanks: those of web pages (U+00A0) and of Japanese keyboards (U+3000) get into lists. So do
# the quotes that word processors set.
_TOKEN = re.compile(
    r"""(?P<blank>\s+)|(?P<literal>\[[^\[\]\\]*\])
      |(?P<quoted>"(?:[^"\\]|\\.)*"|\u201c[^\u201c-\u201e]*\u201d|\u201e[^\u201c-\u201e]*[\u201c\u201d])
      |(?P<atom>[^\s()<>\[\]:;@\\,"]+)|(?P<special>.)""",
    re.VERBOSE | re.DOTALL,
)

_LINE_END = re.compile(r"[\r\n]")


class Token(NamedTuple):
    """A piece of the text and what it is; an atom of ours may hold dots."""

    kind: str
    text: str


def tokenize(text: str) -> Iterator[Token]:
    """Cut a text into blanks, comments, quoted strings, literals, atoms and specials, then `end`.

    Raises:
        MailboxError: one of them is not closed, or comments are nested too deeply.
    """
    position = 0
    while position < len(text):
        if text[position] == "(":
            end = _comment_end(text, position)
            yield Token("comment", text[position:end])
            position = end
            continue
        found = _TOKEN.match(text, position)
        assert found
        assert found.lastgroup
        if found.lastgroup == "special" and found[0] in '"[]\\)':
            raise MailboxError(
                f"a {found[0]} stands alone at character {position + 1} of {quoted(text)}", hint=QUOTE_HINT
            )
        position = found.end()
        yield Token(found.lastgroup, found[0])
    yield Token("end", "")


def cut_at_line_ends(tokens: Iterable[Token]) -> Iterator[Token]:
    """Put a comma in the place of each line end; one that folds a name from its address in < > stays a blank."""
    has_address = False
    following = list(tokens)
    for token, after in zip(following, [*following[1:], following[-1]], strict=True):
        if token.kind == "blank" and _LINE_END.search(token.text):
            is_fold = not has_address and after.text == "<" and token.text[-1] in " \t"
            token = token if is_fold else Token("special", ",")  # noqa: PLW2901 -- it is this one in its other meaning
        has_address = (has_address or token.text == "@") and token.text not in {",", ";", ":"}
        yield token


def comment_text(comment: str) -> str:
    """Give what a comment says, on one line."""
    return " ".join(re.sub(r"\\(.)", r"\1", comment[1:-1], flags=re.DOTALL).split())


def _comment_end(text: str, start: int) -> int:
    depth, position = 0, start
    while position < len(text):
        match text[position]:
            case "(":
                depth += 1
            case ")":
                depth -= 1
            case "\\":
                position += 1
        position += 1
        if depth == 0:
            return position
        if depth > MAX_COMMENT_DEPTH:
            raise MailboxError(f"comments are nested too deeply in {quoted(text)}", hint="leave the comments out")
    raise MailboxError(
        f"the ( at character {start + 1} of {quoted(text)} is not closed",
        hint="close it with ), or put the name in double quotes",
    )
