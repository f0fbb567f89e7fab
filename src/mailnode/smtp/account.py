"""A login in use: one wrong password is tried once, and a refused token is renewed once."""

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mailnode.errors import LoginFailed, MailnodeError
from mailnode.smtp.authentication import Credentials, TokenRefused
from mailnode.smtp.bearer import Bearer, TokenLogin
from mailnode.smtp.sasl import Login

Opened = TypeVar("Opened")
Open = Callable[[Credentials | None], Awaitable[Opened]]

# How long a refused token that can't be renewed is not tried again: the cause may be fixed at the server.
HELD_BACK_SECONDS = 60.0
# How long a successful login lets several sessions log in at once.
GOOD_SECONDS = 300.0
# How long a refused login is not tried again: at first, and at most.
FIRST_WAIT = 1.0
LONGEST_WAIT = 300.0


class Account:
    """A login in use; it remembers a refused token that can't be renewed, so that it is not tried by every message."""

    def __init__(self, login: Login | TokenLogin | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._login = login
        self._clock = clock
        self._refused: str | None = None
        self._refused_until = 0.0

    async def open(self, open_one: Open[Opened]) -> Opened:
        """Call `open_one` with credentials; after a refused token, once more with a renewed one.

        Raises what `open_one` and the source of the tokens raise; the second refusal of a token is final.
        """
        login = self._login
        if not isinstance(login, TokenLogin):
            return await open_one(login)
        token = await login.tokens.token()
        if token != self._refused or self._clock() >= self._refused_until:
            try:
                return await open_one(Bearer(login.username, token))
            except TokenRefused:
                pass
            self._refused, self._refused_until = token, self._clock() + HELD_BACK_SECONDS
        renewed = await login.tokens.renewed(token)
        self._refused = None
        try:
            return await open_one(Bearer(login.username, renewed))
        except TokenRefused as error:
            error.message += "; the token had just been issued"
            error.args = (error.message,)
            raise


class _Probe:
    """One session that tries the login while others wait; a void one did not get as far as the login."""

    def __init__(self) -> None:
        self.is_void = False
        self.ended = asyncio.Event()


class LoginGate:
    """Lets one session of a client log in first, and the others when it has succeeded.

    A login that is refused permanently is not tried again for a time that doubles with each refusal; sessions wanted
    meanwhile get the same error at once, without a connection. A temporary refusal says nothing about the login, nor
    does a server that can't be reached. `clock` gives the time in seconds, and never goes back.
    """

    clock = staticmethod(time.monotonic)

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or self.clock
        self._good_until = -1.0
        self._shut_until = -1.0
        self._wait = 0.0
        self._refusal: LoginFailed | None = None
        self._probe: _Probe | None = None

    async def through(self, log_in: Callable[[], Awaitable[Opened]]) -> Opened:
        """Call `log_in` when it is allowed; raises what it raises, or the refusal that still counts."""
        probe = await self._admit()
        try:
            opened = await log_in()
        except LoginFailed as error:
            if not error.transient:
                self._shut(error)
            raise
        except MailnodeError as error:
            if probe:
                probe.is_void = error.phase != "auth"
            raise
        else:
            self._good_until = self._clock() + GOOD_SECONDS
            self._refusal, self._wait = None, 0.0
            return opened
        finally:
            if probe:
                self._probe = None
                probe.ended.set()

    async def _admit(self) -> _Probe | None:
        """Wait until a login is allowed; give the probe if this session is it."""
        while self._clock() >= self._good_until:
            if self._refusal and self._clock() < self._shut_until:
                raise _repeated(self._refusal)
            if self._probe is None:
                self._probe = _Probe()
                return self._probe
            probe = self._probe
            await probe.ended.wait()
            if probe.is_void:  # the next ones would fail as slowly, one after the other
                break
        return None

    def _shut(self, error: LoginFailed) -> None:
        now = self._clock()
        if now >= self._shut_until:  # else several logins were under way
            self._wait = min(self._wait * 2 or FIRST_WAIT, LONGEST_WAIT)
            self._shut_until = now + self._wait
        self._good_until = now
        self._refusal = copy.copy(error)  # each caller adds its own location to it


def _repeated(refusal: LoginFailed) -> LoginFailed:
    error = copy.copy(refusal)
    error.was_tried = False
    error.message += "; it was not tried again so soon"
    error.args = (error.message,)
    error.dialogue = f"({error.message})"  # nothing was sent this time
    return error
