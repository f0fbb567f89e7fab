"""Ids of what is stored by the thousand."""

import os
import time

_DIGITS = 32
_TICK_NANOSECONDS = 16_000_000
_TICK_DIGITS = 3


def new_id() -> str:
    """Make an id of 32 hexadecimal digits (see `new_ids`)."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """Make so many ids at once, random but for the first three of their 32 hexadecimal digits.

    These count 16 ms of the clock, over and over within 65 s, so that an index has what is written together on few
    pages, which a transaction writes whole. Over a longer time ids are spread evenly, and the first eight digits tell
    one from nearly all others.
    """
    tick = f"{time.time_ns() // _TICK_NANOSECONDS % 16**_TICK_DIGITS:03x}"
    # All at once: to ask the system for random bytes may cost this thread its turn.
    made, length = os.urandom(16 * count).hex(), _DIGITS - _TICK_DIGITS
    return [tick + made[at : at + length] for at in range(0, _DIGITS * count, _DIGITS)]
