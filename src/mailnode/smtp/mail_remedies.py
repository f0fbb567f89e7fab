"""Refusals of a session, a sender, a recipient or a content that are known by their words, and the remedies."""

from typing import NamedTuple


class ByLogin(NamedTuple):
    """A remedy that is another one for who has not logged in, who did by password, and who did by access token."""

    nobody: str
    password: str
    token: str


# As in `login_remedies`: reply codes ("" for any), a pattern, the remedy; the first line that fits counts.

EHLO_NAME = "set ehloName (or MAILNODE_EHLO_NAME) to a host name of this machine that DNS knows"

_LOGIN_WANTED = ByLogin(
    "the server wants a login before it takes mail: give a connection with user name and password",
    "the login worked, but the server accepts no mail from this account: see that it may send over SMTP, and as whom",
    "the token was accepted, but the server accepts no mail with it: see that its scope allows sending, and as whom",
)
_NOT_FROM_THIS_ACCOUNT = "the server does not take mail for this recipient from this account: see its words, and that"
_NO_RELAY = ByLogin(
    "the server does not take mail for this recipient from here: log in, or use your own domain's server",
    f"{_NOT_FROM_THIS_ACCOUNT} the account, and the address in `from`, may send to other domains",
    f"{_NOT_FROM_THIS_ACCOUNT} the token's scope, and the address in `from`, allow it",
)
_BAD_NAME = (
    r"\b(?:helo|ehlo)\b.*(?:reject|fully-qualified|not found|invalid|bad|must|does not|mismatch|forged)"
    r"|(?:invalid|bad|bogus|forged|rejected) (?:helo|ehlo)|need fully-qualified host"
)

# Of the greeting, EHLO and everything after it.
SESSION_REMEDIES = (
    (
        "",
        r"5\.7\.57|client (?:was )?not authenticated to send",
        _LOGIN_WANTED,
    ),
    ("421 450 451 501 504 521 550 553 554", _BAD_NAME, EHLO_NAME),
    (
        "",
        r"5\.7\.60[6-9]|5\.7\.6[1-4]\d|banned sending ip",
        "Microsoft bars the address that this mail comes from: ask at sender.office.com to take it off the list",
    ),
)

# Of EHLO and HELO alone. Google's relay says no more than the first of these to an address literal.
EHLO_REMEDIES = (
    (
        "421 450 451 452 454",
        r"4\.7\.0 try again later|\(EHLO\)",
        f"the server may not take the name that it was greeted with: {EHLO_NAME}; else try again later",
    ),
    (
        "501 504 521 550 553 554",
        r"host ?name|\bdomain\b|\bFQDN\b|fully.qualified|\bliteral\b|syntax|argument|your name|\bnot resolve",
        EHLO_NAME,
    ),
)

# Of MAIL, RCPT, DATA and the content.
MAIL_REMEDIES = (
    # Whose name may stand there
    (
        "",
        r"5\.7\.60\b|5\.2\.252|SendAsDenied|not allowed to send as|sender address rejected: not owned",
        "this account may not send as that address: use its own address as `from`, or grant it Send As",
    ),
    (
        "",
        r"relaying disallowed as|not allowed to relay emails|not authori[sz]ed to send from|sender .*is not allowed",
        "use an address of this account as `from` and envelopeFrom, or add the other one to it as an alias",
    ),
    (
        "",
        r"from address .*(?:not one of|doesn't match|not verified)",
        "use an address of this account as `from` and envelopeFrom, or add the other one to it as an alias",
    ),
    (
        "",
        r"email address is not verified",
        "verify this address, or its domain, in the SES console; in the sandbox the recipients' too, each by region",
    ),
    (
        "",
        r"verified sender identity|unauthenticated senders not allowed|sender signature|domain .*not verified",
        "verify this sender's address or domain with the provider, or use one that is",
    ),
    (
        "",
        r"not authorized to perform .?ses:",
        "give the SES user whose credentials these are the right ses:SendRawEmail for this sender",
    ),
    (
        "",
        r"sandbox.*(?:not allowed|authorized recipients)|free accounts are for test purposes",
        "add the recipient to Mailgun's authorized recipients, or send from a domain of your own",
    ),
    (
        "",
        r"5\.1\.8\b.*(?:outbound|access denied)|OutboundSpamException",
        "Microsoft has stopped this account's mail for what it sent: unblock it under Restricted entities in Defender",
    ),
    (
        "",
        r"5\.7\.64\b|TenantAttribution",
        "tell Microsoft 365 of this machine: add its address, or its certificate's name, to an inbound connector",
    ),
    (
        "",
        r"invalid credentials for relay",
        "register this machine's address, or a login, with the SMTP relay service in Google Workspace's admin console",
    ),
    (
        "",
        r"sender address rejected: domain not found|sender domain (?:must|not|does)|[45]\.1\.8\b|5\.7\.27",
        "use a sender of a domain that DNS knows and that takes mail itself",
    ),
    (
        "",
        r"reverse (?:dns|hostname|lookup)|cannot find your hostname|\bPTR\b|[45]\.7\.25\b",
        "have a reverse DNS entry (PTR) made for this machine's address, or send by your provider's server",
    ),
    (
        "",
        r"\bSPF\b|\bDKIM\b|\bDMARC\b|5\.7\.2[0-4]\b|5\.7\.26|5\.7\.509",
        "the sender's domain must allow this server (SPF) and sign (DKIM): use a `from` of a domain that does",
    ),
    # How mail must come
    ("530", r"starttls|tls", "the server takes mail over TLS only: set tlsOption to starttls"),
    (
        "530 503 550 553 554",
        r"authenticat|auth(?:orization)? required|log ?in|not logged in",
        _LOGIN_WANTED,
    ),
    # Whom it reaches
    (
        "",
        r"relay|5\.7\.1 .*not permitted",
        _NO_RELAY,
    ),
    (
        "",
        r"greylist|graylist|grey-list|postgrey",
        "the server wants to see the mail a second time (greylisting): try again in some minutes",
    ),
    (
        "",
        r"[45]\.2\.2\b|over quota|mailbox (?:is )?full",
        "the recipient's mailbox is full: try again later, or reach them another way",
    ),
    (
        "",
        r"5\.2\.1\b|(?:mailbox|account) (?:is )?(?:disabled|inactive)",
        "the recipient's mailbox accepts no mail at the moment: reach them another way",
    ),
    (
        "",
        r"5\.1\.[123]\b|user unknown|no such (?:user|recipient)|unknown (?:user|recipient|mailbox)|does not exist",
        "check the recipient's address: the server knows no such mailbox",
    ),
    # What it may hold, and how much of it
    (
        "",
        r"daily (?:user |message )?(?:sending )?(?:quota|limit)|5\.4\.5\b|monthly limit",
        "the account's mails for this day are used up: go on tomorrow, or use a larger plan or another server",
    ),
    (
        "550 552 554",
        r"potential security issue|(?:attachment|file) type|BlockedMessage|virus|malware",
        "the server does not take this attachment: send a link, or another type of file",
    ),
    ("552 523", r"5\.3\.4|5\.2\.3|size|too (?:large|big)", "send a smaller attachment, or a link to it"),
)

# Of the server's opinion of us, where nothing above fits.
REPUTATION_REMEDIES = (
    (
        "",
        r"spamhaus|blocklist|blacklist|block list|listed (?:by|in|at)|poor reputation",
        "the address of this machine or of the server is on a block list: follow the link in the reply",
    ),
    (
        "",
        r"\[TSS?\d\d\]|user complaints|unusual (?:rate|sending)|unexpected volume",
        "the provider mistrusts so much mail from here: send more slowly, and to people who want it",
    ),
    (
        "550 552 554",
        r"\bspam\b|unsolicited|policy reasons|DT:SPM",
        "the server takes this mail for spam: look at its links and words, and sign it (DKIM)",
    ),
    (
        "",
        r"concurrent connections|too many connections|thread limit",
        "send over fewer sessions at once: the server counts them",
    ),
    (
        "",
        r"4\.7\.|too many|rate limit|throttl|exceeded|sending rate",
        "the server limits how much it takes: send more slowly, or try again later",
    ),
)
