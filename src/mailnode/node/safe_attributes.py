"""Values in the attributes of HTML: which of them would make code of a link, or more than a value of a style."""

import re
from collections.abc import Sequence

from mailnode.node.markup import decode_entities
from mailnode.printable import quoted_ascii

_URL_ATTRIBUTES = frozenset(
    {"href", "src", "xlink:href", "action", "formaction", "background", "poster", "srcset", "cite", "data", "longdesc"}
)
SCHEMES = frozenset({"http", "https", "mailto", "tel", "cid"})
_CODE_SCHEMES = frozenset({"javascript", "vbscript", "data"})

# What browsers drop within a URL (URL standard 4.4), and what nobody would see.
_UNSEEN = re.compile(r"[\0-\x20\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]+")
_SCHEME = re.compile(r"([^/?#:\\]*):")
_CSS_BEYOND_A_VALUE = re.compile(
    r"[;{}\\<@\n\r\f]|/\*|(?:url|src|image(?:-set)?|cross-fade|element|paint|expression)\s*\(", re.IGNORECASE
)
_CSS_STRING = re.compile(r"\"[^\"]*\"|'[^']*'")
# Attributes that are addresses only sometimes, and may then be code.
_AT_TIMES_URLS = frozenset(
    {("meta", "content"), ("param", "value")}
    | {(tag, name) for tag in ("animate", "set") for name in ("to", "from", "by", "values")}
)
_CODE_IN_PLACE = re.compile(r"(?:^|[;,=])(javascript|vbscript|data):", re.IGNORECASE)


def reason_to_empty(tag: str, name: str, literals: Sequence[str], values: Sequence[str], filled: str) -> str:
    """Say what is wrong with an attribute of literals, entities decoded, and values between them; "" if nothing is.

    `filled` is its value as it would be written.
    """
    if name in _URL_ATTRIBUTES:
        return _unsafe_url(tag, name, literals, values)
    if (tag, name) in _AT_TIMES_URLS:
        return _code_in(filled)
    if name == "style" and not all(map(_is_one_value, values)):
        return "more than one value of a style"
    return ""


def _is_one_value(css: str) -> bool:
    """Tell whether CSS stays within the value it is put into: a quote or bracket left open swallows what follows."""
    if _CSS_BEYOND_A_VALUE.search(css):
        return False
    bare = _CSS_STRING.sub("", css)
    depth = 0
    for character in bare:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0 and not set("\"'") & set(bare)


def _code_in(filled: str) -> str:
    """Why an attribute that is an address only sometimes can't have this value; empty when it can."""
    for seen in (decode_entities(filled), decode_entities(decode_entities(filled))):
        if found := _CODE_IN_PLACE.search(_UNSEEN.sub("", seen)):
            return f"the scheme {found[1].lower()!a}"
    return ""


def _unsafe_url(tag: str, name: str, literals: Sequence[str], values: Sequence[str]) -> str:
    """Why a URL made of literals and values between them can't be linked to; empty when it can."""
    url = literals[0] + "".join(value + literal for value, literal in zip(values, literals[1:], strict=True))
    if name == "srcset":
        return next(filter(None, (_unsafe_scheme(tag, name, part) for part in url.split(","))), "")
    written = _scheme(literals[0])
    # A scheme that the author wrote is the author's choice, unless the value would be code in it.
    if written is not None and written not in _CODE_SCHEMES:
        return ""
    return _unsafe_scheme(tag, name, url)


def _unsafe_scheme(tag: str, name: str, url: str) -> str:
    # A reader that decodes entities once too often must not find another scheme than we do.
    for seen in (url, decode_entities(url), decode_entities(decode_entities(url))):
        scheme = _scheme(seen)
        if scheme is None or scheme in SCHEMES:
            continue
        # Of what is framed or embedded an image is a document, which can be code.
        is_image = (tag, name) == ("img", "src")
        if not (is_image and _UNSEEN.sub("", seen).lower().startswith("data:image/")):
            return f"the scheme {quoted_ascii(scheme)}"
    return ""


def _scheme(url: str) -> str | None:
    found = _SCHEME.match(_UNSEEN.sub("", url))
    return found[1].lower() if found else None
