"""The invitation of a node: its settings, and the event that they make of a flow's state."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, model_validator
from pydantic_core import PydanticCustomError

from mailnode.errors import ErrorCode, MailnodeError, SettingsError
from mailnode.message.invitation import (
    MOST_UID_BYTES,
    Invitation,
    check_alarm,
    check_uid,
    check_url,
)
from mailnode.message.mailbox import Mailbox, parse_mailbox
from mailnode.node.moment import Duration, in_zone, parse_duration, parse_moment, parse_zone
from mailnode.node.setting_types import EMPTY, OneMailbox, Settings, Templated, with_ours
from mailnode.node.template import Template
from mailnode.printable import quoted


class FillIn(Protocol):
    """Fills in the template of a key; without `control_ok` its values are for one line."""

    def __call__(self, key: str, template: Template, *, control_ok: bool = True) -> Awaitable[str]:
        """Give the text."""
        ...


_CANCEL_HINT = "give the uid of the invitation: {{ context.KEY.invitation.uid }}, KEY being the resultKey of its node"
S = TypeVar("S")
T = TypeVar("T")

_WHOLE_NUMBER = re.compile(r"\d{1,9}(?:\.0+)?", re.ASCII)


def _method(text: str) -> Literal["request", "cancel"]:
    match text.lower():
        case "request":
            return "request"
        case "cancel":
            return "cancel"
    raise SettingsError(f"{quoted(text)} is not a method", hint="use request, for an update as well, or cancel")


def _minutes(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise SettingsError(f"{quoted(text)} is not a number of minutes", hint="write a whole number, as 15")
    minutes = int(float(text))
    check_alarm(minutes)
    return minutes


def _required(text: str) -> str:
    if not text:
        raise SettingsError("this setting is empty", code=ErrorCode.MISSING_SETTING, hint="give it a value")
    return text


def _number_as_text(value: Any) -> Any:
    """Take a number as its author would write it into a field."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _checked(check: Callable[[str], object], *, required: bool = False) -> AfterValidator:
    """Check what has no expression in it at once, without the key: pydantic knows that."""

    def checked(template: Template) -> Template:
        if (text := template.literal) is not None and (text.strip() or required):
            try:
                check(text.strip())
            except MailnodeError as error:
                error.key = ""
                raise
        return template

    return AfterValidator(with_ours(checked))


class InvitationSettings(Settings):
    """Setting `invitation`: the event that the recipients are invited to, or that is cancelled."""

    method: Annotated[Templated, _checked(_method, required=True)] = Template(("request",))
    start: Annotated[Templated, _checked(parse_moment, required=True)]
    end: Annotated[Templated, _checked(parse_moment)] = EMPTY
    duration: Annotated[Templated, _checked(parse_duration), BeforeValidator(_number_as_text)] = EMPTY
    timezone: Annotated[Templated, _checked(parse_zone)] = EMPTY
    summary: Annotated[Templated, _checked(_required, required=True)]
    location: Templated = EMPTY
    description: Templated = EMPTY
    uid: Annotated[Templated, _checked(check_uid, required=True)] | None = None
    organizer: OneMailbox | None = None
    url: Annotated[Templated, _checked(check_url)] = EMPTY
    alarm_minutes: Annotated[Templated, _checked(_minutes), BeforeValidator(_number_as_text)] = EMPTY

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        """Check what several settings say, as far as no expression hides it."""
        given = {name: getattr(self, name).literal for name in ("method", "start", "end", "duration", "timezone")}
        try:
            if self.uid is None and (given["method"] or "").strip().lower() == "cancel":
                raise _no_uid()
            if (given["end"] or "").strip() and (given["duration"] or "").strip():
                raise _two_ends()
            if None not in given.values():
                times_of(*(str(given[name]).strip() for name in ("start", "end", "duration", "timezone")))
        except MailnodeError as error:
            raise PydanticCustomError("mailnode", "{error}", {"error": error}) from None
        return self


async def invitation_of(
    settings: InvitationSettings, fill_in: FillIn, organizer: Mailbox | None, own_name: str, sender: str | Mailbox
) -> Invitation:
    """Make the event; `own_name` is the run's and the node's, of which it gets a uid where the settings have none.

    Raises:
        MailnodeError: an expression fails, or gives what no event can have; `key` begins with `invitation`.
    """

    async def line(name: str, template: Template) -> str:
        return (await fill_in(f"invitation.{name}", template, control_ok=False)).strip()

    method = _located("method", _method, await line("method", settings.method))
    if settings.uid is not None:
        uid = await line("uid", settings.uid)
    elif method == "cancel":
        raise _no_uid().locate(key="invitation")
    else:
        uid = own_uid(own_name, sender)
    written = [await line(name, getattr(settings, name)) for name in ("start", "end", "duration", "timezone")]
    try:
        start, end = times_of(*written)
    except MailnodeError as error:
        raise error.locate(key="invitation") from None
    alarm = await line("alarmMinutes", settings.alarm_minutes)
    return Invitation(
        method=method,
        uid=uid,
        start=start,
        end=end,
        summary=await line("summary", settings.summary),
        location=await fill_in("invitation.location", settings.location),
        description=await fill_in("invitation.description", settings.description),
        url=await line("url", settings.url),
        organizer=organizer,
        alarm_minutes=_located("alarmMinutes", _minutes, alarm) if alarm else None,
    )


def own_uid(name: str, sender: str | Mailbox) -> str:
    """Give the uid of an event that no setting gives one, so that no run's event takes the place of another's."""
    mailbox = sender if isinstance(sender, Mailbox) else parse_mailbox(sender)
    uid = f"{name}@{mailbox.domain}"
    if uid.isprintable() and len(uid.encode()) <= MOST_UID_BYTES:
        return uid
    return f"{hashlib.sha256(uid.encode('utf-8', 'surrogatepass')).hexdigest()}@mailnode"


def times_of(start: str, end: str, duration: str, timezone: str) -> tuple[datetime | date, datetime | date]:
    """Give start and end of an event as its settings write them; of an all-day event the end is its last day.

    Raises:
        SettingsError: one of them is wrong, or they do not fit together; `key` says which.
    """
    zone = _within("timezone", parse_zone, timezone) if timezone else None
    first = _within("start", parse_moment, start)
    if end and duration:
        raise _two_ends()
    lasts = _within("duration", parse_duration, duration) if duration else None
    last = _within("end", parse_moment, end) if end else None
    if not isinstance(first, datetime):
        found: tuple[datetime | date, datetime | date] = (first, _last_day(first, last, lasts))
    else:
        begins = _in_zone("start", first, zone)
        found = (begins, _moment_after(begins, last, lasts, zone))
    _check_order(*found, key="duration" if duration else "end")
    return found


def _last_day(first: date, last: datetime | date | None, lasts: Duration | None) -> date:
    if isinstance(last, datetime):
        raise _error("end", "start has no time of day, and end has one", "give both with a time, or both as dates")
    if lasts is None:
        return last or first
    if lasts.time:
        raise _error("duration", "an all-day event lasts whole days", "write days, as P2D, or give start a time of day")
    return _within("duration", lambda days: first + timedelta(days=days - 1), lasts.days)


def _moment_after(
    begins: datetime, last: datetime | date | None, lasts: Duration | None, zone: ZoneInfo | None
) -> datetime:
    if isinstance(last, datetime):
        return _in_zone("end", last, zone)
    if last is not None:
        raise _error("end", "start has a time of day, and end has none", "give both with a time, or both as dates")
    if lasts is None:
        raise _error("end", "the event has no end", "set end, or duration in minutes", ErrorCode.MISSING_SETTING)

    def after(duration: Duration) -> datetime:
        # Days are the calendar's, by a clock that may be changed in between; a sum forgets which of two hours it was.
        there = begins + timedelta(days=duration.days) if duration.days else begins
        return (there.astimezone(UTC) + duration.time).astimezone(begins.tzinfo)

    return _within("duration", after, lasts)


def _check_order(start: datetime | date, end: datetime | date, key: str) -> None:
    """See that an event of these times is possible: an Invitation says so itself."""
    try:
        Invitation(uid="x", summary="x", start=start, end=end)
    except MailnodeError as error:
        wrong = error.key.removeprefix("invitation.")
        raise _error(key if wrong == "end" else wrong, error.message, error.hint) from None


def _in_zone(key: str, moment: datetime, zone: ZoneInfo | None) -> datetime:
    is_without = moment.tzinfo is None and zone is None
    return _within("timezone" if is_without else key, lambda one: in_zone(one, zone), moment)


def _within(key: str, make: Callable[[S], T], value: S) -> T:
    try:
        return make(value)
    except MailnodeError as error:
        raise error.locate(key=key) from None
    except OverflowError:
        raise _error(key, "the event ends after all calendars", "give a time of this century") from None


def _located(key: str, make: Callable[[str], T], text: str) -> T:
    try:
        return make(text)
    except MailnodeError as error:
        error.key = ""
        raise error.locate(key=f"invitation.{key}") from None


def _no_uid() -> SettingsError:
    return _error("uid", "a cancellation needs the uid of the invitation", _CANCEL_HINT, ErrorCode.MISSING_SETTING)


def _two_ends() -> SettingsError:
    return _error("duration", "end and duration are both given", "give one of them")


def _error(key: str, what: str, hint: str, code: ErrorCode = ErrorCode.BAD_SETTING) -> SettingsError:
    return SettingsError(what, code=code, hint=hint).locate(key=key)
