"""What a server's refusal means, and what to do about it: the known texts of the large providers."""

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from mailnode.errors import Phase
from mailnode.smtp import bearer
from mailnode.smtp.bearer import TokenStatus
from mailnode.smtp.login_remedies import LOGIN_REMEDIES, TOKEN_REMEDIES
from mailnode.smtp.mail_remedies import (
    EHLO_NAME,
    EHLO_REMEDIES,
    MAIL_REMEDIES,
    REPUTATION_REMEDIES,
    SESSION_REMEDIES,
    ByLogin,
)
from mailnode.smtp.reply import Reply


class _Remedy(NamedTuple):
    phases: frozenset[Phase]
    codes: frozenset[int]
    pattern: re.Pattern[str]
    hint: str | ByLogin


_AUTH: frozenset[Phase] = frozenset({"auth"})
_TOKEN: frozenset[Phase] = frozenset({"token"})
_EHLO: frozenset[Phase] = frozenset({"ehlo"})
_MAIL: frozenset[Phase] = frozenset({"mail", "rcpt", "data", "content"})
_ANY: frozenset[Phase] = _AUTH | _TOKEN | _EHLO | _MAIL | {"greeting"}


def _of(phases: frozenset[Phase], table: Iterable[tuple[str, str, str | ByLogin]]) -> list[_Remedy]:
    return [
        _Remedy(phases, frozenset(map(int, codes.split())), re.compile(pattern, re.IGNORECASE), hint)
        for codes, pattern, hint in table
    ]


@cache
def _remedies() -> tuple[_Remedy, ...]:
    """Compile the tables when the first refusal needs them: it takes some milliseconds."""
    return (
        *_of(_ANY, SESSION_REMEDIES),
        *_of(_EHLO, EHLO_REMEDIES),
        *_of(_AUTH, LOGIN_REMEDIES),
        *_of(_TOKEN, TOKEN_REMEDIES),
        *_of(_MAIL, MAIL_REMEDIES),
        *_of(_ANY, REPUTATION_REMEDIES),
    )


_AUTH_REFUSED = 535
# For unknown texts, the reply itself is the explanation, and the phase says what it is about.
_PERMANENT: dict[Phase, str] = {
    "greeting": "the server accepts no mail from this machine: see its reply, or use a server that you log in to",
    "ehlo": f"see the server's reply; the cause may be the EHLO name: {EHLO_NAME}",
    "auth": "see the server's reply, then check user name and password, and that this account may send over SMTP",
    "mail": "the server does not accept mail from this sender: see its reply, and use an address that it knows",
    "rcpt": "the server does not accept mail for this recipient: see its reply, and check the address",
    "data": "see the server's reply: it accepted the sender and the recipients, and refused the mail",
    "content": "fix what the server's reply names, then send the mail again",
}
_TEMPORARY: dict[Phase, str] = {
    "greeting": "the server accepts no mail now, or none from this machine: see its reply, and try again later",
    "ehlo": f"try again later; if it happens again, the cause may be the EHLO name: {EHLO_NAME}",
    "auth": "the server can't check logins at the moment: try again later",
}
_LATER = "the server may accept it later: try again"


def explain(reply: Reply, phase: Phase, host: str = "", *, mechanism: str = "") -> str:
    """Give a sentence that says what to do about a refusal.

    `host` identifies the provider of a login where the text does not; `mechanism` is the one of the session's login, ""
    where there was none.
    """
    text = f"{reply} [{host}]" if phase in _AUTH else str(reply)  # in other phases a host's name could match a text
    return _find(reply.code, text, phase, mechanism) or (
        _TEMPORARY.get(phase, _LATER) if reply.is_transient else _PERMANENT.get(phase, _PERMANENT["content"])
    )


def explain_token_refusal(reply: Reply | None, status: TokenStatus, host: str = "") -> str:
    """Give a sentence that says what to do about the refusal of an access token.

    `reply` is None where the server closed the connection after its error status.
    """
    text = f"{reply or ''} [{host}] {status}"
    return _find(reply.code if reply else _AUTH_REFUSED, text, "token", "")


def _find(code: int, text: str, phase: Phase, mechanism: str) -> str:
    for remedy in _remedies():
        if phase in remedy.phases and (not remedy.codes or code in remedy.codes) and remedy.pattern.search(text):
            return _for_login(remedy.hint, mechanism)
    return ""


def _for_login(hint: str | ByLogin, mechanism: str) -> str:
    if isinstance(hint, str):
        return hint
    if not mechanism:
        return hint.no_login
    return hint.token if mechanism in bearer.MECHANISMS else hint.password
