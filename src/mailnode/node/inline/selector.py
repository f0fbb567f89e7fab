"""What a selector requires, as far as a static document can answer."""

from dataclasses import dataclass, field
from typing import NamedTuple


class StyleCondition(NamedTuple):
    """What a selector asks of a style attribute: `[style*="margin"]`; an empty operator asks for its presence."""

    operator: str
    value: str

    def holds(self, style: str | None) -> bool:
        """Tell whether an element with this style attribute, or with none, is meant."""
        if style is None:
            return False
        match self.operator:
            case "":
                return True
            case "=":
                return style == self.value
            case "~=":
                return self.value in style.split()
            case "|=":
                return style == self.value or style.startswith(f"{self.value}-")
            case "^=":
                return style.startswith(self.value)
            case "$=":
                return style.endswith(self.value)
            case _:
                return self.value in style


class Subject(NamedTuple):
    """What an element needs at the least to be meant: a tag in lower case or "", classes and ids."""

    tag: str = ""
    classes: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()

    def folded(self) -> "Subject":
        """Give it in lower case."""
        return Subject(self.tag, frozenset(map(str.lower, self.classes)), frozenset(map(str.lower, self.ids)))


_ANY = Subject()


@dataclass(slots=True)
class Selector:
    """One selector of a rule's list.

    `still` is what of it a document at rest can match, as CSS: "" when that can't be told; `is_exact`: it is all of it.
    `subject_css` is its subject as CSS. `is_known`: every reader takes it for valid. `is_of_element`: it styles an
    element and not, say, what stands before one. `around` are the subjects of what else it names, before its own.
    `asks_for` are the attributes that it looks at, and ":empty". `asks_reader`: it names what only mail readers put
    around a mail.
    """

    still: str = ""
    is_exact: bool = True
    subject: Subject = _ANY
    subject_css: str = "*"
    specificity: tuple[int, int, int] = (0, 0, 0)
    is_known: bool = True
    is_of_element: bool = True
    counts_siblings: bool = False
    around: list[Subject] = field(default_factory=list)
    asks_for: set[str] = field(default_factory=set)
    asks_reader: bool = False
    style_conditions: list[StyleCondition] = field(default_factory=list)
