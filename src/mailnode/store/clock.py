"""The time as the tables hold it."""

import time
from collections.abc import Callable

Clock = Callable[[], int]


def unix_ms() -> int:
    """Give the time in Unix milliseconds."""
    return int(time.time() * 1000)
