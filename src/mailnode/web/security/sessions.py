"""Sessions of browsers: a signed cookie says until when it holds; only those that were ended before are kept."""

import base64
import hashlib
import hmac
import secrets
import time

COOKIE = "mailnode_session"
LIFE_SECONDS = 12 * 3600


class Sessions:
    """Cookies that only who knows the token can have made; another token ends them all."""

    def __init__(self, token: str) -> None:
        """Sign with keys that come from the token."""
        self._token = token.encode()
        self._ended: dict[str, float] = {}

    def is_token(self, given: str) -> bool:
        """Whether this is the token, in a time that tells nothing about it."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def begin(self) -> str:
        """Make the cookie of a new session."""
        said = f"{int(time.time()) + LIFE_SECONDS}.{secrets.token_urlsafe(18)}"
        return f"{said}.{self._sign('session', said)}"

    def holds(self, cookie: str) -> bool:
        """Whether a cookie is one of ours and its time is not over."""
        said, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign("session", said).encode()):
            return False
        return said not in self._ended and _end(said) > time.time()

    def end(self, cookie: str) -> None:
        """Have a cookie of ours hold no more, also where somebody has copied it."""
        said, now = cookie.rpartition(".")[0], time.time()
        self._ended = {one: end for one, end in self._ended.items() if end > now} | {said: _end(said)}

    def is_csrf(self, cookie: str, given: str) -> bool:
        """Whether this is what `csrf` gives, in a time that tells nothing about it."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.csrf(cookie).encode())

    def csrf(self, cookie: str) -> str:
        """Give what a page of this session must send with whatever changes something; no other site can read it."""
        return self._sign("csrf", cookie)

    def _sign(self, what: str, said: str) -> str:
        made = hmac.new(self._token, f"mailnode {what} {said}".encode("utf-8", "replace"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(made).decode().rstrip("=")


def _end(said: str) -> float:
    return float(said.partition(".")[0])
