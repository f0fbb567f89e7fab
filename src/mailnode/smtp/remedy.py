"""What a server's refusal means to a person, and what to do about it: the known texts of the large providers."""

import re
from typing import NamedTuple

from mailnode.errors import Phase
from mailnode.smtp.reply import Reply


class _Remedy(NamedTuple):
    phases: frozenset[Phase]
    codes: frozenset[int]
    pattern: re.Pattern[str]
    hint: str


_AUTH: frozenset[Phase] = frozenset({"auth"})
_ENVELOPE: frozenset[Phase] = frozenset({"mail", "rcpt", "data", "content"})
_ANY: frozenset[Phase] = _AUTH | _ENVELOPE | {"greeting", "ehlo"}


def _remedy(phases: frozenset[Phase], codes: str, pattern: str, hint: str) -> _Remedy:
    return _Remedy(phases, frozenset(map(int, codes.split())), re.compile(pattern, re.IGNORECASE), hint)


# The first line that fits counts, so the particular stands above the general. The pattern is searched in
# `535 5.7.8 text`; no codes means any.
_REMEDIES = (
    _remedy(
        _AUTH,
        "534 535",
        r"application-specific password|InvalidSecondFactor",
        "Google wants an app password here: make one in the Google Account under Security, App passwords",
    ),
    _remedy(
        _AUTH,
        "534 535",
        r"gsmtp|google|BadCredentials|WebLoginRequired",
        "check user name and password; Gmail takes an app password only, which wants 2-step verification",
    ),
    _remedy(
        _AUTH,
        "",
        r"5\.7\.139|SmtpClientAuthentication is disabled",
        "SMTP AUTH is off for this tenant or mailbox: switch on Authenticated SMTP in the Microsoft 365 admin center",
    ),
    _remedy(
        _AUTH,
        "",
        r"5\.7\.30|basic authentication is (?:disabled|not supported)",
        "Microsoft 365 takes no passwords over SMTP any more, only OAuth2: use a server that takes them",
    ),
    _remedy(
        _AUTH,
        "535",
        r"5\.7\.3\b.*authentication unsuccessful|outlook\.com|office365",
        "check user name and password, and that Microsoft 365 has Authenticated SMTP on for the mailbox",
    ),
    _remedy(
        _ANY,
        "",
        r"5\.7\.57|client (?:was )?not authenticated to send",
        "the server wants a login before it takes mail: give a connection with user name and password",
    ),
    _remedy(
        _AUTH,
        "",
        r"yahoo|aol\.com|AT&T",
        "Yahoo and AOL take an app password only: make one in the account's security settings",
    ),
    _remedy(
        _AUTH,
        "",
        r"icloud|mail\.me\.com|apple",
        "iCloud takes an app-specific password only: make one in the Apple account's sign-in settings",
    ),
    _remedy(
        _AUTH,
        "454 421 435 450 451",
        r"",
        "the server can't check logins at the moment: try again later",
    ),
    _remedy(
        _AUTH,
        "538",
        r"",
        "the server wants TLS before a login: set tlsOption to starttls or tls",
    ),
    _remedy(
        _AUTH,
        "534 535",
        r"",
        "check user name and password; many providers want an app password instead of the account's own",
    ),
    _remedy(
        _ENVELOPE,
        "",
        r"5\.7\.60|5\.2\.252|SendAsDenied|not allowed to send as|sender address rejected: not owned",
        "this account may not send as that address: use its own address as `from`, or grant it Send As",
    ),
    _remedy(
        _ENVELOPE,
        "",
        r"\bSPF\b|\bDKIM\b|\bDMARC\b|5\.7\.2[3567]",
        "the sender's domain must allow this server (SPF) and sign (DKIM): use a `from` of a domain that does",
    ),
    _remedy(
        _ENVELOPE,
        "530",
        r"starttls|tls",
        "the server takes mail over TLS only: set tlsOption to starttls",
    ),
    _remedy(
        _ENVELOPE,
        "530 503 550 553 554",
        r"authenticat|auth(?:orization)? required|log ?in",
        "the server wants a login before it takes mail: give a connection with user name and password",
    ),
    _remedy(
        _ENVELOPE,
        "",
        r"relay|5\.7\.1 .*not permitted",
        "the server does not take mail for this recipient from here: log in, or use your own domain's server",
    ),
    _remedy(
        _ENVELOPE,
        "",
        r"greylist|graylist|grey-list|postgrey",
        "the server wants to see the mail a second time (greylisting): try again in some minutes",
    ),
    _remedy(
        _ENVELOPE,
        "",
        r"[45]\.2\.2|over quota|mailbox (?:is )?full",
        "the recipient's mailbox is full: try again later, or reach them another way",
    ),
    _remedy(
        _ENVELOPE,
        "",
        r"5\.1\.[123]|user unknown|no such (?:user|recipient)|unknown (?:user|recipient|mailbox)|does not exist",
        "check the recipient's address: the server knows no such mailbox",
    ),
    _remedy(
        _ENVELOPE,
        "552 523",
        r"5\.3\.4|5\.2\.3|size|too (?:large|big)",
        "send a smaller attachment, or a link to it",
    ),
    _remedy(
        _ANY,
        "",
        r"spamhaus|blocklist|blacklist|block list|listed (?:by|in|at)|poor reputation",
        "the address of this machine or of the server is on a block list: follow the link in the reply",
    ),
    _remedy(
        _ANY,
        "",
        r"4\.7\.|too many|rate limit|throttl|exceeded",
        "the server limits how much it takes: send more slowly, or try again later",
    ),
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
    for remedy in _REMEDIES:
        if phase in remedy.phases and (not remedy.codes or reply.code in remedy.codes) and remedy.pattern.search(said):
            return remedy.hint
    return (
        "the server may take it later: try again" if reply.is_transient else _FOR_GOOD.get(phase, _FOR_GOOD["content"])
    )
