"""MJML compiled to HTML that still holds its author's expressions, directives and HTML.

The compiler sees elements of MJML alone: each expression, and whatever stands in an element such as `<mj-text>`, is a
token while it works, and comes back as it was written. Directives (`data-each` and the like) it would drop: a class
leads to the element that was made, which gets them.
"""

from functools import lru_cache

from mailnode.errors import ErrorCode, SettingsError, install_hint
from mailnode.node.mjml.carry import Compilation
from mailnode.node.mjml.reader import MjmlSource, is_mjml, read_mjml

__all__ = ["compile_mjml", "is_mjml"]

# Compiled once for all its mails; what is longer is kept by whoever asked for it.
_LONGEST_REMEMBERED = 200_000


def compile_mjml(text: str) -> str:
    """Compile MJML to HTML.

    Raises:
        ExpressionError: `badMjml`, with the line, where it is no MJML, or something in it can't be carried into HTML;
            as `parse_html` for an expression.
        SettingsError: the compiler, the extra `mjml`, is not installed.
    """
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _compiled(text)


def _compiled(text: str) -> str:
    try:
        from mjml import mjml2html
    except ImportError:
        raise SettingsError(
            "MJML needs a library that is not installed", code=ErrorCode.BAD_MJML, hint=install_hint("mjml")
        ) from None
    source = MjmlSource(text)
    compilation = Compilation(source, read_mjml(source))
    try:
        html = mjml2html(compilation.for_compiler())
    except ValueError as error:
        raise source.error(
            0, f"it can't be compiled: {error}", "compare it with the elements in docs/layouts.md"
        ) from None
    return compilation.finished(html)


_remembered = lru_cache(maxsize=32)(_compiled)
