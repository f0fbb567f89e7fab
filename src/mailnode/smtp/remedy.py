"""What a server's refusal means to a person, and what to do about it: the known texts of the large providers."""

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from mailnode.errors import Phase
from mailnode.smtp.bearer import Complaint
from mailnode.smtp.login_remedies import LOGIN_REMEDIES, TOKEN_REMEDIES
from mailnode.smtp.mail_remedies import MAIL_REMEDIES, REPUTATION_REMEDIES, SESSION_REMEDIES
from mailnode.smtp.reply import Reply


class _Remedy(NamedTuple):
    phases: frozenset[Phase]
    codes: frozenset[int]
    pattern: re.Pattern[str]
    hint: str


_AUTH: frozenset[Phase] = frozenset({"auth"})
_TOKEN: frozenset[Phase] = frozenset({"token"})
_MAIL: frozenset[Phase] = frozenset({"mail", "rcpt", "data", "content"})
_ANY: frozenset[Phase] = _AUTH | _TOKEN | _MAIL | {"greeting", "ehlo"}


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
        *_of(_TOKEN, TOKEN_REMEDIES),
        *_of(_MAIL, MAIL_REMEDIES),
        *_of(_ANY, REPUTATION_REMEDIES),
    )


_AUTH_REFUSED = 535
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
    return _find(reply.code, f"{reply} [{host}]", phase) or (
        "the server may take it later: try again" if reply.is_transient else _FOR_GOOD.get(phase, _FOR_GOOD["content"])
    )


def explain_token(reply: Reply | None, complaint: Complaint, host: str = "") -> str:
    """Give a sentence that says what to do about the refusal of an access token.

    `reply` is None where the server hung up behind its complaint.
    """
    said = f"{reply or ''} [{host}] {complaint}"
    return _find(reply.code if reply else _AUTH_REFUSED, said, "token")


def _find(code: int, said: str, phase: Phase) -> str:
    for remedy in _remedies():
        if phase in remedy.phases and (not remedy.codes or code in remedy.codes) and remedy.pattern.search(said):
            return remedy.hint
    return ""
