"""The time as the tables hold it."""

import time


def unix_ms() -> int:
    """Give the time in Unix milliseconds."""
    return int(time.time() * 1000)
