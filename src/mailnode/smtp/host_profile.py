"""What a host has taught us: how fast it can be spoken to, how many sessions it bears, how long one lasts."""

import time
from typing import Literal

# How commands may leave: the next message's with this one's final dot, a message's together, or one by one.
Pace = Literal["ride", "group", "lockstep"]

_PACES: tuple[Pace, ...] = ("ride", "group", "lockstep")
# A limit on sessions is often another client's doing: it is worth asking again.
LIMIT_SECONDS = 60.0
# No server that we know closes a session sooner, so none of our messages meets its farewell.
MOST_MESSAGES = 1000


class HostProfile:
    """The lessons of one host; they outlive its sessions."""

    def __init__(self) -> None:
        self.pace: Pace = "ride"
        self.most_messages = MOST_MESSAGES
        self._most_sessions = 0
        self._limited_until = 0.0
        self._last_farewell = 0

    def slow_down(self, used: Pace) -> bool:
        """Go below the pace that has failed; False when there is none below it."""
        if used == "lockstep":
            return False
        slower = _PACES.index(used) + 1
        self.pace = _PACES[max(_PACES.index(self.pace), slower)]
        return True

    def heard_farewell(self, messages: int) -> None:
        """Take note that a session was over after so many messages; the same number twice in a row is a rule."""
        if messages and messages == self._last_farewell:
            self.most_messages = min(self.most_messages, messages)
        self._last_farewell = messages

    def limit_sessions(self, number: int) -> None:
        """Remember for a minute that the server bears so many sessions and no more; 0 forgets it."""
        self._most_sessions = number
        self._limited_until = time.monotonic() + LIMIT_SECONDS

    def most_sessions(self, wished: int) -> int:
        """Give the number of sessions to have, at most as many as wished."""
        if self._most_sessions and time.monotonic() < self._limited_until:
            return min(wished, self._most_sessions)
        self._most_sessions = 0
        return wished
