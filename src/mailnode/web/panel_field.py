"""What a panel is made of: fields under headings."""

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "text",
    "lines",
    "addresses",
    "number",
    "choice",
    "tls",
    "switch",
    "service",
    "connection",
    "layout",
    "html",
    "moment",
    "zone",
    "attachments",
    "headers",
    "value",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: what it sets (`@` before a key of the node itself), and when it applies (`key=value`, `key!=value`).

    `default` is what the setting is when it is left out; `templated` says that expressions may stand in it.
    """

    key: str
    label: str
    kind: Kind = "text"
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    default: Any = ""
    when: str = ""
    required: bool = False
    templated: bool = False
    placeholder: str = ""

    @property
    def id(self) -> str:
        """Give what labels refer to."""
        return f"field-{self.key.replace('.', '-').replace('@', 'node-')}"


@dataclass(frozen=True, slots=True)
class Section:
    """Fields under one heading; without one they stand open at the top."""

    title: str
    fields: tuple[Field, ...]
    when: str = ""
