"""What a session logs in with: a password as it is; a token that is good, and one renewal of it where it is refused."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mailnode.smtp.authentication import Credentials, TokenRefused
from mailnode.smtp.bearer import Bearer, TokenLogin
from mailnode.smtp.sasl import Login

Opened = TypeVar("Opened")
Open = Callable[[Credentials | None], Awaitable[Opened]]


# A refused token that can't be renewed is held back for so long: what keeps it out may be mended at the server.
HELD_BACK_SECONDS = 60.0


class Account:
    """A login in use. It remembers a refused token that can't be renewed, so that no storm of logins comes of it."""

    def __init__(self, login: Login | TokenLogin | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._login = login
        self._clock = clock
        self._refused: str | None = None
        self._refused_until = 0.0

    async def opened(self, open_one: Open[Opened]) -> Opened:
        """Open something that logs in; after a refused token once more, from its beginning, with a renewed one.

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
            error.message += "; the token was fresh from its endpoint"
            error.args = (error.message,)
            raise
