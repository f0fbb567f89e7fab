"""What a scripted SMTP server does where, and what it remembers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# Stages that are no command. The last two are played instead of a command that came in one read with another command,
# or with the end of content: what a server does that can't do that.
STAGES = frozenset({"greeting", "tls", "content", "dot", "pipelined", "after dot"})


class Step(Enum):
    """What a server does instead of answering, or beside it."""

    DROP = "close the connection in good order"
    CUT = "close the connection, over TLS without its goodbye"
    RESET = "reset the connection"
    STALL = "answer nothing from here on, and read on"
    PAUSE = "read nothing from here on"
    HOLD = "go no further until the test says so; then go on, even if the client is gone"
    SWALLOW = "forget the rest of what came in this read"
    TAKE = "accept the message without saying so"
    USUAL = "do what is usual here"
    HANDSHAKE = "begin with TLS"


ENDS = frozenset({Step.DROP, Step.CUT, Step.RESET, Step.STALL, Step.PAUSE})
Act = str | bytes | Step
Action = Act | Sequence[Act]


@dataclass
class Visit:
    """One session as the server saw it: all octets, what came in one read, the commands, the messages."""

    octets: bytearray = field(default_factory=bytearray)
    groups: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    begun: list[tuple[str, str]] = field(default_factory=list)  # MAIL and RCPT of each whose content began to come
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self, verb: str) -> int:
        """How often a verb came."""
        return sum(command.upper().startswith(verb) for command in self.commands)


@dataclass(frozen=True)
class Accepted:
    """One message the server took: its envelope as it stood in the commands, its content as it was meant."""

    reverse_path: str
    forward_paths: tuple[str, ...]
    content: bytes


class Script:
    """Gives the action of a stage, by the most particular key that fits."""

    def __init__(self, actions: Mapping[str, Any]) -> None:
        self._actions = {key: list(action) if isinstance(action, list) else [action] for key, action in actions.items()}

    def action(self, stage: str, mail: str) -> Sequence[Act] | None:
        """Say what to do at a stage, or a command line; `mail` is the MAIL command of the message it is about.

        An action of several is used up, unless it is the last one; None means that nothing is said of this stage.
        """
        for key in sorted(self._actions, key=len, reverse=True):
            where, _, whose = key.partition(" of ")
            is_command = where not in STAGES and stage.upper().startswith(where.upper()) and bool(where) == bool(stage)
            if (stage == where or is_command) and whose in mail:
                actions = self._actions[key]
                action: Action = actions.pop(0) if len(actions) > 1 else actions[0]
                return [action] if isinstance(action, (str, bytes, Step)) else action
        return None

    def is_used_up(self, key: str) -> bool:
        """Whether the last action is all that is left."""
        return len(self._actions[key]) == 1
