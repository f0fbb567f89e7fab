"""Codes that log a browser in once, instead of the token: they stand in a link, and the token never does."""

import secrets
import time
from collections.abc import Callable

from mailnode.store.secret_hash import hash_of

LIFE_SECONDS = 60.0


class LoginCodes:
    """Codes that hold for a minute and for one login; only their hashes are kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell the time by `clock`, in seconds."""
        self._clock = clock
        self._until: dict[str, float] = {}

    def issue(self) -> str:
        """Make a code, for the fragment of a link: that is sent to no server and stands in no log."""
        code = secrets.token_urlsafe(32)
        self._until[hash_of(code)] = self._clock() + LIFE_SECONDS
        return code

    def redeem(self, code: str) -> bool:
        """Whether a code holds; from then on it does not."""
        # Looked up by its hash, of which the time that this takes tells nothing.
        return self._until.pop(hash_of(code), 0.0) > self._clock()
