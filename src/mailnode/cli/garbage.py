"""How often Python looks for objects that only refer to each other.

By itself it looks whenever some hundreds more containers have been made than freed. A program that loads makes a
hundred thousand, which all stay, and a mail on its way has hundreds, nearly all of which are freed without a look.
"""

import gc

_LOADING, _WORKING = 1_000_000, 10_000


def look_seldom() -> None:
    """Look once in a while: for a command that loads, and then does little."""
    gc.set_threshold(_LOADING)


def look_regularly() -> None:
    """Look often enough for a process that goes on for long."""
    gc.set_threshold(_WORKING)
