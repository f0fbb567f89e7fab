"""What a server knows of the mail that it was given, whatever the client makes of it."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class ServerBook:
    """What a server knows: of the whole, and by the address of a recipient.

    `copies` counts what was taken for somebody; `in_doubt` how often content for somebody had begun, and the session
    was over before an answer to its end. `told` has each refusal by a word of its own that stands in it, with those
    whom it had to do with, nobody where it was said before their names. `faults` counts each kind of fault, `mails` all
    that was taken, and `broken` are mails that were taken and had no end. `answered` has who was told, and when, that a
    mail for somebody was taken, until whoever reads it takes that out.
    """

    name: str
    mails: int = 0
    broken: int = 0
    copies: Counter[str] = field(default_factory=Counter)
    in_doubt: Counter[str] = field(default_factory=Counter)
    told: dict[str, frozenset[str]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    answered: dict[str, tuple[str, float]] = field(default_factory=dict)

    def take(self, recipients: list[str], content: bytes) -> None:
        """Note a mail that was taken."""
        self.mails += 1
        self.copies.update(recipients)
        self.broken += not content.endswith(b"--\r\n")

    def refuse(self, code: int, recipients: tuple[str, ...] = ()) -> bytes:
        """Note a refusal, and give the reply."""
        word = f"{self.name}-{len(self.told)}"
        self.told[word] = frozenset(recipients)
        return b"%d %d.3.0 %s\r\n" % (code, code // 100, word.encode())
