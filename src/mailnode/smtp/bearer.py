"""Who we are by an access token: OAUTHBEARER (RFC 7628) and XOAUTH2, which is older and Google's."""

from dataclasses import dataclass
from typing import Protocol


class Tokens(Protocol):
    """Gives the access tokens of one account; sources that are equal give the same ones."""

    def __hash__(self) -> int:
        """Tell sources apart, so that sessions of one are not used for another."""

    async def token(self) -> str:
        """Give a token that should be good; what this raises is raised where the session is wanted."""

    async def renewed(self, refused: str) -> str:
        """Give another token than the one that a server has refused, or raise why there is none."""


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """A user name, and where its access tokens come from."""

    username: str
    tokens: Tokens
