"""What was learned about a host: how far it pipelines, how many sessions it allows, how many messages in each."""

import time
from typing import Literal

# How commands are sent: the next message's with this one's final dot, one message's in a group, or one by one.
Pace = Literal["across messages", "group", "lockstep"]

_PACES: tuple[Pace, ...] = ("across messages", "group", "lockstep")
# A limit on sessions is often used up by another client, so it is worth trying again.
LIMIT_SECONDS = 60.0
# No server that we know closes a session sooner, so no message meets its 421.
MOST_MESSAGES = 1000


class HostProfile:
    """What was learned about one host; it outlives the sessions."""

    def __init__(self) -> None:
        self.pace: Pace = "across messages"
        self.most_messages = MOST_MESSAGES
        self._most_sessions = 0
        self._limited_until = 0.0
        self._last_closing = 0

    def slow_down(self, used: Pace) -> bool:
        """Go to a slower pace than the one that failed; False when there is none."""
        if used == "lockstep":
            return False
        slower = _PACES.index(used) + 1
        self.pace = _PACES[max(_PACES.index(self.pace), slower)]
        return True

    def note_closing_after(self, messages: int) -> None:
        """Note that the server ended a session after so many messages; the same number twice in a row is its limit."""
        if messages and messages == self._last_closing:
            self.most_messages = min(self.most_messages, messages)
        self._last_closing = messages

    def limit_sessions(self, number: int) -> None:
        """Remember for a minute that the server allows only so many sessions; 0 forgets it."""
        self._most_sessions = number
        self._limited_until = time.monotonic() + LIMIT_SECONDS

    def most_sessions(self, wished: int) -> int:
        """Give how many sessions may be open, at most as many as wished."""
        if self._most_sessions and time.monotonic() < self._limited_until:
            return min(wished, self._most_sessions)
        self._most_sessions = 0
        return wished
