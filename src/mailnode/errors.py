"""Every exception that mailnode raises on purpose, in one tree.

MailnodeError
├── UsageError
├── SettingsError: ExpressionError, AttachmentError
├── ComposeError: MailboxError, HeaderError, PartError, DkimError
├── StoreError: CommitUnknown, StoreClosed
├── ConnectionsError, TokenError, SnapshotError, DeliveryError, InternalError
└── SmtpError: ConnectFailed, TlsFailed, LoginFailed, ServerRefused, Unsendable, SessionLost

Each has what the result of a node shows: `code` (one of ErrorCode), `phase`, `message`, `hint` (the remedy) and
`transient` (whether the same may succeed later); a traceback shows the hint too, as a note (PEP 678). `dialogue` is the
redacted SMTP transcript so far, "" without one; `others` are errors of the same input, found with it. The layers on its
way up add where it happened (`file`, `line`, `node`, `key`), with `locate`.
"""

from typing import Any, Self

# Exported from here too, for whoever raises or catches an error: the aliases do so (PEP 484).
from mailnode.error_code import ErrorCode as ErrorCode  # noqa: PLC0414
from mailnode.error_code import Phase as Phase  # noqa: PLC0414
from mailnode.error_code import install_hint as install_hint  # noqa: PLC0414
from mailnode.printable import MOST_SHOWN_LONG, escaped, shortened

_HINT = "hint: "  # what the note of a hint begins with


class MailnodeError(Exception):
    """An error that a person can understand and correct."""

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
        # `args` has the message alone; the rest is in __dict__, which is how exceptions are pickled.
        self.message = escaped(message)
        super().__init__(self.message)
        self.code = code or type(self).code
        self.phase = phase or type(self).phase
        self.hint = hint
        self.transient = transient
        self.dialogue = ""
        self.file = ""
        self.line = 0
        self.node = ""
        self.key = ""
        self.others: tuple[MailnodeError, ...] = ()

    @property
    def hint(self) -> str:
        """What to do about it, in one line; "" when nothing is known to help."""
        return self._hint

    @hint.setter
    def hint(self, text: str) -> None:
        self._hint = escaped(text)
        others = [note for note in getattr(self, "__notes__", ()) if not note.startswith(_HINT)]
        self.__notes__ = [_HINT + self._hint, *others] if text else others

    def locate(self, *, file: str = "", line: int = 0, node: str = "", key: str = "") -> Self:
        """Say where it happened; what a lower layer has said already is kept.

        `key` is put before a key that is there (`attachments[1]` before `url`).
        """
        self.file = self.file or file
        self.line = self.line or line
        self.node = self.node or node
        self.key = _join_key(key, self.key)
        for other in self.others:
            other.locate(file=file, line=line, node=node, key=key)
        return self

    @property
    def where(self) -> str:
        """Where it happened, as text: `orders.flow.yaml, line 12, node tell-customer, to`; "" when it is not known."""
        line = f"line {self.line}" if self.line else ""
        node = f"node {self.node}" if self.node else ""
        parts = (self.file, line, node, shortened(self.key, MOST_SHOWN_LONG))
        return ", ".join(escaped(part) for part in parts if part)

    def __str__(self) -> str:
        """Give the message, with where it happened before it; the hint is not in it."""
        return f"{self.where}: {self.message}" if self.where else self.message


def _join_key(outer: str, inner: str) -> str:
    separator = "." if outer and inner and not inner.startswith("[") else ""
    return f"{outer}{separator}{inner}"


class UsageError(MailnodeError):
    """Wrong use of the command line, the environment or the library."""

    code = ErrorCode.BAD_USAGE


class SettingsError(MailnodeError):
    """An invalid setting of a node, flow file or argument of a run."""


class ExpressionError(SettingsError):
    """An expression is invalid, or has no value that can be put into a message."""

    code = ErrorCode.BAD_EXPRESSION
    phase: Phase = "expression"


class AttachmentError(SettingsError):
    """An attachment can't be made: its text, its file, its URL, its size."""

    code = ErrorCode.FETCH_FAILED
    phase: Phase = "attachment"


class ComposeError(MailnodeError):
    """No message can be made of an email."""


class MailboxError(ComposeError):
    """A text is not an address that email can be sent to (RFC 5322 3.4, RFC 6532)."""

    code = ErrorCode.BAD_MAILBOX


class HeaderError(ComposeError):
    """A header field can't hold this value (RFC 5322 2.2)."""

    code = ErrorCode.BAD_HEADER


class PartError(ComposeError):
    """A body part is not well formed (RFC 2045, RFC 2046)."""

    code = ErrorCode.BAD_MIME
    phase: Phase = "attachment"


class DkimError(ComposeError):
    """The key can't sign (RFC 6376)."""

    code = ErrorCode.BAD_DKIM_KEY


class StoreError(MailnodeError):
    """The database can't be read or written."""

    code = ErrorCode.STORE_FAILED


class CommitUnknown(StoreError):
    """The database was lost while it committed, which may or may not have succeeded."""


class StoreClosed(StoreError):
    """This process has closed the database."""


class ConnectionsError(MailnodeError):
    """There is no such connection or service, or it is not for this use."""

    code = ErrorCode.BAD_CONNECTION


class TokenError(MailnodeError):
    """No access token: the token endpoint does not answer, or refuses.

    `oauth_error` is the endpoint's error code (RFC 6749 5.2), "" where it gave none. `in_doubt` is true when it may
    have acted on the request although no answer came; `retry_after` is its Retry-After in seconds, None without one.
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
    """A snapshot can't be read, made or restored."""

    code = ErrorCode.BAD_SNAPSHOT


class DeliveryError(MailnodeError):
    """A delivery can't do that: its key belongs to another email, or its state does not allow it."""

    code = ErrorCode.KEY_IN_USE


class InternalError(MailnodeError):
    """A defect of mailnode."""

    code = ErrorCode.INTERNAL_ERROR

    @classmethod
    def of(cls, error: BaseException, phase: Phase | None = None) -> Self:
        """Describe in one line an exception that was not expected; its traceback belongs in the log."""
        if isinstance(error, cls):
            return error
        words = shortened(str(error), MOST_SHOWN_LONG)
        return cls(
            f"mailnode failed with {type(error).__name__}{f': {words}' if words else ''}",
            phase=phase,
            hint="this is a bug in mailnode: please report it, with the traceback in the log",
        )


class SmtpError(MailnodeError):
    """An error of the server, or of the connection to it.

    `reply_code` (RFC 5321 4.2), `enhanced_status_code` (RFC 3463) and `reply_text` are the server's reply, if any.
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
    """No address of the host accepted a connection."""

    code = ErrorCode.CONNECT_FAILED


class TlsFailed(SmtpError):
    """The session can't be encrypted, or the certificate is not the server's (RFC 8446, RFC 3207)."""

    code = ErrorCode.TLS_FAILED
    phase: Phase = "tls"


class LoginFailed(SmtpError):
    """The login failed; `was_tried` is false when an earlier refusal is only repeated."""

    code = ErrorCode.AUTH_REFUSED
    phase: Phase = "auth"
    was_tried = True


class ServerRefused(SmtpError):
    """The server does not serve this client now: its greeting, its answer to EHLO, or a 421 (RFC 5321 3.8)."""

    code = ErrorCode.SERVER_REFUSED
    phase: Phase = "greeting"


class Unsendable(SmtpError):
    """The server can't take this message, as one of its size, and nothing was sent."""

    code = ErrorCode.OVER_SERVER_SIZE
    phase: Phase = "mail"


class SessionLost(SmtpError):
    """The connection was lost during a transaction.

    `unknown` is true when the final dot was sent and no valid reply came: the server may have accepted the message.
    `outcome` (mailnode.smtp.outcome.Outcome) has the replies to recipients so far.
    """

    phase: Phase = "content"

    def __init__(self, message: str, *, unknown: bool = False, outcome: Any = None, **said: Any) -> None:
        super().__init__(message, **said)
        self.unknown = unknown
        self.outcome = outcome
        if unknown:
            self.code = ErrorCode.UNKNOWN_OUTCOME
