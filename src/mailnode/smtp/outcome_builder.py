"""From the verdicts of a message's transactions to its outcome."""

from collections.abc import Iterator
from itertools import chain
from time import monotonic

from mailnode.message.envelope import Message
from mailnode.smtp.handshake import Handshake
from mailnode.smtp.outcome import Outcome, Recipient, Timings, Verdict
from mailnode.smtp.refusal import is_time_limit, is_too_many
from mailnode.smtp.transaction import Transaction
from mailnode.smtp.transcript import Entry

# RFC 4954 6. After a login it means that the login is no longer valid, as with an expired token.
_LOGIN_WANTED = 530


class OutcomeBuilder:
    """Builds the outcome of one message from the verdicts of its transactions (several where recipients are too many).

    `messages` is the number of messages sent before on the session; only the first one's outcome has its opening.
    """

    def __init__(self, message: Message, host: str, handshake: Handshake, messages: int) -> None:
        self._message = message
        self._host = host
        self._handshake = handshake
        self._messages = messages
        self._began = monotonic()
        self._decisive: Verdict | None = None
        self._recipients: tuple[Recipient, ...] = ()
        self._transactions: list[Transaction] = []
        self.envelope_ms = 0.0
        self.content_ms = 0.0

    @property
    def needs_new_session(self) -> bool:
        """Whether the server refused MAIL because of the session: its time is over, or its login is no longer valid."""
        verdict = self._decisive
        if verdict is None or verdict.reply is None or verdict.phase != "mail":
            return False
        reply = verdict.reply
        if reply.is_closing or is_time_limit(reply):
            return True
        return reply.code == _LOGIN_WANTED and self._handshake.auth_mechanism != ""

    @property
    def is_too_many(self) -> bool:
        """Whether the server refused everything because of the number of messages before, and keeps the session."""
        verdict = self._decisive
        return (
            verdict is not None
            and verdict.phase in {"mail", "rcpt"}
            and all(one.reply and is_too_many(one.reply) for one in self._recipients)
        )

    def begin(self, transaction: Transaction) -> None:
        """Note a transaction that begins, for the transcript."""
        self._transactions.append(transaction)

    def add(self, verdict: Verdict) -> None:
        """Add a verdict; a later one replaces the status of its recipients."""
        if self._recipients:
            later = {recipient.address: recipient for recipient in verdict.recipients}
            self._recipients = tuple(later.get(recipient.address, recipient) for recipient in self._recipients)
        else:
            self._recipients = verdict.recipients
        if self._decisive is None or self._decisive.reply is None:
            self._decisive = verdict

    def outcome(self) -> Outcome | None:
        """Give the outcome; None when the server has not replied to the message."""
        if self._decisive is None or self._decisive.reply is None:
            return None
        message = self._message
        return Outcome(
            message.message_id,
            message.envelope,
            message.size,
            self._recipients,
            self._decisive.reply,
            self._decisive.phase,
            self._host,
            self._handshake.tls_version,
            self._handshake.auth_mechanism,
            self._timings(),
            self._dialogue(),
        )

    def attach_dialogue(self, error: BaseException) -> None:
        """Give an error the transcript so far."""
        self._handshake.transcript.attach_to(error, self._entries(), messages=self._messages)

    def _dialogue(self) -> str:
        for recipient in self._recipients:
            if recipient.status != "accepted":
                return self._handshake.transcript.text(self._entries(), messages=self._messages)
        return ""

    def _entries(self) -> Iterator[Entry]:
        return chain.from_iterable(transaction.entries for transaction in self._transactions)

    def _timings(self) -> Timings:
        total_ms = (monotonic() - self._began) * 1000
        if self._messages:
            return Timings(0.0, 0.0, self.envelope_ms, self.content_ms, total_ms)
        connect_ms, auth_ms = self._handshake.connect_ms, self._handshake.auth_ms
        return Timings(connect_ms, auth_ms, self.envelope_ms, self.content_ms, connect_ms + auth_ms + total_ms)
