"""What the sheets of a document want: everything that does not depend on the document they stand in."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from mailnode.node.inline.matching import Matcher
from mailnode.node.inline.selector import Selector, StyleCondition, Subject
from mailnode.node.inline.sheet import Rule, read_sheet
from mailnode.node.inline.tags import StartTag

# Bounded in number here, and in size by which are remembered at all.
_REMEMBERED = 32
_LONGEST_REMEMBERED = 50_000
# What an element costs beside what may be matched by it.
_WORK_AN_ELEMENT = 100
_CHARACTERS_A_WORK = 10


class Sheet(NamedTuple):
    """A style sheet; `is_for_all`: it counts for every reader, so that its rules may move."""

    css: str
    is_for_all: bool


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """A rule and the number of its sheet; `may_carry`, `may_cut`: as far as sheets alone can tell."""

    sheet: int
    rule: Rule
    may_carry: bool
    may_cut: bool


@dataclass(frozen=True, slots=True)
class Want:
    """What one selector of a rule asks for.

    `probe` finds whom it means; `fallback` (-1 where there is none) all whom it may mean among elements that only some
    readers see, and, when it `asks_reader`, where `probe` finds nobody. `may_carry`: whom `probe` finds may have the
    rule's declarations in a style attribute.
    """

    rule: int
    priority: tuple[tuple[int, int, int], int]
    probe: int
    fallback: int
    asks_reader: bool
    may_carry: bool


class Plan:
    """The rules of all sheets of a document in their order, and how to find whom they mean."""

    def __init__(self, sheets: tuple[Sheet, ...]) -> None:
        """Read the sheets."""
        self.rules: list[PlannedRule] = []
        self.wants: list[Want] = []
        self.conditions: set[StyleCondition] = set()
        # Those of parsers too: what a sheet is, or where an element stands, may depend on them.
        self.asks_for = {"class", "encoding", "id", "media", "style", "type"}
        self._names: set[str] = set()
        self._probes: dict[str, int] = {}
        self._by_key: dict[str, list[tuple[int, Subject]]] = defaultdict(list)
        self._around_by_key: dict[str, list[tuple[int, Subject]]] = defaultdict(list)
        self._wants_by_key: Counter[str] = Counter()
        self._tildes = self._words = 0
        for number, sheet in enumerate(sheets):
            for rule in read_sheet(sheet.css):
                self._take(number, rule, is_for_all=sheet.is_for_all)
        self._folded_names = {name.lower() for name in self._names}
        self.matcher = Matcher(list(self._probes))

    def _take(self, sheet: int, rule: Rule, *, is_for_all: bool) -> None:
        may_carry = rule.may_carry and is_for_all
        may_cut = (
            may_carry
            and rule.is_whole
            and bool(rule.declarations)
            and all(one.is_exact for one in rule.selectors)
            and not any(one.is_important for one in rule.declarations)
        )
        for selector in rule.selectors:
            self.conditions.update(selector.style_conditions)
            self.asks_for |= selector.asks_for
            # What is important wins over a style attribute, wherever it stands.
            if selector.is_of_element and not all(one.is_important for one in rule.declarations):
                self._want(selector, may_carry=may_carry and selector.is_exact)
        self.rules.append(PlannedRule(sheet, rule, may_carry, may_cut))

    def _want(self, selector: Selector, *, may_carry: bool) -> None:
        self._names |= selector.subject.classes | selector.subject.ids
        whole = self._probe(selector.still or selector.subject_css, selector.subject)
        needs_fallback = selector.asks_reader or selector.around
        fallback = self._probe(selector.subject_css, selector.subject) if needs_fallback else -1
        for one in selector.around:
            self._around_by_key[_key(one)].append((len(self.wants), one.folded()))
        self._wants_by_key[_key(selector.subject)] += 1
        number = len(self.rules)
        priority = selector.specificity, number
        self.wants.append(Want(number, priority, whole, fallback, selector.asks_reader, may_carry))

    def _probe(self, css: str, subject: Subject) -> int:
        if css not in self._probes:
            self._probes[css] = len(self._probes)
            words = css.count("~=")
            self._words += words
            self._tildes += css.count("~") - words
            self._by_key[_key(subject)].append((self._probes[css], subject.folded()))
        return self._probes[css]

    def work(self, tags: Sequence[StartTag], characters: int) -> int:
        """Estimate how much there is to match.

        For each rule css-inline looks through all that an element has by then, for each `~` through all its siblings,
        and for each `~=` through all words of an attribute.
        """
        counts = (sum(self._wants_by_key[key] for key in _keys(tag)) for tag in tags)
        words = self._words * characters // _CHARACTERS_A_WORK
        return sum(count * (count + _WORK_AN_ELEMENT) for count in counts) + self._tildes * len(tags) ** 2 + words

    def may_mean(self, tag: StartTag) -> set[int]:
        """The probes that may mean an element, wherever it stands and however its case is taken."""
        return _found(self._by_key, tag)

    def may_stand_around(self, tag: StartTag) -> set[int]:
        """The numbers of what is wanted by selectors that may name an element before the one that they mean."""
        return _found(self._around_by_key, tag)

    def differs_in_case(self, tag: StartTag) -> bool:
        """Tell whether a class or the id of an element is that of a selector but for case: some readers are lax."""
        return any(
            name not in self._names and name.lower() in self._folded_names for name in (*tag.classes, tag.id) if name
        )


def _found(by_key: Mapping[str, Iterable[tuple[int, Subject]]], tag: StartTag) -> set[int]:
    own = Subject(tag.name, frozenset(tag.classes), frozenset({tag.id})).folded()
    return {
        number
        for key in _keys(tag)
        for number, subject in by_key.get(key, ())
        if subject.tag in {"", own.tag} and subject.classes <= own.classes and subject.ids <= own.ids
    }


def _key(subject: Subject) -> str:
    """The rarest of what an element needs to be meant."""
    if subject.ids:
        return f"#{min(subject.ids)}".lower()
    if subject.classes:
        return f".{min(subject.classes)}".lower()
    return subject.tag


def _keys(tag: StartTag) -> set[str]:
    return {"", tag.name, f"#{tag.id}".lower(), *(f".{name}".lower() for name in tag.classes)}


remembered_plan = lru_cache(maxsize=_REMEMBERED)(Plan)


def make_plan(sheets: tuple[Sheet, ...]) -> Plan:
    """Plan for the sheets of a document; that of small sheets, which mail after mail has, is remembered."""
    is_long = sum(len(sheet.css) for sheet in sheets) > _LONGEST_REMEMBERED
    return Plan(sheets) if is_long else remembered_plan(sheets)
