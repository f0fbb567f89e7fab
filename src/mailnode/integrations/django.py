"""Django's email by mailnode: a backend for EMAIL_BACKEND (Django 5.2) and MAILERS (6.1).

    EMAIL_BACKEND = "mailnode.integrations.django.EmailBackend"
    MAILNODE = {"connection": "shop", "queue": True}

or, where Django has MAILERS:

    MAILERS = {
        "default": {
            "BACKEND": "mailnode.integrations.django.EmailBackend",
            "OPTIONS": {"connection": "shop", "queue": True},
        }
    }
"""

import email.policy
import logging
from collections.abc import Iterable
from smtplib import SMTPException
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connections, transaction

from mailnode.delivery.result import Result
from mailnode.direct import EnqueueOptions, SendOptions
from mailnode.errors import DeliveryError, ErrorCode, MailnodeError, UsageError
from mailnode.in_transaction import enqueue
from mailnode.integrations.threaded import ThreadedMailnode
from mailnode.message.envelope import Envelope

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

_ARRIVED = frozenset({"sent", "partial", "queued"})
_QUEUED = EnqueueOptions.__annotations__.keys()
_SENT = SendOptions.__annotations__.keys() - {"key", "wait"}
_OWN = frozenset({"queue", "database", "schema", "home"})
_HAS_POLICY = django.VERSION >= (6, 0)
_log = logging.getLogger(__name__)


class NotSent(DeliveryError, SMTPException):
    """An email was not sent, or may not have been: `result` tells what is known.

    It is an SMTPException too, as those of Django's own backend are.
    """

    result: Result


class EmailBackend(BaseEmailBackend):  # type: ignore[misc]  # Django has no types
    """Sends by mailnode, as a delivery that is stored first and shown under Deliveries.

    Its options are those of `Mailnode.send` (`connection`, `service`, `host` and so on), and

    - `queue`: True leaves the sending to a worker; a message counts as sent when it is stored. Otherwise it is sent
      before `send_messages` returns.
    - `database`: the alias of a database of Django's that has mailnode's tables: it is queued in the transaction that
      is open there, and sent if that is committed (`schema` is the schema of the tables).
    - `home`: the folder of mailnode's home in place of MAILNODE_HOME.
    """

    def __init__(self, fail_silently: bool = False, *, alias: str | None = None, **options: Any) -> None:
        """Take the options of MAILERS, or those of the setting MAILNODE; no server is contacted yet.

        Raises:
            UsageError: there is no such option; in MAILERS that is Django's InvalidMailer.
        """
        if any([options.pop("username", None), options.pop("password", None)]):  # send_mail(auth_user=…)
            raise UsageError(
                "user name and password can't be given with a message",
                hint="store a connection (mailnode connections create), and name it as the option `connection`",
            )
        own = {name: options.pop(name) for name in (_SENT | _QUEUED | _OWN) & options.keys()}
        super().__init__(**({} if alias is None else {"alias": alias}), **options)
        setting = getattr(settings, "MAILNODE", {}) if alias is None else {}
        given: dict[str, Any] = {**setting, **own}
        self.fail_silently = fail_silently
        self._is_open = False
        self._home, self._database, self._schema = (given.pop(name, None) for name in ("home", "database", "schema"))
        is_queued = given.pop("queue", False)
        known = _QUEUED if self._database else _SENT
        if unknown := given.keys() - known:
            raise UsageError(
                f"mailnode's EmailBackend has no option {min(unknown)!r}",
                hint=f"its options are {', '.join(sorted(known | _OWN))}",
            )
        self._options: dict[str, Any] = given if self._database else {**given, "wait": not is_queued}

    def open(self) -> bool | None:
        """Say whether it was closed; sessions with the server are kept by mailnode, from one message to the next."""
        was_open, self._is_open = self._is_open, True
        return not was_open

    def close(self) -> None:
        """Undo `open`."""
        self._is_open = False

    def send_messages(self, email_messages: "Iterable[EmailMessage] | None") -> int:
        """Send messages one after the other, and tell how many were sent or queued.

        The first that fails ends it, unless it was to fail silently.

        Raises:
            NotSent: the server refused it, could not be reached, or its answer never came.
            MailnodeError: a message can't be made, or can't be stored.
        """
        return sum(self._send(message) for message in email_messages or ())

    def _send(self, message: "EmailMessage") -> bool:
        if not (recipients := message.recipients()):
            return False
        try:
            content = _bytes_of(message)
            envelope = Envelope(str(message.from_email), tuple(str(one) for one in recipients))
            result = self._queue(content, envelope) if self._database else self._hand_over(content, envelope)
            if result["status"] not in _ARRIVED:
                raise _not_sent(result)
        except MailnodeError as error:
            if not self.fail_silently:
                raise
            _log.warning("an email was not sent: %s", error)
            return False
        if result["status"] == "partial":
            _log.warning("delivery %s was refused for %s", result["deliveryId"], ", ".join(result["rejected"]))
        return True

    def _hand_over(self, content: bytes, envelope: Envelope) -> Result:
        threaded = ThreadedMailnode.of(self._home)
        return threaded.submit(lambda mailnode: mailnode.send(content, envelope, **self._options)).result()

    def _queue(self, content: bytes, envelope: Envelope) -> Result:
        with transaction.atomic(using=self._database):
            within = connections[self._database].connection
            return enqueue(content, envelope, within=within, schema=self._schema, **self._options)


def _bytes_of(message: "EmailMessage") -> bytes:
    if _HAS_POLICY:
        return bytes(message.message(policy=email.policy.SMTP).as_bytes())
    return bytes(message.message().as_bytes(linesep="\r\n"))


def _not_sent(result: Result) -> NotSent:
    error = result["error"]
    words = error["message"] if error else f"the email is {result['status']}"
    failure = NotSent(
        words,
        code=ErrorCode(error["code"]) if error else None,
        phase=error["phase"] if error else None,
        hint=error["hint"] if error else "",
        transient=bool(error and error["transient"]),
    )
    failure.result = result
    return failure
