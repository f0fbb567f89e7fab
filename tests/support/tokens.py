"""A source of access tokens for tests: it gives what it is told to, and remembers what it was asked."""

from mailnode.errors import TokenError


class Purse:
    """Gives the first of some tokens, and the next one for each that was refused; an error is raised in its turn."""

    def __init__(self, *tokens: str | TokenError) -> None:
        self._tokens = tokens
        self._at = 0
        self.asked = 0
        self.refused: list[str] = []

    async def token(self) -> str:
        """Give the token that is good for now."""
        self.asked += 1
        return self._give(self._at)

    async def renewed(self, refused: str) -> str:
        """Give the next one; one that can't be had leaves the refused one in its place."""
        self.refused.append(refused)
        if refused == self._tokens[self._at]:
            token = self._give(self._at + 1)
            self._at += 1
            return token
        return self._give(self._at)

    def _give(self, at: int) -> str:
        token = self._tokens[at]
        if isinstance(token, TokenError):
            raise token
        return token
