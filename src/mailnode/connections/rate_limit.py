"""How many messages a connection may send in a time: "30/min"."""

import re
from dataclasses import dataclass
from typing import Any, Self

from mailnode.connections.values import bad, shown

MICROSECONDS = 1_000_000
# Messages may reach the server a little earlier or later than they were sent: this part of the time is kept free.
_SLACK = 30
_MOST = 1_000_000
_UNITS = {"s": 1, "min": 60, "hour": 3600, "day": 86_400}
_WRITTEN = re.compile(r"(\d{1,9})\s*/\s*([a-z]+)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` messages in any period of `seconds`."""

    count: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "30/min"; units are s, min, hour and day.

        Raises:
            ConnectionsError: it is not a rate.
        """
        written = _WRITTEN.fullmatch(text.strip())
        if written is None or not 0 < int(written[1]) <= _MOST or written[2].lower() not in _UNITS:
            raise bad(
                f"{shown(text)} is not a rate",
                hint='write a number of messages per unit of time, such as "30/min"; units are s, min, hour and day',
            )
        return cls(int(written[1]), _UNITS[written[2].lower()])

    @property
    def slack_us(self) -> int:
        """How late a message may begin after its time (microseconds), so that the next one needs no later time."""
        return self.seconds * MICROSECONDS // _SLACK

    @property
    def spacing_us(self) -> int:
        """The time from one message to the next (microseconds): `count` + 1 of them take longer than `seconds`."""
        return (self.seconds * MICROSECONDS + self.slack_us) // self.count + 1

    def __str__(self) -> str:
        """Give it as it is written, such as "30/min"."""
        unit = next(name for name, seconds in _UNITS.items() if seconds == self.seconds)
        return f"{self.count}/{unit}"


def to_rate_limit(value: Any) -> str:
    """A rate, in the one form that is stored."""
    if not isinstance(value, str):
        raise bad(f"{shown(value)} is not a rate", hint='write it in quotes, such as "30/min"')
    return str(RateLimit.parse(value))
