"""What the SMTP server asks: who sends, may they, and take this message."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to a client (RFC 5321 4.2); `enhanced` is RFC 3463's status, "" for none.

    The text may be of any length and language: the server writes it in lines that fit, and controls as spaces.
    """

    code: int
    enhanced: str
    text: str

    @property
    def is_positive(self) -> bool:
        """Whether it accepts."""
        return self.code < 400  # noqa: PLR2004 -- RFC 5321 4.2.1


@dataclass(frozen=True)
class App:
    """A program that has logged in; a gate may know more of it in a class derived from this one."""

    name: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """A message as it was handed in: lines end with CRLF, and the dots of the transfer are taken away.

    `reverse_path` is "" for the null path; the forward paths are distinct, in their order. `peer` is where it came
    from: an address, or `uid 1000`.
    """

    reverse_path: str
    forward_paths: tuple[str, ...]
    content: bytes
    smtputf8: bool
    peer: str


class Gate(Protocol):
    """Decides for the server; it is asked by many sessions at once.

    What it raises is told to the client as 451 and logged: nothing was taken then. Each answer is awaited, so a gate
    slows whom it does not know by answering late.
    """

    async def authenticate(self, login: str, password: str, peer: str) -> App | Reply:
        """Give the app with this login and password, or the reply that refuses: 535 5.7.8."""

    async def peer_user(self, uid: int) -> App | Reply:
        """Give the app of a user of this machine, or the reply that refuses: 550 5.7.1 to its MAIL."""

    async def may_send_from(self, app: App, reverse_path: str) -> Reply | None:
        """Give the reply that refuses this reverse-path ("" for the null path), or None."""

    async def may_send_to(self, app: App, forward_path: str) -> Reply | None:
        """Give the reply that refuses this recipient, or None."""

    async def take(self, app: App, submitted: Submitted) -> Reply:
        """Store the message, and say so: 250 only once it is committed, with the name of its delivery."""
