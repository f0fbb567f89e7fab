"""A time zone as calendars read it, VTIMEZONE (RFC 5545 3.6.5), of what `zoneinfo` knows."""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from icalendar import Component

_DAY = timedelta(days=1)
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


class Change(NamedTuple):
    """When the clocks are changed: `onset` by the clock before (RFC 5545 3.6.5), and both differences to UTC."""

    onset: datetime
    before: timedelta
    after: timedelta
    name: str

    @property
    def is_daylight(self) -> bool:
        """Whether the clocks are put forward; Ireland's law calls its summer time the standard, calendars do not."""
        return self.after > self.before


class _Rule(NamedTuple):
    month: int
    weekday: str
    place: int  # of that weekday in its month; -1 is the last


def zone_component(zone: ZoneInfo, start: datetime, end: datetime) -> "Component":
    """Give the VTIMEZONE that is right from one year before `start` to `end`.

    Where the clocks change by the same rule each year it has that rule, which some calendars want; else each change.
    """
    first_year = start.astimezone(UTC).year - 1
    return _component(zone, first_year, max(end.astimezone(UTC).year, first_year + 2) + 1)


@lru_cache(maxsize=64)
def _component(zone: ZoneInfo, first_year: int, after_last: int) -> "Component":
    from icalendar import Timezone

    component = Timezone()
    component.add("tzid", zone.key)
    first, until = datetime(first_year, 1, 1, tzinfo=UTC), datetime(after_last, 1, 1, tzinfo=UTC)
    changes = list(_changes(zone, first, until))
    pair = _yearly(changes, until.year - first.year)
    if pair:
        for change, rule in pair:
            component.add_component(_observance(change, rule))
        return component
    before = first.astimezone(zone)
    offset = before.utcoffset() or timedelta()
    whole = Change(before.replace(tzinfo=None), offset, offset, before.tzname() or "")
    for change in (whole, *changes):
        component.add_component(_observance(change, None))
    return component


def _changes(zone: ZoneInfo, first: datetime, until: datetime) -> Iterator[Change]:
    moment = first
    while moment < until:
        following = moment + _DAY
        if _offset(zone, moment) != _offset(zone, following):
            at = _exactly(zone, moment, following)
            before, after = _offset(zone, moment), _offset(zone, at)
            yield Change((at + before).replace(tzinfo=None), before, after, at.astimezone(zone).tzname() or "")
        moment = following


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _exactly(zone: ZoneInfo, early: datetime, late: datetime) -> datetime:
    """Find the first second of the new offset."""
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        if _offset(zone, middle) == _offset(zone, early):
            early = middle
        else:
            late = middle
    return late


def _yearly(changes: Sequence[Change], years: int) -> list[tuple[Change, _Rule]]:
    """Give the first change to each of summer and winter time with its rule, where all the others follow it."""
    pair: list[tuple[Change, _Rule]] = []
    for is_daylight in (True, False):
        ones = [change for change in changes if change.is_daylight == is_daylight]
        rule = _rule_of(ones) if len(ones) == years else None
        if rule is None:
            return []
        pair.append((ones[0], rule))
    return pair


def _rule_of(changes: Sequence[Change]) -> _Rule | None:
    if len({(one.onset.time(), one.before, one.after, one.name) for one in changes}) != 1:
        return None
    common = set.intersection(*({*_rules(change.onset)} for change in changes))
    return min(common, key=lambda rule: rule.place, default=None)


def _rules(onset: datetime) -> Iterator[_Rule]:
    weekday = _WEEKDAYS[onset.weekday()]
    yield _Rule(onset.month, weekday, (onset.day - 1) // 7 + 1)
    if onset.day + 7 > monthrange(onset.year, onset.month)[1]:
        yield _Rule(onset.month, weekday, -1)


def _observance(change: Change, rule: _Rule | None) -> "Component":
    from icalendar import TimezoneDaylight, TimezoneStandard

    component = TimezoneDaylight() if change.is_daylight else TimezoneStandard()
    component.add("dtstart", change.onset)
    component.add("tzoffsetfrom", change.before)
    component.add("tzoffsetto", change.after)
    if change.name:
        component.add("tzname", change.name)
    if rule:
        component.add("rrule", {"freq": "yearly", "bymonth": rule.month, "byday": f"{rule.place}{rule.weekday}"})
    return component
