"""Which CSS properties speak of the same thing, so that one of them can override the other."""

import re
from functools import lru_cache

# `all` sets everything.
EVERYTHING = "*"

_PREFIX = re.compile(r"^-[a-z]+-|^mso-")
# Of these every longhand counts as the whole: shorthands, logical sides and the rest are many.
_FAMILIES = frozenset(
    {
        *("animation", "background", "border", "column", "columns", "container", "contain", "flex", "grid", "inset"),
        *("list", "margin", "mask", "offset", "outline", "overflow", "overscroll", "padding", "scroll", "transition"),
    }
)
_FONT = ("family", "size", "size-adjust", "stretch", "style", "variant", "weight", "width")
_SAME = {
    "top": "inset",
    "right": "inset",
    "bottom": "inset",
    "left": "inset",
    "inline-size": "width",
    "block-size": "height",
    "min-inline-size": "min-width",
    "min-block-size": "min-height",
    "max-inline-size": "max-width",
    "max-block-size": "max-height",
    "gap": "grid",
    "row-gap": "grid",
    "order": "flex",
    "box-flex": "flex",
    "align-items": "place",
    "align-content": "place",
    "align-self": "place",
    "justify-items": "place",
    "justify-content": "place",
    "justify-self": "place",
    "place-items": "place",
    "place-content": "place",
    "place-self": "place",
    "word-wrap": "overflow",
    "page-break-after": "break-after",
    "page-break-before": "break-before",
    "page-break-inside": "break-inside",
    "text-wrap": "white-space",
    "text-wrap-mode": "white-space",
}
_GROUPS = ("text-decoration", "text-emphasis", "white-space", "font-variant", "font-synthesis")


@lru_cache(maxsize=1024)
def keys(name: str) -> frozenset[str]:
    """What a property speaks of: two properties of which one can override the other have a key in common.

    `name` is in lower case. Vendor prefixes do not count, nor does Outlook's `mso-`.
    """
    if name.startswith("--"):
        return frozenset({name})
    plain = _PREFIX.sub("", name).removesuffix("-alt")
    if plain == "all":
        return frozenset({EVERYTHING})
    if plain == "font":
        return frozenset({*(f"font-{part}" for part in _FONT), "line-height"})
    if (first := plain.split("-")[0]) in _FAMILIES and plain != "border-collapse":
        return frozenset({"column" if first == "columns" else first})
    group = next((group for group in _GROUPS if plain.startswith(group)), plain)
    return frozenset({_SAME.get(group, group)})
