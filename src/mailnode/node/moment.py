"""Times as people and programs write them into settings: ISO 8601 dates, times, durations, and names of zones."""

import re
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from mailnode.errors import ErrorCode, SettingsError
from mailnode.printable import quoted

_MOMENT = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<time>\d\d:\d\d(?::\d\d)?)(?:[.,]\d+)?\s?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,3})W|(?=\d|T\d)(?:(?P<days>\d{1,4})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9})S)?)?)",
    re.ASCII | re.IGNORECASE,
)
_MINUTES = re.compile(r"\d{1,7}(?:\.0+)?", re.ASCII)
# Files of the database that are zones of this machine alone, or of nobody: calendars read them as UTC.
_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})
_MOMENT_HINT = "write 2026-03-12T14:30, with an offset if you like (2026-03-12T14:30+01:00), or 2026-03-12 for all day"
_DURATION_HINT = "write minutes as a number, 45, or an ISO 8601 duration, PT1H30M or P2D"


class Duration(NamedTuple):
    """How long something lasts: days by the calendar, and time by the clock after them."""

    days: int
    time: timedelta


def parse_moment(text: str) -> datetime | date:
    """Read a date, or a time that has an offset or none.

    Raises:
        SettingsError: it is not written as ISO 8601 has it, or there is no such day or time.
    """
    found = _MOMENT.fullmatch(text)
    if not found:
        raise _wrong(f"{quoted(text)} is not a date or time", _MOMENT_HINT)
    try:
        if not found["time"]:
            return date.fromisoformat(found["date"])
        # A trailing Z is read by Python as well, a small one is not.
        return datetime.fromisoformat(f"{found['date']}T{found['time']}{(found['offset'] or '').upper()}")
    except ValueError:
        raise _wrong(f"{quoted(text)} does not exist: there is no such day or time", _MOMENT_HINT) from None


def parse_duration(text: str) -> Duration:
    """Read minutes, or an ISO 8601 duration of weeks, or of days, hours, minutes and seconds.

    Raises:
        SettingsError: it is something else, or takes no time.
    """
    if _MINUTES.fullmatch(text):
        duration = Duration(0, timedelta(minutes=float(text)))
    elif found := _DURATION.fullmatch(text):
        number = {name: int(value or 0) for name, value in found.groupdict().items()}
        time = timedelta(hours=number["hours"], minutes=number["minutes"], seconds=number["seconds"])
        duration = Duration(7 * number["weeks"] + number["days"], time)
    else:
        raise _wrong(f"{quoted(text)} is not a duration", _DURATION_HINT)
    if duration == Duration(0, timedelta()):
        raise _wrong(f"{quoted(text)} takes no time", _DURATION_HINT)
    return duration


def parse_zone(text: str) -> ZoneInfo:
    """Find a time zone by its name in the IANA database.

    Raises:
        SettingsError: there is none of this name.
    """
    try:
        if text in _NO_PLACES:
            raise KeyError(text)  # noqa: TRY301 -- told below, with what may be meant
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError):  # what a name may be that is a path, a folder, or unknown
        names = _names_of_zones()
        wanted = text.casefold().replace(" ", "_")
        near = [name for key, name in names.items() if key.rpartition("/")[2] == wanted.rpartition("/")[2]]
        near = near or [names[key] for key in get_close_matches(wanted, names, n=1)]
        hint = f"did you mean {near[0]}?" if near else "write its IANA name, as Europe/Berlin or America/New_York"
        raise _wrong(f"there is no time zone {quoted(text)}", hint) from None


@cache  # they are read from the disk
def _names_of_zones() -> dict[str, str]:
    return {name.casefold(): name for name in sorted(available_timezones() - _NO_PLACES)}


def in_zone(moment: datetime, zone: ZoneInfo | None) -> datetime:
    """Give a time in a zone: one without an offset is meant by the zone's clock, any other is converted.

    Raises:
        SettingsError: it has neither offset nor zone, or the zone's clock skips it.
    """
    if moment.tzinfo:
        return moment.astimezone(zone or UTC)
    if zone is None:
        hint = "set timezone, as Europe/Berlin, or give the time an offset: 2026-03-12T14:30+01:00"
        raise _wrong(f"the time {moment:%Y-%m-%d %H:%M} has no time zone", hint, code=ErrorCode.MISSING_SETTING)
    local = moment.replace(tzinfo=zone)
    there = local.astimezone(UTC).astimezone(zone)
    if there.replace(tzinfo=None) != moment:
        raise _wrong(
            f"there is no {moment:%H:%M} on {moment:%Y-%m-%d} in {zone.key}: the clocks are put forward then",
            f"write {there:%Y-%m-%dT%H:%M}, or another time",
        )
    return local


def _wrong(what: str, hint: str, code: ErrorCode = ErrorCode.BAD_SETTING) -> SettingsError:
    return SettingsError(what, code=code, hint=hint)
