"""Errors as sentences for pages and answers; the command line says them in lower case, behind its name."""

import re

# A name that is written small, a URL, and what may be a key of a setting (`smtp.host`, `tlsOption`) stay as they are.
_WORD = re.compile(r"(?!mailnode\b|localhost\b)[a-z]+(?:['-][a-z]+)*(?=[\s,;]|:(?!//)|$)")
# What may be copied (an address, an expression, a path) gets no full stop: it would be taken for a part of it.
_PLAIN_END = re.compile(r"""(?:^|\s)["“(]*[\w'\u2019-]+[)\]"”'\u2019]*$""")


def sentence(text: str) -> str:
    """Give a text with a capital at its beginning and a full stop behind a plain word at its end."""
    text = capital(text)
    return f"{text}." if _PLAIN_END.search(text) else text


def capital(text: str) -> str:
    """Give a text with a capital at its beginning, if a plain word stands there."""
    return text[0].upper() + text[1:] if _WORD.match(text) else text
