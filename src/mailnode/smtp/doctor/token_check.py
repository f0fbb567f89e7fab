"""A source of access tokens for the doctor: where a token comes from, or why none comes, is a finding."""

from collections.abc import Awaitable

from mailnode.errors import TokenError
from mailnode.smtp.bearer import Tokens
from mailnode.smtp.doctor.finding import Record


class TokenCheck:
    """Gives the tokens of another source and tells of each."""

    def __init__(self, tokens: Tokens, record: Record) -> None:
        self._tokens = tokens
        self._record = record

    async def token(self) -> str:
        """Give a token that should be good."""
        return await self._told(self._tokens.token(), "an access token is at hand")

    async def renewed(self, refused: str) -> str:
        """Give another one than was refused."""
        return await self._told(self._tokens.renewed(refused), "the access token was renewed")

    async def _told(self, coming: Awaitable[str], found: str) -> str:
        try:
            token = await coming
        except TokenError as error:
            self._record.note("token", "failed", error.message, hint=error.hint, code=error.code)
            raise
        self._record.note("token", "ok", found)
        return token
