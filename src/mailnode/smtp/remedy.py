"""What a server's refusal means to a person, and what to do about it: the known texts of the large providers."""

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from mailnode.errors import Phase
from mailnode.smtp.login_remedies import LOGIN_REMEDIES
from mailnode.smtp.mail_remedies import MAIL_REMEDIES, REPUTATION_REMEDIES, SESSION_REMEDIES
from mailnode.smtp.reply import Reply


class _Remedy(NamedTuple):
    phases: frozenset[Phase]
    codes: frozenset[int]
    pattern: re.Pattern[str]
    hint: str


_AUTH: frozenset[Phase] = frozenset({"auth"})
_MAIL: frozenset[Phase] = frozenset({"mail", "rcpt", "data", "content"})
_ANY: frozenset[Phase] = _AUTH | _MAIL | {"greeting", "ehlo"}


def _of(phases: frozenset[Phase], table: Iterable[tuple[str, str, str]]) -> list[_Remedy]:
    return [
        _Remedy(phases, frozenset(map(int, codes.split())), re.compile(pattern, re.IGNORECASE), hint)
        for codes, pattern, hint in table
    ]


@cache
def _remedies() -> tuple[_Remedy, ...]:
    """Compile the tables, which takes some milliseconds that a mail that goes well need not wait for."""
    return (
        *_of(_ANY, SESSION_REMEDIES),
        *_of(_AUTH, LOGIN_REMEDIES),
        *_of(_MAIL, MAIL_REMEDIES),
        *_of(_ANY, REPUTATION_REMEDIES),
    )


# Where no text is known the server's own words are the explanation, and the phase says what they are about.
_FOR_GOOD: dict[Phase, str] = {
    "mail": "the server does not take mail from this sender: see its words, and use an address that it knows",
    "rcpt": "the server does not take mail for this recipient: see its words, and check the address",
    "content": "mend what the server's words name, then send the mail again",
}


def explain(reply: Reply, phase: Phase, host: str = "") -> str:
    """Give a sentence that says what to do about a refusal.

    `host` helps where the text does not tell the provider.
    """
    said = f"{reply} [{host}]"
    for remedy in _remedies():
        if phase in remedy.phases and (not remedy.codes or reply.code in remedy.codes) and remedy.pattern.search(said):
            return remedy.hint
    return (
        "the server may take it later: try again" if reply.is_transient else _FOR_GOOD.get(phase, _FOR_GOOD["content"])
    )
