"""Kinds of refusals: of the session itself, and those about a limit of the server's, not about mail or sender."""

import re
from typing import TYPE_CHECKING

from mailnode.errors import Phase, ServerRefused
from mailnode.smtp.remedy import explain
from mailnode.smtp.reply import Reply

if TYPE_CHECKING:  # which knows of sockets
    from mailnode.smtp.server import ServerSettings

# OpenSMTPD says `452 4.5.3 Too many messages sent` to MAIL, Haraka's `limit` 450 to RCPT, others 550 or 554.
_TOO_MANY = re.compile(r"\btoo many\b", re.IGNORECASE)
_CONCURRENT_LIMIT = 432  # what Exchange says, of connections and of threads
_SESSION_LIMIT = re.compile(
    r"\btoo many\b(?!.*\b(?:fail\w*|attempts?|tries|locked|invalid|bad|wrong|errors?|unknown)\b)"
    r"(?!.*\b(?:recipients?|messages?|e?mails?|hops?)\b)"
    r"|\b(?:concurrent|simultaneous|parallel)\b.*\b(?:connections?|sessions?|clients?|logins?)\b"
    r"|\b(?:connections?|sessions?)\b.*\b(?:limit|exceed\w*|maximum)\b|\bmax(?:imum)?\b.*\b(?:connections?|sessions?)\b",
    re.IGNORECASE,
)
_TOO_MANY_RECIPIENTS = frozenset({452, 552})  # RFC 5321 4.5.3.1.10: old servers say 552
_PERHAPS_TOO_MANY = frozenset({550, 553, 554})
_RECIPIENT_LIMIT = re.compile(
    r"\btoo many (?:\w+ )?(?:recipients?|rcpts?|addressees)\b|\brecipients? limit", re.IGNORECASE
)
_ABOUT_THE_ADDRESS = re.compile(r"[45]\.[12]\.")
# Of a session that was idle for too long; some servers say so only in reply to the next command.
_TIME_LIMIT = re.compile(r"\btimed?[- ]?out\b|\bidle\b|\binactiv", re.IGNORECASE)


def is_too_many(reply: Reply) -> bool:
    """Whether a refusal is about a number of something."""
    return reply.is_refusal and bool(_TOO_MANY.search(reply.text))


def is_session_limit(reply: Reply) -> bool:
    """Whether a refusal is about the number of sessions that are open now, so that it passes, whatever its code."""
    return reply.is_refusal and (reply.code == _CONCURRENT_LIMIT or bool(_SESSION_LIMIT.search(reply.text)))


def is_recipient_limit(reply: Reply) -> bool:
    """Whether a refusal of a recipient is about their number, so that a next transaction takes the rest.

    A full mailbox is a 452 or 552 too, but says x.2.2 (RFC 3463 3.3) where this says x.5.3 or nothing; other codes,
    which are also said of users that nobody knows, must say so by their status code or text.
    """
    if not reply.is_refusal or reply.is_closing:
        return False
    status = reply.enhanced_status_code
    if status is not None and _ABOUT_THE_ADDRESS.match(status):
        return False
    if _RECIPIENT_LIMIT.search(reply.text):
        return True
    if status is None:
        return reply.code in _TOO_MANY_RECIPIENTS
    return status.endswith(".5.3") and reply.code in _TOO_MANY_RECIPIENTS | _PERHAPS_TOO_MANY


def is_time_limit(reply: Reply) -> bool:
    """Whether a refusal for now says that the session has lasted, or was idle, for too long."""
    return reply.is_transient and bool(_TIME_LIMIT.search(reply.text))


def refused(reply: Reply, phase: Phase, server: "ServerSettings", *, text: str = "", hint: str = "") -> ServerRefused:
    """Give the error for a server that refuses the session; `text` is shown in place of the reply."""
    return ServerRefused(
        f"{server.address} refused the session: {text or reply}",
        phase=phase,
        hint=hint or explain(reply, phase, server.host),
        transient=reply.is_transient or is_session_limit(reply),
        reply_code=reply.code,
        enhanced_status_code=reply.enhanced_status_code,
        reply_text=reply.text,
    )
