"""One mail transaction (RFC 5321 3.3): the commands to write, their replies, the verdict; no I/O."""

import re
from collections.abc import Callable, Iterator, Sequence

from mailnode.errors import ErrorCode, Phase, SessionLost
from mailnode.message.envelope import Message
from mailnode.printable import quoted
from mailnode.smtp.command import Command, mail, rcpt
from mailnode.smtp.content import fitted
from mailnode.smtp.extension import Extensions
from mailnode.smtp.outcome import Recipient, RecipientStatus, Verdict
from mailnode.smtp.refusal import is_recipient_limit
from mailnode.smtp.reply import Reply
from mailnode.smtp.transcript import Entry, content_entry

_BAD_SEQUENCE = 503
_TRANSACTION_FAILED = 554
_OUT_OF_SYNC = re.compile(r"5\.5\.0|synchroni[sz]ation|pipelin", re.IGNORECASE)


class Transaction:
    """One mail transaction: it gives the commands to write, takes their replies, and judges each recipient.

    `message` is what this server gets. `record` is called with the octets that were written for it; `pushed_bytes`
    counts those of content whose dot has not left. With `all_or_nothing` all recipients get the message or none: then
    DATA waits for every reply to RCPT.
    """

    def __init__(
        self, message: Message, recipients: Sequence[str], extensions: Extensions, *, all_or_nothing: bool = False
    ) -> None:
        self.message = fitted(message, extensions)
        self._recipients = recipients
        self._all_or_nothing = all_or_nothing and len(recipients) > 1
        self._mail_line = mail(self.message, extensions)
        self._rcpt_lines = [rcpt(path) for path in recipients]
        self._mail: Reply | None = None
        self._rcpt: list[Reply] = []
        self._accepted = 0
        self._data: Reply | None = None
        self._content: Reply | None = None
        self._entries: list[Entry] = []
        self.record: Callable[[bytes], None] = self._entries.append
        self.is_dot_sent = False
        self.is_reset_refused = False
        self.pushed_bytes = 0

    def groups(self, *, pipelining: bool, reset: bool = False) -> Iterator[list[Command]]:
        """Give the command groups; the next one is asked for when every reply to the last one is in.

        With `reset` the first command undoes what an earlier transaction left behind.
        """
        sender = Command("mail", self._mail_line, self._on_mail_reply)
        recipients = [Command("rcpt", line, self._on_rcpt_reply) for line in self._rcpt_lines]
        data = Command("data", "DATA", self._on_data_reply)
        opening = [Command("mail", "RSET", self._on_reset_reply), sender] if reset else [sender]
        if pipelining and not self._all_or_nothing:
            yield [*opening, *recipients, data]
            return
        if pipelining:
            yield [*opening, *recipients]
        else:
            yield from ([command] for command in opening)
            for recipient in recipients:
                if not self._mail_refused:
                    yield [recipient]
        if self._will_send_content:
            yield [data]

    def on_session_closed(self, closing_reply: Reply) -> None:
        """Take the 421 with which the server ended the session: it answers the commands not sent yet, too."""
        self._mail = self._mail or closing_reply
        self._rcpt += [closing_reply] * (len(self._recipients) - len(self._rcpt))
        self._data = self._data or closing_reply

    def on_content_reply(self, reply: Reply) -> None:
        """Take the reply to the final dot, or a refusal that came before it."""
        if not reply.is_refusal and not (self.is_dot_sent and reply.is_positive):
            raise _out_of_order(reply)
        self._content = reply

    @property
    def lone_dot(self) -> Command:
        """The end of content that is not sent."""
        return Command("data", ".", self._entries.append)

    @property
    def entries(self) -> Iterator[Entry]:
        """The commands, content and replies so far, in order, for a transcript."""
        yield from self._entries
        if self.is_dot_sent or self.pushed_bytes:
            size = self.message.size if self.is_dot_sent else self.pushed_bytes
            yield content_entry(size, ended=self.is_dot_sent)
        if self._content:
            yield self._content

    @property
    def has_reply(self) -> bool:
        """Whether the server has replied to MAIL."""
        return self._mail is not None

    @property
    def is_out_of_sync(self) -> bool:
        """Whether the replies look like those of a server that loses or refuses pipelined commands.

        It replies 503 to commands in the right order, or 554 5.5.0 (Exim, Postfix and others).
        """
        in_order = [self._mail]
        if not self._mail_refused:
            in_order += self._rcpt
        if self._accepted:
            in_order.append(self._data)
        return any(reply is not None and _is_sequence_error(reply) for reply in in_order)

    @property
    def has_content_reply(self) -> bool:
        """Whether the server has replied to the content."""
        return self._content is not None

    @property
    def may_send_content(self) -> bool:
        """354 came and a recipient was accepted: the content follows, or the session is dropped, never a lone dot."""
        return self._has_354 and self._will_send_content

    @property
    def must_send_lone_dot(self) -> bool:
        """354 came although no recipient was accepted (RFC 2920 3.1)."""
        return self._has_354 and not self._accepted

    @property
    def must_be_dropped(self) -> bool:
        """354 came although the sender was refused: there is no content to send, and a lone dot would be content."""
        return self._has_354 and self._accepted > 0 and not self._will_send_content

    @property
    def is_complete(self) -> bool:
        """Whether the server has accepted the content."""
        return self._content is not None and self._content.is_positive

    @property
    def needs_reset(self) -> bool:
        """Whether the server still holds a sender: not one that it refused, nor any once it has replied to the content.

        The reply to the final dot, whatever it says, leaves the buffers empty (RFC 5321 4.1.1.4).
        """
        return not self._mail_refused and self._content is None

    @property
    def is_settled(self) -> bool:
        """Whether the replies so far settle every recipient, so that a lost session changes nothing."""
        if self._mail_refused or self._content is not None or (self._data is not None and self._data.is_refusal):
            return True
        return len(self._rcpt) == len(self._recipients) and not self._accepted

    @property
    def overflow(self) -> tuple[str, ...]:
        """The recipients that were too many for this transaction and go in another one at once.

        There are none where the server refused the content: it would refuse it again.
        """
        return self._too_many if self.is_complete else ()

    @property
    def has_overflow(self) -> bool:
        """Whether another transaction with the same content follows this one if the server accepts it."""
        return bool(self._too_many)

    @property
    def _too_many(self) -> tuple[str, ...]:
        if self._all_or_nothing or self._accepted == len(self._recipients):
            return ()
        replied = zip(self._recipients, self._rcpt, strict=False)
        return tuple(path for path, reply in replied if is_recipient_limit(reply))

    def verdict(self) -> Verdict:
        """Give the verdict on each recipient as far as the replies go; one without a reply is deferred."""
        if self.is_complete and self._accepted == len(self._recipients):  # which nearly all are
            fields, reply = self.message.fields, self._content
            verdicts = tuple([Recipient(path, fields[path], "accepted", reply) for path in self._recipients])
            return Verdict(verdicts, self._content, "content")
        if self._mail is not None and self._mail.is_refusal:
            return Verdict(tuple(self._recipient(path, self._mail) for path in self._recipients), self._mail, "mail")
        first = next((reply for reply in self._rcpt if reply.is_refusal), None)
        if self._all_or_nothing and first is not None:
            return self._refuse_all(first)
        if not self._accepted and first is not None:
            return Verdict(self._judged_recipients(None), first, "rcpt")
        if self._data is not None and self._data.is_refusal:
            was_heard_before = self._data.is_closing and any(reply is self._data for reply in self._rcpt)
            return Verdict(self._judged_recipients(self._data), self._data, "rcpt" if was_heard_before else "data")
        return Verdict(self._judged_recipients(self._content), *self._last)

    @property
    def _last(self) -> tuple[Reply | None, Phase]:
        if self._content or self._data:
            return (self._content, "content") if self._content else (self._data, "data")
        return (self._rcpt[-1], "rcpt") if self._rcpt else (self._mail, "mail")

    @property
    def _mail_refused(self) -> bool:
        return self._mail is not None and self._mail.is_refusal

    @property
    def _has_354(self) -> bool:
        return self._data is not None and self._data.is_intermediate

    @property
    def _will_send_content(self) -> bool:
        if self._mail_refused or not self._accepted:
            return False
        return not self._all_or_nothing or self._accepted == len(self._recipients)

    def _on_reset_reply(self, reply: Reply) -> None:
        self._entries.append(reply)
        self.is_reset_refused = not (reply.is_positive or reply.is_closing)

    def _on_mail_reply(self, reply: Reply) -> None:
        self._entries.append(reply)
        if reply.is_intermediate:
            raise _out_of_order(reply)
        self._mail = reply

    def _on_rcpt_reply(self, reply: Reply) -> None:
        self._entries.append(reply)
        if reply.is_intermediate:
            raise _out_of_order(reply)
        self._rcpt.append(reply)
        self._accepted += reply.is_positive

    def _on_data_reply(self, reply: Reply) -> None:
        self._entries.append(reply)
        if reply.is_positive:
            raise _out_of_order(reply)
        self._data = reply

    def _judged_recipients(self, decisive: Reply | None) -> tuple[Recipient, ...]:
        replies: list[Reply | None] = [*self._rcpt, *[None] * (len(self._recipients) - len(self._rcpt))]
        return tuple(
            self._recipient(path, reply if reply is not None and reply.is_refusal else decisive)
            for path, reply in zip(self._recipients, replies, strict=True)
        )

    def _recipient(self, path: str, reply: Reply | None) -> Recipient:
        return Recipient(path, self.message.fields[path], _status(reply), reply)

    def _refuse_all(self, first: Reply) -> Verdict:
        decisive = next((reply for reply in self._rcpt if reply.is_permanent), first)
        status: RecipientStatus = "refused" if decisive.is_permanent else "deferred"
        return Verdict(
            tuple(
                verdict._replace(status=status) if verdict.reply is None else verdict
                for verdict in self._judged_recipients(None)
            ),
            decisive,
            "rcpt",
        )


def _is_sequence_error(reply: Reply) -> bool:
    if reply.code == _BAD_SEQUENCE:
        return True
    return reply.code == _TRANSACTION_FAILED and bool(_OUT_OF_SYNC.search(str(reply)))


def _status(reply: Reply | None) -> RecipientStatus:
    if reply is None:
        return "deferred"
    if reply.is_positive:
        return "accepted"
    return "refused" if reply.is_permanent else "deferred"


def _out_of_order(reply: Reply) -> SessionLost:
    return SessionLost(
        f"the server's reply does not fit the command: {quoted(str(reply))}",
        code=ErrorCode.BAD_REPLY,
        hint="the server breaks the rules of SMTP: check that host and port are the right ones",
        transient=True,
    )
