"""What to write instead of a setting whose type or range is wrong: pydantic says only what it should have been."""

from pydantic_core import ErrorDetails

_BY_TYPE = {
    "string_type": 'write it in quotes: "text"',
    "string_pattern_mismatch": "write a dotted path like mail.sent",
    "too_long": "give a shorter one",
    "too_short": "write something into it, or leave it out",
    "bool_type": "write true or false, without quotes",
    "int_type": "write a whole number, without quotes",
    "float_type": "write a number, without quotes",
    "tuple_type": "write a list: [one, another]",
    "dict_type": "write names with their values: {name: value}",
    "model_type": "write keys with their values: {key: value}",
    "model_attributes_type": "write keys with their values: {type: text, content: Hello, filename: hello.txt}",
    "union_tag_not_found": "say with type which kind of attachment it is: url, text, base64, custom or mime",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}


def remedy(detail: ErrorDetails) -> str:
    """Give the hint for an error of pydantic's; "" for a kind that no setting of ours can bring about."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"give {words} {context[name]:g}"
    if kind == "literal_error":
        return f"use {context['expected']}".replace("'", "")
    if kind == "union_tag_invalid":
        return f"use one of these types: {context['expected_tags']}".replace("'", "")
    return _BY_TYPE.get(kind, "")
