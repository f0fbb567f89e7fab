"""From the verdicts of a message's transactions to its outcome."""

from time import monotonic

from mailnode.smtp.content import Composed
from mailnode.smtp.outcome import Outcome, RecipientOutcome, Timings
from mailnode.smtp.transaction import Judgement

# RFC 4954 6. To whom has logged in it says that the login is over, as tokens can be.
_LOGIN_WANTED = 530


class Tally:
    """Adds the judgements of one message up: several, when a server takes few recipients at a time."""

    def __init__(self, message: Composed, host: str, tls_version: str, auth_mechanism: str) -> None:
        self._message = message
        self._host = host
        self._tls_version = tls_version
        self._auth_mechanism = auth_mechanism
        self._began = monotonic()
        self._decisive: Judgement | None = None
        self._recipients: tuple[RecipientOutcome, ...] = ()
        self.connect_ms = 0.0
        self.auth_ms = 0.0
        self.envelope_ms = 0.0
        self.content_ms = 0.0

    @property
    def needs_new_session(self) -> bool:
        """Whether the server did not look at the sender: it said goodbye, or wants a login that it has had."""
        judgement = self._decisive
        if judgement is None or judgement.reply is None or judgement.phase != "mail":
            return False
        return judgement.reply.is_farewell or (judgement.reply.code == _LOGIN_WANTED and self._auth_mechanism != "")

    def add(self, judgement: Judgement) -> None:
        """Let a later transaction have the last word on its recipients."""
        if self._recipients:
            later = {verdict.address: verdict for verdict in judgement.recipients}
            self._recipients = tuple(later.get(verdict.address, verdict) for verdict in self._recipients)
        else:
            self._recipients = judgement.recipients
        if self._decisive is None or self._decisive.reply is None:
            self._decisive = judgement

    def outcome(self) -> Outcome | None:
        """Give the outcome; None when the server has not said a word to the message."""
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
            self._tls_version,
            self._auth_mechanism,
            self._timings(),
        )

    def _timings(self) -> Timings:
        total_ms = self.connect_ms + self.auth_ms + (monotonic() - self._began) * 1000
        return Timings(self.connect_ms, self.auth_ms, self.envelope_ms, self.content_ms, total_ms)
