"""The elements of MJML: where each may stand, and which hold HTML of the author's."""

# What may stand in an element that holds others; in <mj-attributes> it is any.
CHILDREN = {
    "mjml": ("mj-head", "mj-body"),
    "mj-head": ("mj-attributes", "mj-breakpoint", "mj-font", "mj-preview", "mj-raw", "mj-style", "mj-title"),
    "mj-body": ("mj-section", "mj-wrapper", "mj-hero", "mj-raw"),
    "mj-wrapper": ("mj-section", "mj-hero", "mj-raw"),
    "mj-section": ("mj-column", "mj-group", "mj-raw"),
    "mj-group": ("mj-column", "mj-raw"),
    "mj-accordion": ("mj-accordion-element", "mj-raw"),
    "mj-accordion-element": ("mj-accordion-title", "mj-accordion-text", "mj-raw"),
    "mj-social": ("mj-social-element", "mj-raw"),
    "mj-navbar": ("mj-navbar-link", "mj-raw"),
    "mj-carousel": ("mj-carousel-image",),
}
_CONTENT = (
    *("mj-text", "mj-button", "mj-image", "mj-table", "mj-divider", "mj-spacer"),
    *("mj-social", "mj-navbar", "mj-accordion", "mj-carousel", "mj-raw"),
)
CHILDREN |= {"mj-column": _CONTENT, "mj-hero": _CONTENT}

# Their content is not MJML: the compiler never sees it.
HTML_HOLDERS = frozenset(
    {"mj-text", "mj-button", "mj-table", "mj-raw", "mj-social-element", "mj-navbar-link"}
    | {"mj-accordion-title", "mj-accordion-text", "mj-preview", "mj-style", "mj-title"}
)
EMPTY = frozenset(
    {"mj-image", "mj-divider", "mj-spacer", "mj-carousel-image", "mj-breakpoint", "mj-font", "mj-class", "mj-all"}
)
DEFAULTS = "mj-attributes"
IN_HEAD = frozenset({"mj-head", DEFAULTS, "mj-class", "mj-all", *CHILDREN["mj-head"]}) - {"mj-raw"}
NAMES = frozenset({*CHILDREN, *HTML_HOLDERS, *EMPTY, DEFAULTS})

# Which elements the compiler makes around the one that it gives the class; what stands in a column is a row there.
_ROW = r"<tr>\Z"
AROUND = dict.fromkeys(_CONTENT, _ROW) | {
    "mj-social-element": r"<table\b[^<>]*inline-table[^<>]*><tbody>\Z",
    "mj-accordion-title": r"<div\b[^<>]*><table\b[^<>]*><tbody><tr>\Z",
    "mj-accordion-text": r"<div\b[^<>]*><table\b[^<>]*><tbody><tr>\Z",
}


def parents(name: str) -> tuple[str, ...]:
    """Give the elements that an element may stand in."""
    return tuple(parent for parent, children in CHILDREN.items() if name in children)
