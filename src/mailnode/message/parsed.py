"""Messages of other programs, parsed by the standard library within limits of time.

Its reader of parameters (RFC 2045 5.1) copies what is left of a field for each of them, and takes seconds for 50 kB.
It is asked while a message is still being read, so the bound stands in what it is given.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import collapse_rfc2231_value
from typing import Any

from mailnode.message.encoding import is_other_codec

# A file name of 255 characters has at most 60 pieces of 78 characters (RFC 2231 3).
MAX_PARAMETERS = 100
MAX_CHARACTERS = 8_000

_WORD = re.compile(r"=\?[^?]*\?[bq]\?", re.IGNORECASE)
_WITH_PARAMETERS = frozenset({"content-type", "content-disposition"})


class ParsedMessage(Message):
    """A message, or a part of one, whose parameters are read only where they are few, short and well formed.

    The fields themselves stay as they came: `items()`, and what is written again, hold all of them.
    """

    def get(self, name: str, failobj: Any = None) -> Any:
        """Give a field, and one that has too many parameters, or too long ones, without any of them."""
        value = super().get(name, failobj)
        if value is failobj or name.lower() not in _WITH_PARAMETERS:
            return value
        text = str(value)
        if len(text) <= MAX_CHARACTERS and text.count(";") <= MAX_PARAMETERS:
            return value
        return text.partition(";")[0]

    def get_param(self, param: str, failobj: Any = None, header: str = "content-type", unquote: bool = True) -> Any:
        """Give a parameter; one whose number is too large, or whose charset is not one of email's, counts as absent."""
        try:
            value = super().get_param(param, failobj, header, unquote)
        except ValueError:
            return failobj
        if isinstance(value, tuple) and is_other_codec(value[0] or ""):
            return failobj
        if param != "charset" or value is failobj:
            return value
        # The standard library decodes a body by a charset that it has not decoded (RFC 2231 4).
        charset = collapse_rfc2231_value(value)
        return failobj if is_other_codec(charset) else charset


def parse(data: bytes, *, header_only: bool = False) -> "Message[str, str]":
    """Read a message or body part.

    Raises:
        RecursionError: it is nested too deeply, and more than its header is read.
    """
    return BytesParser(ParsedMessage, policy=compat32).parsebytes(data, headersonly=header_only)


def readable(value: str) -> str:
    """Give the value of a header field as a person reads it: unfolded, and decoded as far as it can be (RFC 2047)."""
    value = " ".join(value.split())
    shown, at = [], 0
    for begin, end in _runs(value):
        shown += [value[at:begin], _decoded(value[begin:end])]
        at = end
    return "".join([*shown, value[at:]])


def _runs(value: str) -> Iterator[tuple[int, int]]:
    """Give where encoded words stand, those together that have nothing but a blank between them (RFC 2047 6.2).

    The standard library looks for their ends from each beginning anew, and takes minutes for a field of a megabyte; and
    what stands beside them comes out of it as it is in Python's own strings.
    """
    begin = end = 0
    while (head := _WORD.search(value, end)) and (close := value.find("?=", head.end())) >= 0:
        if not end or value[end : head.start()].strip():
            if end:
                yield begin, end
            begin = head.start()
        end = close + 2
    if end:
        yield begin, end


def _decoded(words: str) -> str:
    if words.isascii():
        with suppress(HeaderParseError, LookupError, ValueError):
            found = [(octets, charset or "") for octets, charset in decode_header(words)]
            if not any(is_other_codec(charset) for _, charset in found):
                return "".join([octets.decode(charset) for octets, charset in found])
    return words
