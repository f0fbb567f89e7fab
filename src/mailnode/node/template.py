"""Settings with `{{ expressions }}` in them, cut into literal text and JavaScript.

The scanner knows as much JavaScript as it takes to find where an expression ends: strings, template literals, regular
expressions, comments and brackets. It evaluates nothing. Its time is linear in the text.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from mailnode.errors import ExpressionError
from mailnode.printable import MOST_SHOWN, MOST_SHOWN_LONG, shortened

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+ | /\*.*?\*/ | //(?:(?!\}\})[^\n\r\u2028\u2029])*)
    | (?P<string>"(?:[^"\\\n\r]|\\.)*" | '(?:[^'\\\n\r]|\\.)*')
    | (?P<number>\.?[0-9][\w.]*)
    | (?P<word>[\w$]+)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<tick>`)
    | (?P<update>\+\+|--)
    | (?P<unclosed>["'] | /\*)
    | (?P<slash>/)
    | (?P<operator>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_REGEX = re.compile(r"/(?:[^/\\\[\n\r]|\\.|\[(?:[^\]\\\n\r]|\\.)*\])+/\w*")
_QUASI = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(?P<end>`|\$\{)", re.DOTALL)
_CLOSER_OF = {"(": ")", "[": "]", "{": "}"}

# After these words a slash begins a regular expression; after any other it divides.
_OPERATOR_WORDS = frozenset(
    {"await", "case", "delete", "do", "else", "in", "instanceof"}
    | {"new", "of", "return", "throw", "typeof", "void", "yield"}
)

# JavaScript's white space is not Python's \s, so only the part that both agree on; the rest takes the engine's way.
_PATH = re.compile(r"[ \t\r\n\u00a0]*((?:input|context)(?:\.[A-Za-z_$][\w$]*)*)[ \t\r\n\u00a0]*", re.ASCII)

# Nothing of JavaScript begins so.
_BLOCK_TAG = re.compile(r"\s*(?:[#^>]\s*|(?=else\b))(?P<word>\w*)")
_BLANKS = " \t\r\n"
_UNCLOSED_HINT = 'close it with }}; for literal braces write {{ "{{" }}'


@dataclass(frozen=True)
class Expression:
    """One JavaScript expression; `raw` when it stood in `{{{ }}}`.

    `shown` is how errors name it where it stood in no braces.
    """

    source: str
    raw: bool = False
    shown: str = ""

    @cached_property
    def path(self) -> tuple[str, ...] | None:
        """The steps of a plain path, `("input", "order", "id")`; None for any other expression."""
        plain = _PATH.fullmatch(self.source)
        return tuple(plain[1].split(".")) if plain else None

    def __str__(self) -> str:
        """Show it as the author wrote it, on one line and shortened."""
        if self.shown:
            return shortened(" ".join(self.shown.split()), MOST_SHOWN_LONG)
        source = shortened(" ".join(self.source.split()))
        return f"{{{{{{ {source} }}}}}}" if self.raw else f"{{{{ {source} }}}}"


@dataclass(frozen=True)
class Template:
    """A setting's text as literal strings and expressions, in their order; no two strings are neighbours."""

    parts: tuple[str | Expression, ...]

    @property
    def source(self) -> str:
        """The text as its author wrote it."""
        return "".join(part if isinstance(part, str) else f"{{{{{part.source}}}}}" for part in self.parts)

    @cached_property
    def expressions(self) -> tuple[Expression, ...]:
        """The expressions alone."""
        return tuple(part for part in self.parts if isinstance(part, Expression))

    @cached_property
    def literal(self) -> str | None:
        """The text, where there is no expression in it."""
        return None if self.expressions else "".join(part for part in self.parts if isinstance(part, str))

    @cached_property
    def literal_line(self) -> str | None:
        """The same for a place on one line, such as a header field."""
        return None if self.literal is None else without_line_ends(self.literal)

    def filled(self, texts: Iterable[str], *, control_ok: bool = True) -> str:
        """Give the text with those of its expressions' values, in their order.

        Where no control character may stand, line ends at its ends are taken away, and so are blanks where one value is
        all of the text.
        """
        given = iter(texts)
        pieces = [part if isinstance(part, str) else next(given) for part in self.parts]
        text = "".join(pieces)
        if control_ok:
            return text
        bare = [part for part in self.parts if isinstance(part, Expression) or part.strip()]
        is_value = len(bare) == 1 and isinstance(bare[0], Expression)
        return text.strip() if is_value else without_line_ends(text)

    @property
    def single(self) -> Expression | None:
        """The expression, when it is one and nothing else stands beside it, not even a blank."""
        match self.parts:
            case (Expression() as expression,):
                return expression
        return None


def without_line_ends(text: str) -> str:
    """Remove line ends and tabs at both ends, and the spaces outside them."""
    bare = text.rstrip(_BLANKS)
    text = bare + _inner(text[len(bare) :])
    bare = text.lstrip(_BLANKS)
    return _inner(text[: len(text) - len(bare)][::-1])[::-1] + bare


def _inner(blanks: str) -> str:
    """Give the spaces before the first line end or tab."""
    return blanks[: len(blanks) - len(blanks.lstrip(" "))]


def has_braces(text: str) -> bool:
    """Whether the text would be taken for a template, for settings that allow no expression."""
    return "{{" in text


def parse_template(text: str) -> Template:
    """Parse a setting's text into literal text and `{{ expressions }}`.

    A line comment ends with its line or its expression, so `{{ a // why }}` is whole. `{{{` is an error, as only HTML
    content has raw values; an object literal takes a blank, `{{ {a: 1}.a }}`.

    Raises:
        ExpressionError: an expression is empty, not closed, or its brackets do not pair.
    """
    parts: list[str | Expression] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        if text.startswith("{{{", start):
            raise ExpressionError(
                f"{{{{{{ }}}}}} is for HTML content only: {_excerpt(text, start)}",
                hint="write {{ }}; put a space before an object literal, {{ {a: 1}.a }}",
            )
        end = expression_end(text, start + 2)
        if start > position:
            parts.append(text[position:start])
        parts.append(make_expression(text[start + 2 : end]))
        position = end + 2
    if position < len(text):
        parts.append(text[position:])
    return Template(tuple(parts))


def make_expression(source: str, *, raw: bool = False) -> Expression:
    """Make an expression of the text between the braces.

    Raises:
        ExpressionError: it is blank, or a tag of another template language.
    """
    if block := _BLOCK_TAG.match(source):
        raise ExpressionError(
            f"{Expression(source)} is a tag of another template language, not JavaScript",
            hint=_block_hint(block["word"]),
        )
    if not source.strip():
        braces = "{{{ }}}" if raw else "{{ }}"
        raise ExpressionError(
            f"{braces} is empty",
            hint='name a value, such as {{ input.name }}; for literal braces write {{ "{{" }}',
        )
    return Expression(source, raw)


def _block_hint(word: str) -> str:
    if word in {"each", "for", "foreach"}:
        return (
            'write <li data-each="item of input.items">{{ item.name }}</li> in content; '
            "elsewhere {{ input.items.map(item => item.name) }}"
        )
    if word in {"if", "unless", "else"}:
        return 'write <p data-if="input.vip"> in content, or choose a value: {{ input.vip ? "Dear friend" : "Hello" }}'
    return "write JavaScript between the braces, such as {{ input.name }}"


def expression_end(text: str, start: int, closer: str = "}}") -> int:
    """Find where the expression that begins at `start` ends: the position of its `closer`.

    Raises:
        ExpressionError: it has no end, or its brackets do not pair.
    """
    return _Scanner(text, start).run(closer)


class _Scanner:
    """Reads the tokens of one expression."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = start
        self._position = start
        self._awaited: list[str] = []  # closing brackets; "`" is the brace that leads back into a template literal
        self._after_value = False  # whether a slash would divide
        self._after_dot = False

    def run(self, closer: str) -> int:
        while self._position < len(self._text):
            if not self._awaited and self._text.startswith(closer, self._position):
                return self._position
            self._take()
        raise self._unclosed("the expression")

    def _take(self) -> None:
        token = _TOKEN.match(self._text, self._position)
        assert token, "any character is a token"
        self._position = token.end()
        lexeme = token.group()
        match token.lastgroup:
            case "blank":
                return
            case "string" | "number":
                self._after_value = True
            case "word":
                self._after_value = self._after_dot or lexeme not in _OPERATOR_WORDS
            case "open":
                self._awaited.append(_CLOSER_OF[lexeme])
                self._after_value = False
            case "close":
                self._close(lexeme)
            case "tick":
                self._take_quasi()
            case "slash":
                self._take_slash()
            case "operator":
                self._after_value = False
            case "unclosed":
                raise self._unclosed("a comment" if lexeme == "/*" else "a string")
            case _:  # ++ and -- stand before an operand or after one, and leave a slash what it was
                pass
        self._after_dot = lexeme == "."

    def _close(self, bracket: str) -> None:
        awaited = self._awaited.pop() if self._awaited else ""
        if awaited == "`" and bracket == "}":
            self._take_quasi()
        elif awaited == bracket:
            self._after_value = True
        elif awaited:
            raise self._error(f"found {bracket} where {'}' if awaited == '`' else awaited} was expected")
        else:
            raise self._error(f"unmatched {bracket}")

    def _take_quasi(self) -> None:
        """Go through the text of a template literal, to its end or to its next `${`."""
        quasi = _QUASI.match(self._text, self._position)
        if quasi is None:
            raise self._unclosed("a template literal")
        self._position = quasi.end()
        self._after_value = quasi["end"] == "`"
        if not self._after_value:
            self._awaited.append("`")

    def _take_slash(self) -> None:
        if self._after_value:
            self._after_value = False
            return
        regex = _REGEX.match(self._text, self._position - 1)
        if regex is None:
            # Without braces behind it the slash is that of the text, such as `</p>`.
            raise self._unclosed("a regular expression" if "}}" in self._text[self._position :] else "the expression")
        self._position = regex.end()
        self._after_value = True

    def _error(self, what: str) -> ExpressionError:
        return ExpressionError(f"{what}: {_excerpt(self._text, self._start)}", hint=_UNCLOSED_HINT)

    def _unclosed(self, what: str) -> ExpressionError:
        return self._error(f"{what} is not closed")


def _excerpt(text: str, start: int) -> str:
    return shortened(" ".join(text[max(0, start - 2) : start + 2 * MOST_SHOWN].split()))
