"""Which declarations a style attribute gets and which rules may go, so that every element looks as before."""

from collections import Counter
from typing import NamedTuple

from mailnode.node.inline.matching import Matches
from mailnode.node.inline.plan import Plan, Want
from mailnode.node.inline.sheet import EVERYTHING
from mailnode.node.inline.splice import own_style, together
from mailnode.node.inline.tags import Scan, StartTag

# Elements that are not shown: a style attribute would only be odd there.
_NOT_SHOWN = frozenset({"base", "head", "link", "meta", "script", "style", "title"})


class Decision(NamedTuple):
    """The CSS to put into each start tag's style attribute, by its number, and the numbers of the rules that moved."""

    filled: dict[int, str]
    moved: frozenset[int]


class _Style(NamedTuple):
    """What an element gets; the rules that give it something, and those of them that keep some of it back."""

    css: str
    giving: frozenset[int]
    keeping: frozenset[int]


def decide(plan: Plan, scan: Scan, matches: Matches) -> Decision:
    """Decide for a document what moves.

    A moved declaration beats every one that stays, but for important ones; so it moves only where it beat them before.
    """
    return _Cascade(plan, scan, matches).decision()


class _Cascade:
    def __init__(self, plan: Plan, scan: Scan, matches: Matches) -> None:
        self._plan = plan
        self._scan = scan
        self._matches = matches
        self._matched = matches.loose.union(*set(matches.by_tag.values()))
        self._styles: dict[frozenset[int], _Style] = {}
        apart = {tag[:1] + tag[3:5]: tag for tag in scan.tags if tag.is_apart}
        # What some readers see around an element may make a selector mean it that does not mean it here.
        self._around = set[int]().union(*map(plan.may_stand_around, apart.values()))
        self._asking: dict[int, list[tuple[Want, bool]]] = {}
        for number, want in enumerate(plan.wants):
            is_matched = want.probe in self._matched
            if is_matched:
                self._asking.setdefault(want.probe, []).append((want, want.may_carry))
            if number in self._around or (want.asks_reader and not is_matched):
                self._asking.setdefault(want.fallback, []).append((want, False))

    def decision(self) -> Decision:
        filled: dict[int, str] = {}
        kept: set[int] = set()
        elsewhere = set(self._matches.loose)
        names = Counter(tag.name for tag in self._scan.tags if not tag.is_apart)
        # Of these a parser makes one element, which takes the attributes that it lacks from the others.
        merged = {name for name in ("html", "body") if names[name] > 1}
        for number, tag in enumerate(self._scan.tags):
            probes = self._matches.by_tag.get(number)
            if probes is None or tag.name in merged or self._plan.differs_in_case(tag):
                # Not every reader may see it as css-inline does, so the rules that may mean it stay.
                elsewhere |= self._plan.may_mean(tag)
            elif probes:
                style = self._style(probes)
                if style.css and (tag.name in _NOT_SHOWN or not self._may_fill(tag, style.css)):
                    kept |= style.giving | style.keeping
                    continue
                kept |= style.keeping
                if style.css:
                    filled[number] = style.css
        return Decision(filled, self._moved(kept, elsewhere))

    def _moved(self, kept: set[int], elsewhere: set[int]) -> frozenset[int]:
        """The rules that have handed over all they had, and to everybody."""
        staying = {
            want.rule
            for number, want in enumerate(self._plan.wants)
            if want.probe not in self._matched or want.probe in elsewhere or number in self._around
        }
        return frozenset(
            number
            for number, rule in enumerate(self._plan.rules)
            if rule.may_cut and number not in kept and number not in staying
        )

    def _may_fill(self, tag: StartTag, css: str) -> bool:
        """Tell whether selectors that ask for a style attribute find in the filled one what they found before."""
        before = own_style(self._scan.html, tag)
        after = together(css, before or "")
        return all(condition.holds(before) == condition.holds(after) for condition in self._plan.conditions)

    def _style(self, probes: frozenset[int]) -> _Style:
        if probes not in self._styles:
            self._styles[probes] = self._put_together(probes)
        return self._styles[probes]

    def _put_together(self, probes: frozenset[int]) -> _Style:
        """Go from what wins down: what would beat a declaration that stays, though it did not, stays too."""
        asking = [one for probe in probes for one in self._asking.get(probe, ())]
        asking.sort(key=lambda one: (one[0].priority, one[1]), reverse=True)
        given = {id(want) for want, gives in asking if gives}
        giving: set[int] = set()
        keeping: set[int] = set()
        staying: set[str] = set()
        texts: dict[str, None] = {}
        for want, gives in asking:
            if not gives and id(want) in given:
                continue  # it is meant here, whoever sees more around it
            for declaration in reversed(self._plan.rules[want.rule].rule.declarations):
                if declaration.is_important:
                    continue
                if gives and not _meet(declaration.keys, staying):
                    texts[declaration.text] = None
                    giving.add(want.rule)
                else:
                    staying |= declaration.keys
                    keeping.add(want.rule)
        return _Style("; ".join(reversed(texts)), frozenset(giving), frozenset(keeping))


def _meet(keys: frozenset[str], staying: set[str]) -> bool:
    if not staying:
        return False
    return EVERYTHING in staying or EVERYTHING in keys or not staying.isdisjoint(keys)
