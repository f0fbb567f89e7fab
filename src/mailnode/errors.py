"""Every exception that mailnode raises on purpose, in one tree.

MailnodeError
├── UsageError             the command line or the environment was misused
├── SettingsError          a node's setting, a flow file or a run's arguments can't be used
│   ├── ExpressionError    an expression has no value that could stand in the mail
│   └── AttachmentError    an attachment can't be made: its text, its URL, its size
├── ComposeError           what was said does not make a message
│   ├── MailboxError       an address is none, or not one that mail can be sent to
│   ├── HeaderError        a header field can't hold this value
│   ├── PartError          a body part is not well formed
│   └── DkimError          the key can't sign
├── StoreError             the database can't be read or written
│   ├── CommitUnknown      the database was lost while it committed, and nobody can say what came of it
│   └── StoreClosed        this process has closed the database
├── ConnectionsError       no such connection or service, or not for this use
├── TokenError             no access token can be had from an OAuth2 endpoint
├── SnapshotError          a snapshot can't be read, made or restored
├── DeliveryError          a delivery can't be begun (its key belongs to another mail)
├── InternalError          a defect of mailnode, which nobody foresaw
└── SmtpError              the server, or the way to it
    ├── ConnectFailed      no address of the host took the connection
    ├── TlsFailed          the session can't be made private
    ├── LoginFailed        no login: not offered, not safe, or refused
    ├── ServerRefused      the greeting, EHLO or a 421: this server does not serve us now
    ├── Unsendable         the server can't take this message; nothing was sent
    └── SessionLost        the session ended in mid-transaction

Each carries what the result of a node shows: `code` (one of ErrorCode), `phase`, `message`, `hint` (the remedy) and
`transient` (the same again later may work); `dialogue` is what was said to a server and by it until then, redacted, ""
where nothing was. Where it happened (`file`, `line`, `node`, `key`) is filled in by the
layers on its way up, with `locate`.
"""

from typing import Any, Self

# Whoever raises an error finds its words beside it: the aliases hand them on.
from mailnode.error_code import ErrorCode as ErrorCode  # noqa: PLC0414 -- PEP 484's way to do so
from mailnode.error_code import Phase as Phase  # noqa: PLC0414
from mailnode.printable import MOST_SHOWN_LONG, escaped, shortened


class MailnodeError(Exception):
    """Something that a person can understand and mend."""

    code: ErrorCode = ErrorCode.BAD_SETTING
    phase: Phase = "settings"

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        phase: Phase | None = None,
        hint: str = "",
        transient: bool = False,
    ) -> None:
        # Only the message stands in `args`; the rest travels in __dict__, which is how exceptions pickle.
        self.message = escaped(message)
        super().__init__(self.message)
        self.code = code or type(self).code
        self.phase = phase or type(self).phase
        self.hint = escaped(hint)
        self.transient = transient
        self.dialogue = ""
        self.file = ""
        self.line = 0
        self.node = ""
        self.key = ""

    def locate(self, *, file: str = "", line: int = 0, node: str = "", key: str = "") -> Self:
        """Say where it happened; what a lower layer has said already stays.

        `key` is put before a key that is there (`attachments[1]` before `url`).
        """
        self.file = self.file or file
        self.line = self.line or line
        self.node = self.node or node
        self.key = _join_key(key, self.key)
        return self

    @property
    def where(self) -> str:
        """The place in words: `orders.flow.yaml, line 12, node tell-customer, to`; empty when there is none."""
        parts = [
            self.file,
            f"line {self.line}" if self.line else "",
            f"node {self.node}" if self.node else "",
            shortened(self.key, MOST_SHOWN_LONG),
        ]
        return ", ".join(escaped(part) for part in parts if part)

    def __str__(self) -> str:
        """Put the place before the message; the hint is left to whoever shows it."""
        return f"{self.where}: {self.message}" if self.where else self.message


def _join_key(outer: str, inner: str) -> str:
    if not outer or not inner:
        return outer or inner
    return f"{outer}{inner}" if inner.startswith("[") else f"{outer}.{inner}"


class UsageError(MailnodeError):
    code = ErrorCode.BAD_USAGE


class SettingsError(MailnodeError):
    """A node's setting, a flow file or a run's arguments can't be used."""


class ExpressionError(SettingsError):
    code = ErrorCode.BAD_EXPRESSION
    phase: Phase = "expression"


class AttachmentError(SettingsError):
    code = ErrorCode.FETCH_FAILED
    phase: Phase = "attachment"


class ComposeError(MailnodeError):
    """What was said does not make a message."""


class MailboxError(ComposeError):
    code = ErrorCode.BAD_MAILBOX


class HeaderError(ComposeError):
    code = ErrorCode.BAD_HEADER


class PartError(ComposeError):
    code = ErrorCode.BAD_MIME
    phase: Phase = "attachment"


class DkimError(ComposeError):
    code = ErrorCode.BAD_DKIM_KEY


class StoreError(MailnodeError):
    code = ErrorCode.STORE_FAILED


class CommitUnknown(StoreError):
    pass


class StoreClosed(StoreError):
    pass


class ConnectionsError(MailnodeError):
    code = ErrorCode.BAD_CONNECTION


class TokenError(MailnodeError):
    """No access token can be had: the endpoint does not answer, or refuses.

    `oauth_error` is the endpoint's own word (RFC 6749 5.2), "" where it said none. `in_doubt` is true when it may have
    done what was asked of it although no answer came, and `retry_after` says in how many seconds it wants to be asked
    again, where it says so.
    """

    code = ErrorCode.TOKEN_FAILED
    phase: Phase = "token"

    def __init__(
        self,
        message: str,
        *,
        oauth_error: str = "",
        in_doubt: bool = False,
        retry_after: float | None = None,
        **said: Any,
    ) -> None:
        super().__init__(message, **said)
        self.oauth_error = oauth_error
        self.in_doubt = in_doubt
        self.retry_after = retry_after


class SnapshotError(MailnodeError):
    code = ErrorCode.BAD_SNAPSHOT


class DeliveryError(MailnodeError):
    code = ErrorCode.KEY_IN_USE


class InternalError(MailnodeError):
    """A defect of mailnode, which nobody foresaw."""

    code = ErrorCode.INTERNAL_ERROR

    @classmethod
    def of(cls, error: BaseException, phase: Phase | None = None) -> Self:
        """Say in one line what was raised; the traceback is for a log."""
        if isinstance(error, cls):
            return error
        words = shortened(str(error), MOST_SHOWN_LONG)
        return cls(
            f"mailnode failed with {type(error).__name__}{f': {words}' if words else ''}",
            phase=phase,
            hint="this is a defect of mailnode: report it, with the traceback in the log",
        )


class SmtpError(MailnodeError):
    """The server, or the way to it.

    `reply_code`, `enhanced_status_code` and `reply_text` are what the server said, where it said anything.
    """

    code = ErrorCode.SESSION_LOST
    phase: Phase = "connect"

    def __init__(
        self,
        message: str,
        *,
        reply_code: int | None = None,
        enhanced_status_code: str | None = None,
        reply_text: str = "",
        **said: Any,
    ) -> None:
        super().__init__(message, **said)
        self.reply_code = reply_code
        self.enhanced_status_code = enhanced_status_code
        self.reply_text = reply_text


class ConnectFailed(SmtpError):
    code = ErrorCode.CONNECT_FAILED


class TlsFailed(SmtpError):
    code = ErrorCode.TLS_FAILED
    phase: Phase = "tls"


class LoginFailed(SmtpError):
    """The login is refused; not `was_tried` when it was only the last refusal that still stands."""

    code = ErrorCode.AUTH_REFUSED
    phase: Phase = "auth"
    was_tried = True


class ServerRefused(SmtpError):
    code = ErrorCode.SERVER_REFUSED
    phase: Phase = "greeting"


class Unsendable(SmtpError):
    code = ErrorCode.OVER_SERVER_SIZE
    phase: Phase = "mail"


class SessionLost(SmtpError):
    """The session ended in mid-transaction.

    `unknown` is true when the final dot was handed to the network and no valid reply came: then the server may have
    accepted the message. `outcome` (mailnode.smtp.outcome.Outcome) holds the replies to recipients known so far.
    """

    phase: Phase = "content"

    def __init__(self, message: str, *, unknown: bool = False, outcome: Any = None, **said: Any) -> None:
        super().__init__(message, **said)
        self.unknown = unknown
        self.outcome = outcome
        if unknown:
            self.code = ErrorCode.UNKNOWN_OUTCOME
