"""One message to its recipients: the commands to write, the replies to hear, the judgement (RFC 5321 3.3); no I/O."""

import re
from collections.abc import Callable, Iterator, Sequence

from mailnode.errors import ErrorCode, Phase, SessionLost
from mailnode.message.envelope import Message
from mailnode.printable import quoted
from mailnode.smtp.command import Command, mail, rcpt
from mailnode.smtp.extension import Extensions
from mailnode.smtp.outcome import Judgement, Recipient, RecipientStatus
from mailnode.smtp.refusal import is_recipient_limit
from mailnode.smtp.reply import Reply
from mailnode.smtp.transcript import Said, octets_of_content

_BAD_SEQUENCE = 503
_TRANSACTION_FAILED = 554
_OUT_OF_SYNC = re.compile(r"5\.5\.0|synchroni[sz]ation|pipelin", re.IGNORECASE)


class Transaction:
    """One mail transaction. It says what to write, hears the replies, and judges when all of a group are in.

    What was written for it is told to `wrote`; of content that left without its dot, `pushed` counts the octets.
    `together` is the sender's wish that all recipients get the message or none: then DATA waits for the judgement.
    """

    def __init__(
        self, message: Message, recipients: Sequence[str], extensions: Extensions, *, together: bool = False
    ) -> None:
        self._message = message
        self._recipients = recipients
        self._together = together and len(recipients) > 1
        self._mail_line = mail(message, extensions)
        self._rcpt_lines = [rcpt(path) for path in recipients]
        self._mail: Reply | None = None
        self._rcpt: list[Reply] = []
        self._accepted = 0
        self._data: Reply | None = None
        self._content: Reply | None = None
        self._said: list[Said] = []
        self.wrote: Callable[[bytes], None] = self._said.append
        self.is_dot_sent = False
        self.is_reset_refused = False
        self.pushed = 0

    def groups(self, *, pipelining: bool, reset: bool = False) -> Iterator[list[Command]]:
        """Give the command groups; the next one is asked for when every reply to the last one is in.

        With `reset` the first command undoes what an earlier transaction left behind.
        """
        sender = Command("mail", self._mail_line, self._hear_mail)
        recipients = [Command("rcpt", line, self._hear_rcpt) for line in self._rcpt_lines]
        data = Command("data", "DATA", self._hear_data)
        opening = [Command("mail", "RSET", self._hear_reset), sender] if reset else [sender]
        if pipelining and not self._together:
            yield [*opening, *recipients, data]
            return
        if pipelining:
            yield [*opening, *recipients]
        else:
            yield from ([command] for command in opening)
            for recipient in recipients:
                if not self._mail_refused:
                    yield [recipient]
        if self._is_wanted:
            yield [data]

    def end(self, farewell: Reply) -> None:
        """The server has closed the session with a 421, which answers also what was not asked yet."""
        self._mail = self._mail or farewell
        self._rcpt += [farewell] * (len(self._recipients) - len(self._rcpt))
        self._data = self._data or farewell

    def hear_content(self, reply: Reply) -> None:
        """Take the reply to the final dot, or one that came before it and refuses the rest."""
        if not reply.is_refusal and not (self.is_dot_sent and reply.is_positive):
            raise _out_of_order(reply)
        self._content = reply

    @property
    def lone_dot(self) -> Command:
        """The end of content that does not come."""
        return Command("data", ".", self._said.append)

    @property
    def said(self) -> Iterator[Said]:
        """All that was said, in its order."""
        yield from self._said
        if self.is_dot_sent or self.pushed:
            size = self._message.size if self.is_dot_sent else self.pushed
            yield octets_of_content(size, ended=self.is_dot_sent)
        if self._content:
            yield self._content

    @property
    def is_heard(self) -> bool:
        """Whether the server has taken notice of it."""
        return self._mail is not None

    @property
    def is_out_of_step(self) -> bool:
        """Whether the replies look like those of a server that loses or refuses commands which come together.

        It says 503 to what came in the right order, or 554 5.5.0 (so do Exim and those after Postfix's manner).
        """
        in_order = [self._mail]
        if not self._mail_refused:
            in_order += self._rcpt
        if self._accepted:
            in_order.append(self._data)
        return any(reply is not None and _is_sequence_error(reply) for reply in in_order)

    @property
    def is_content_judged(self) -> bool:
        """Whether the server has said what becomes of the content."""
        return self._content is not None

    @property
    def may_send_content(self) -> bool:
        """354 was said and somebody accepted: the content follows, or the session is dropped, never a lone dot."""
        return self._is_begun and self._is_wanted

    @property
    def must_send_lone_dot(self) -> bool:
        """354 was said though nobody is accepted (RFC 2920 3.1)."""
        return self._is_begun and not self._accepted

    @property
    def must_be_dropped(self) -> bool:
        """354 was said to the recipients of a refused sender: content is not wanted, and a dot would be content."""
        return self._is_begun and self._accepted > 0 and not self._is_wanted

    @property
    def is_complete(self) -> bool:
        """Whether the server has taken the content."""
        return self._content is not None and self._content.is_positive

    @property
    def needs_reset(self) -> bool:
        """Whether the server still holds a sender: not one that it refused, nor any once it has judged the content.

        The reply to the final dot, whatever it says, leaves the buffers empty (RFC 5321 4.1.1.4).
        """
        return not self._mail_refused and self._content is None

    @property
    def is_explained(self) -> bool:
        """Whether the replies so far settle every recipient, so that a lost session changes nothing."""
        if self._mail_refused or self._content is not None or (self._data is not None and self._data.is_refusal):
            return True
        return len(self._rcpt) == len(self._recipients) and not self._accepted

    @property
    def overflow(self) -> tuple[str, ...]:
        """The recipients that were only too many for this transaction; they go in a next one at once.

        Where the server refused the content itself there is none: what it thinks of it is known.
        """
        return self._too_many if self.is_complete else ()

    @property
    def is_followed_by_itself(self) -> bool:
        """Whether a next transaction with the same content comes right behind this one, should the server take it."""
        return bool(self._too_many)

    @property
    def _too_many(self) -> tuple[str, ...]:
        if self._together or self._accepted == len(self._recipients):
            return ()
        heard = zip(self._recipients, self._rcpt, strict=False)
        return tuple(path for path, reply in heard if is_recipient_limit(reply))

    def judge(self) -> Judgement:
        """Give the verdict on each recipient as far as the replies go; who has none is deferred, without a reply."""
        if self.is_complete and self._accepted == len(self._recipients):  # which nearly all are
            fields, reply = self._message.fields, self._content
            verdicts = tuple([Recipient(path, fields[path], "accepted", reply) for path in self._recipients])
            return Judgement(verdicts, self._content, "content")
        if self._mail is not None and self._mail.is_refusal:
            return Judgement(tuple(self._verdict(path, self._mail) for path in self._recipients), self._mail, "mail")
        first = next((reply for reply in self._rcpt if reply.is_refusal), None)
        if self._together and first is not None:
            return self._refuse_together(first)
        if not self._accepted and first is not None:
            return Judgement(self._verdicts(None), first, "rcpt")
        if self._data is not None and self._data.is_refusal:
            was_heard_before = self._data.is_farewell and any(reply is self._data for reply in self._rcpt)
            return Judgement(self._verdicts(self._data), self._data, "rcpt" if was_heard_before else "data")
        return Judgement(self._verdicts(self._content), *self._last)

    @property
    def _last(self) -> tuple[Reply | None, Phase]:
        if self._content or self._data:
            return (self._content, "content") if self._content else (self._data, "data")
        return (self._rcpt[-1], "rcpt") if self._rcpt else (self._mail, "mail")

    @property
    def _mail_refused(self) -> bool:
        return self._mail is not None and self._mail.is_refusal

    @property
    def _is_begun(self) -> bool:
        return self._data is not None and self._data.is_intermediate

    @property
    def _is_wanted(self) -> bool:
        if self._mail_refused or not self._accepted:
            return False
        return not self._together or self._accepted == len(self._recipients)

    def _hear_reset(self, reply: Reply) -> None:
        self._said.append(reply)
        self.is_reset_refused = not (reply.is_positive or reply.is_farewell)

    def _hear_mail(self, reply: Reply) -> None:
        self._said.append(reply)
        if reply.is_intermediate:
            raise _out_of_order(reply)
        self._mail = reply

    def _hear_rcpt(self, reply: Reply) -> None:
        self._said.append(reply)
        if reply.is_intermediate:
            raise _out_of_order(reply)
        self._rcpt.append(reply)
        self._accepted += reply.is_positive

    def _hear_data(self, reply: Reply) -> None:
        self._said.append(reply)
        if reply.is_positive:
            raise _out_of_order(reply)
        self._data = reply

    def _verdicts(self, decisive: Reply | None) -> tuple[Recipient, ...]:
        replies: list[Reply | None] = [*self._rcpt, *[None] * (len(self._recipients) - len(self._rcpt))]
        return tuple(
            self._verdict(path, reply if reply is not None and reply.is_refusal else decisive)
            for path, reply in zip(self._recipients, replies, strict=True)
        )

    def _verdict(self, path: str, reply: Reply | None) -> Recipient:
        return Recipient(path, self._message.fields[path], _status(reply), reply)

    def _refuse_together(self, first: Reply) -> Judgement:
        decisive = next((reply for reply in self._rcpt if reply.is_permanent), first)
        status: RecipientStatus = "refused" if decisive.is_permanent else "deferred"
        return Judgement(
            tuple(
                verdict._replace(status=status) if verdict.reply is None else verdict
                for verdict in self._verdicts(None)
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
