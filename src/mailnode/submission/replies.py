"""Replies to clients, as they are written (RFC 5321 4.2.1, RFC 2034), in the words that servers use."""

import textwrap
from collections.abc import Mapping, Sequence

from mailnode.printable import without_controls
from mailnode.submission.gate import Reply

# RFC 5321 4.5.3.1.5 allows 512 bytes a line; a character of UTF-8 may have four.
_LINE_CHARACTERS = 120

OK = Reply(250, "2.0.0", "Ok")
SENDER_OK = Reply(250, "2.1.0", "Ok")
RECIPIENT_OK = Reply(250, "2.1.5", "Ok")
GO_AHEAD = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")
LOGGED_IN = Reply(235, "2.7.0", "Authentication successful")
GOODBYE = Reply(221, "2.0.0", "Bye")
LOGIN_FIRST = Reply(530, "5.7.0", "Authentication required")
TLS_FIRST = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
TLS_NEEDED = Reply(538, "5.7.11", "Encryption required for authentication")
UNKNOWN = Reply(500, "5.5.2", "Error: command not recognized")
LINE_TOO_LONG = Reply(500, "5.5.2", "Error: line too long")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Error: too many recipients")
EHLO_FIRST = Reply(503, "5.5.1", "Error: send EHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "Error: need MAIL command")
NESTED_MAIL = Reply(503, "5.5.1", "Error: nested MAIL command")
LOGGED_IN_ALREADY = Reply(503, "5.5.1", "Error: already authenticated")
NO_STARTTLS = Reply(502, "5.5.1", "Error: STARTTLS is not offered")
NO_RECIPIENTS = Reply(554, "5.5.1", "Error: no valid recipients")
NOT_SMTP = Reply(421, "4.7.0", "Error: this is an SMTP server")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Error: too many errors")
TOO_MANY_LOGINS = Reply(421, "4.7.0", "Error: too many failed logins")
TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Error: too many connections; try again later")
TOO_MANY_OF_APP = Reply(421, "4.7.0", "Error: too many connections of this app; try again later")
TIMEOUT = Reply(421, "4.4.2", "Error: timeout exceeded")
STOPPING = Reply(421, "4.3.2", "Service is shutting down; try again later")
TROUBLE = Reply(451, "4.3.0", "Error: temporary failure, nothing was taken; try again later")
BROKEN = Reply(421, "4.3.0", "Error: internal error; try again later")
LOGIN_TROUBLE = Reply(454, "4.7.0", "Temporary authentication failure; try again later")

_NOT_IMPLEMENTED = Reply(502, "5.5.1", "Error: command not implemented")
# What changes nothing.
TO_OTHERS: Mapping[str, Reply] = {
    "NOOP": OK,
    "VRFY": Reply(252, "2.0.0", "Cannot VRFY user, but will accept message and attempt delivery"),
    "HELP": Reply(214, "2.0.0", "Commands: EHLO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT"),
    **dict.fromkeys(("EXPN", "ETRN", "TURN", "BDAT"), _NOT_IMPLEMENTED),
}

# Clients of the web: the body of a request can hold commands that a page has chosen.
WEB = frozenset({"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "HOST:", "USER-AGENT:"})


def offers(message_bytes: int, *, starttls: bool, auth: Sequence[str]) -> list[str]:
    """Give the keywords of the reply to EHLO."""
    return [
        "PIPELINING",
        f"SIZE {message_bytes}",
        *(["STARTTLS"] if starttls else []),
        *([f"AUTH {' '.join(auth)}"] if auth else []),
        *("ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8"),
    ]


def too_large(most: int) -> Reply:
    """Give the reply to a message that is larger than so many bytes."""
    return Reply(552, "5.3.4", f"Message size exceeds the limit of {most} bytes")


def in_bytes(reply: Reply, *, utf8: bool = False) -> bytes:
    """Write a reply, in several lines if it is long; beyond ASCII only with `utf8` (RFC 6531 3.5)."""
    if len(reply.text) <= _LINE_CHARACTERS and reply.text.isprintable():  # nearly all are
        return lines_in_bytes(reply.code, [f"{reply.enhanced} {reply.text}".strip()], utf8=utf8)
    texts = textwrap.wrap(without_controls(reply.text), _LINE_CHARACTERS) or [""]
    return lines_in_bytes(reply.code, [f"{reply.enhanced} {text}".strip() for text in texts], utf8=utf8)


def lines_in_bytes(code: int, texts: list[str], *, utf8: bool = False) -> bytes:
    """Write a reply with these lines."""
    lines = [f"{code}-{text}\r\n" for text in texts[:-1]] + [f"{code} {texts[-1]}\r\n"]
    return "".join(lines).encode("utf-8" if utf8 else "ascii", "replace")
