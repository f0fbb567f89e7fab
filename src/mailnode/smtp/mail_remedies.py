"""Refusals of a session, sender, recipient or content, recognised by the text of the reply, and the remedies."""

from typing import NamedTuple


class ByLogin(NamedTuple):
    """A remedy that depends on the login of the session: none, a password, or an access token."""

    no_login: str
    password: str
    token: str


# As in `login_remedies`: reply codes ("" for any), a pattern, the remedy; the first entry that matches counts.

EHLO_NAME = "set ehloName (or MAILNODE_EHLO_NAME) to a host name of this machine that DNS resolves"

_LOGIN_WANTED = ByLogin(
    "the server requires a login before it accepts mail: use a connection with user name and password",
    "the login worked, but the server accepts no mail from this account: check that it may send, and as whom",
    "the token was accepted, but the server accepts no mail with it: check that its scope allows sending, and as whom",
)
_NOT_FROM_THIS_ACCOUNT = "the server accepts no mail for this recipient from this account: see its reply; check that"
_NO_RELAY = ByLogin(
    "the server does not accept mail for this recipient from here: log in, or use your own domain's server",
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
        "Microsoft blocks the IP address that this mail comes from: request its removal at sender.office.com",
    ),
)

# Of EHLO and HELO alone. Google's relay says no more than the first of these to an address literal.
EHLO_REMEDIES = (
    (
        "421 450 451 452 454",
        r"4\.7\.0 try again later|\(EHLO\)",
        f"the server may not accept the EHLO name: {EHLO_NAME}; otherwise try again later",
    ),
    (
        "501 504 521 550 553 554",
        r"host ?name|\bdomain\b|\bFQDN\b|fully.qualified|\bliteral\b|syntax|argument|your name|\bnot resolve",
        EHLO_NAME,
    ),
)

# Of MAIL, RCPT, DATA and the content.
MAIL_REMEDIES = (
    # Who may be the sender
    (
        "",
        r"5\.7\.60\b|5\.2\.252|SendAsDenied|not allowed to send as|sender address rejected: not owned",
        "this account may not send as that address: use its own address as `from`, or grant it Send As",
    ),
    (
        "",
        r"relaying disallowed as|not allowed to relay emails|not authori[sz]ed to send from|sender .*is not allowed",
        "use an address of this account as `from` and envelopeFrom, or add the other one to the account as an alias",
    ),
    (
        "",
        r"from address .*(?:not one of|doesn't match|not verified)",
        "use an address of this account as `from` and envelopeFrom, or add the other one to the account as an alias",
    ),
    (
        "",
        r"email address is not verified",
        "verify this address or its domain in the SES console of that region; in the sandbox, the recipients' too",
    ),
    (
        "",
        r"verified sender identity|unauthenticated senders not allowed|sender signature|domain .*not verified",
        "verify this sender's address or domain with the provider, or use one that is",
    ),
    (
        "",
        r"not authorized to perform .?ses:",
        "grant the SES user of these credentials the permission ses:SendRawEmail for this sender",
    ),
    (
        "",
        r"sandbox.*(?:not allowed|authorized recipients)|free accounts are for test purposes",
        "add the recipient to Mailgun's authorized recipients, or send from a domain of your own",
    ),
    (
        "",
        r"5\.1\.8\b.*(?:outbound|access denied)|OutboundSpamException",
        "Microsoft blocked this account for the mail it sent: unblock it under Restricted entities in Defender",
    ),
    (
        "",
        r"5\.7\.64\b|TenantAttribution",
        "add this machine's IP address, or its certificate's name, to an inbound connector of Microsoft 365",
    ),
    (
        "",
        r"invalid credentials for relay",
        "register this machine's address, or a login, with the SMTP relay service in Google Workspace's admin console",
    ),
    (
        "",
        r"sender address rejected: domain not found|sender domain (?:must|not|does)|[45]\.1\.8\b|5\.7\.27",
        "use a sender whose domain exists in DNS and accepts mail itself",
    ),
    (
        "",
        r"reverse (?:dns|hostname|lookup)|cannot find your hostname|\bPTR\b|[45]\.7\.25\b",
        "ask for a reverse DNS record (PTR) for this machine's IP address, or send through your provider's server",
    ),
    (
        "",
        r"\bSPF\b|\bDKIM\b|\bDMARC\b|5\.7\.2[0-4]\b|5\.7\.26|5\.7\.509",
        "the sender's domain must allow this server (SPF) and sign (DKIM): use a `from` of a domain that does",
    ),
    # How mail must be sent
    ("530", r"starttls|tls", "the server accepts mail over TLS only: set tlsOption to starttls"),
    (
        "530 503 550 553 554",
        r"authenticat|auth(?:orization)? required|log ?in|not logged in",
        _LOGIN_WANTED,
    ),
    # Which recipients
    (
        "",
        r"relay|5\.7\.1 .*not permitted",
        _NO_RELAY,
    ),
    (
        "",
        r"greylist|graylist|grey-list|postgrey",
        "the server asks for a second attempt (greylisting): try again in a few minutes",
    ),
    (
        "",
        r"[45]\.2\.2\b|over quota|mailbox (?:is )?full",
        "the recipient's mailbox is full: try again later, or reach them another way",
    ),
    (
        "",
        r"5\.2\.1\b|(?:mailbox|account) (?:is )?(?:disabled|inactive)",
        "the recipient's mailbox does not accept mail at the moment: reach them another way",
    ),
    (
        "",
        r"5\.1\.[123]\b|user unknown|no such (?:user|recipient)|unknown (?:user|recipient|mailbox)|does not exist",
        "check the recipient's address: the server knows no such mailbox",
    ),
    # Content and size
    (
        "",
        r"daily (?:user |message )?(?:sending )?(?:quota|limit)|5\.4\.5\b|monthly limit",
        "the account's limit for this day is used up: continue tomorrow, or use a larger plan or another server",
    ),
    (
        "550 552 554",
        r"potential security issue|(?:attachment|file) type|BlockedMessage|virus|malware",
        "the server does not accept this attachment: send a link, or another type of file",
    ),
    ("552 523", r"5\.3\.4|5\.2\.3|size|too (?:large|big)", "send a smaller attachment, or a link to it"),
)

# Of the sender's reputation, where nothing above matches.
REPUTATION_REMEDIES = (
    (
        "",
        r"spamhaus|blocklist|blacklist|block list|listed (?:by|in|at)|poor reputation",
        "the address of this machine or of the server is on a block list: follow the link in the reply",
    ),
    (
        "",
        r"\[TSS?\d\d\]|user complaints|unusual (?:rate|sending)|unexpected volume",
        "the provider distrusts this amount of mail: send more slowly, and only to people who asked for it",
    ),
    (
        "550 552 554",
        r"\bspam\b|unsolicited|policy reasons|DT:SPM",
        "the server considers this mail spam: check its links and wording, and sign it (DKIM)",
    ),
    (
        "",
        r"concurrent connections|too many connections|thread limit",
        "send over fewer sessions at once: the server limits them",
    ),
    (
        "",
        r"4\.7\.|too many|rate limit|throttl|exceeded|sending rate",
        "the server limits how much it accepts: send more slowly, or try again later",
    ),
)
