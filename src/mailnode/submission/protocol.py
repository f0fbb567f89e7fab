"""A session with a client, without I/O: bytes in, replies out, and between them what the session is to do.

Commands are read one at a time, and only when the one before has its reply, however many the client has sent at once
(RFC 2920): `next_event` tells what has to be asked or done, and `answer` goes on.
"""

from mailnode.submission import replies
from mailnode.submission.commands import Refused, read_mail, read_rcpt, reply_to_other, text_of
from mailnode.submission.content import ContentReader, Memory
from mailnode.submission.events import CheckRecipient, CheckSender, Close, Event, ProtocolLimits, StartTls, Transaction
from mailnode.submission.gate import App, Reply, Submitted
from mailnode.submission.lines import Lines
from mailnode.submission.login import MECHANISMS, Credentials, LoginExchange


class SubmissionProtocol:
    """The state of a session.

    `app` is who has logged in; at the beginning it is who is known otherwise, or the reply that refuses them.
    `is_private` tells that a password may be sent: over TLS, or without leaving this machine. `progress` counts what
    the client has said to its end, so that one sees whether it says anything.
    """

    def __init__(
        self,
        host: str,
        peer: str,
        memory: Memory,
        limits: ProtocolLimits,
        *,
        app: App | Reply | None = None,
        is_private: bool = False,
        offers_tls: bool = False,
    ) -> None:
        self.app = app
        self.progress = 0
        self._host = host
        self._peer = peer
        self._memory = memory
        self._limits = limits
        self._is_private = is_private
        self._offers_tls = offers_tls
        self._lines = Lines()
        self._due: list[bytes] = []
        self._event: Event | None = None
        self._exchange: LoginExchange | None = None
        self._transaction: Transaction | None = None
        self._content: ContentReader | None = None
        self._is_greeted = False
        self._errors = self._idle = self._failed_logins = self._spared = 0

    @property
    def is_logged_in(self) -> bool:
        """Whether it is known who sends."""
        return isinstance(self.app, App)

    @property
    def is_in_content(self) -> bool:
        """Whether a message is being received."""
        return self._content is not None

    def greet(self) -> None:
        """Begin with a greeting."""
        self._due.append(replies.lines_in_bytes(220, [f"{self._host} ESMTP mailnode"]))

    def receive(self, data: bytes) -> None:
        """Take what the client has sent."""
        self._lines.add(data)

    def take_due(self) -> bytes:
        """Give the replies that are to be written."""
        due, self._due = b"".join(self._due), []
        return due

    def next_event(self) -> Event | None:
        """Give what is to be done before anything else is read; None when more has to be received."""
        while self._event is None:
            if self._content is not None:
                if not self._read_content(self._content, self._lines.rest()):
                    return None
            elif (line := self._lines.next(is_response=self._exchange is not None)) is not None:
                self.progress += 1
                self._read_line(line)
            elif self._lines.is_tls:
                self.close()
            else:
                return None
        return self._event

    def answer(self, answer: App | Reply | None) -> None:
        """Answer the last event: with a refusal, with who has logged in, with the reply to a message, or with None."""
        event, self._event = self._event, None
        match event, answer:
            case _, Reply(code=421):
                self.close(answer)
            case Credentials(), App():
                self.app = answer
                self._failed_logins = self._errors = 0
                self._say(replies.LOGGED_IN)
            case Credentials(), Reply():
                self._failed_logins += 1
                self._say(answer)
                if self._failed_logins >= self._limits.failed_logins:
                    self.close(replies.TOO_MANY_LOGINS)
            case CheckSender(), None:
                self._say(replies.SENDER_OK)
            case CheckSender(), Reply():
                self._say(answer)
                self._transaction = None
            case CheckRecipient(path), None:
                assert self._transaction
                self._transaction.forward_paths[path] = None
                self._idle = 0
                self._say(replies.RECIPIENT_OK)
            case CheckRecipient(), Reply():
                self._say(answer)
            case Submitted(), Reply():
                self._say(answer)
                self._end_message()

    def tls_started(self) -> None:
        """Go on within TLS: nothing that was said in clear text counts (RFC 3207 4.2)."""
        self._event = self._transaction = self._exchange = None
        self._lines.rest()
        self._is_greeted, self._offers_tls, self._is_private = False, False, True

    def close(self, reply: Reply | None = None) -> None:
        """End the session, with this reply; nothing more is read."""
        if isinstance(self._event, Close):
            return
        if reply is not None:
            # RFC 5321 4.2.3: the name of who closes stands before the words.
            self._due.append(replies.lines_in_bytes(reply.code, [f"{reply.enhanced} {self._host} {reply.text}"]))
        self._event = Close()
        self.forget_content()

    def forget_content(self) -> None:
        """Forget a message that will not be taken, or has been."""
        if self._content is not None:
            self._content.close()
            self._content = None

    def _say(self, reply: Reply) -> None:
        transaction = self._transaction
        self._due.append(replies.in_bytes(reply, utf8=transaction is not None and transaction.smtputf8))

    def _count_error(self) -> None:
        self._errors += 1
        if self._errors >= self._limits.errors:
            self.close(replies.TOO_MANY_ERRORS)

    def _read_line(self, line: bytes) -> None:
        exchange, self._exchange = self._exchange, None
        try:
            if exchange:
                self._go_on_with_login(exchange, exchange.take(line))
            else:
                verb, _, argument = text_of(line).partition(" ")
                if verb.upper() in replies.WEB:
                    self.close(replies.NOT_SMTP)
                    return
                self._do(verb.upper(), argument.strip(" "))
        except Refused as refused:
            self._say(refused.reply)
            if refused.counts:
                self._count_error()

    def _do(self, verb: str, argument: str) -> None:
        match verb:
            case "STARTTLS" | "DATA" | "RSET" | "QUIT" if argument:
                raise Refused(Reply(501, "5.5.4", f"Syntax: {verb}"))
            case "EHLO" | "HELO":
                self._hello(verb, argument)
            case "STARTTLS":
                self._starttls()
            case "AUTH":
                self._auth(argument)
            case "MAIL":
                self._mail(argument)
            case "RCPT":
                self._rcpt(argument)
            case "DATA":
                self._data()
            case "RSET":
                self._transaction = None
                self._do_nothing(replies.in_bytes(replies.OK))
            case "QUIT":
                self._say(replies.GOODBYE)
                self.close()
            case _:
                self._do_nothing(replies.in_bytes(reply_to_other(verb)))

    def _read_content(self, reader: ContentReader, data: bytes) -> bool:
        """Read on, and tell whether the content has ended."""
        if (rest := reader.feed(data)) is None:
            return False
        self._lines.add(rest)
        self.progress += 1
        transaction, content = self._transaction, reader.result()
        assert transaction
        if isinstance(content, Reply):
            self._say(content)
            self._end_message()
        else:
            paths = tuple(transaction.forward_paths)
            self._event = Submitted(transaction.reverse_path, paths, content, transaction.smtputf8, self._peer)
        return True

    def _end_message(self) -> None:
        self.forget_content()
        self._transaction = None
        self._errors = self._idle = 0

    def _hello(self, verb: str, argument: str) -> None:
        if not argument:
            raise Refused(Reply(501, "5.5.4", f"Syntax: {verb} hostname"))
        self._is_greeted, self._transaction = True, None
        offers = replies.offers(
            self._limits.message_bytes,
            starttls=self._offers_tls,
            auth=MECHANISMS if self._is_private and not self.is_logged_in else (),
        )
        self._do_nothing(replies.lines_in_bytes(250, [self._host, *(offers if verb == "EHLO" else [])]))

    def _starttls(self) -> None:
        if not self._offers_tls:
            raise Refused(replies.NO_STARTTLS)
        if self.is_logged_in:
            raise Refused(replies.LOGGED_IN_ALREADY)
        self._say(replies.READY_FOR_TLS)
        self._event = StartTls()

    def _auth(self, argument: str) -> None:
        if not self._is_private:
            raise Refused(replies.TLS_NEEDED)
        if self.is_logged_in:
            raise Refused(replies.LOGGED_IN_ALREADY)
        if not self._is_greeted:
            raise Refused(replies.EHLO_FIRST)
        words = argument.split()
        if len(words) not in {1, 2}:
            raise Refused(Reply(501, "5.5.4", "Syntax: AUTH mechanism"))
        exchange = LoginExchange(words[0])
        self._go_on_with_login(exchange, exchange.begin(words[1] if words[1:] else None))

    def _go_on_with_login(self, exchange: LoginExchange, step: str | Credentials) -> None:
        if isinstance(step, Credentials):
            self._event = step
        else:
            self._exchange = exchange
            self._due.append(f"334 {step}\r\n".encode())

    def _mail(self, argument: str) -> None:
        # What a client sends behind MAIL at once is no error of its own when that is refused.
        self._spared = self._limits.recipients + 1
        if not self._is_greeted:
            raise Refused(replies.EHLO_FIRST)
        if self._transaction:
            raise Refused(replies.NESTED_MAIL)
        if not isinstance(self.app, App):
            must_start_tls = self._offers_tls and not self._is_private
            raise Refused(self.app or (replies.TLS_FIRST if must_start_tls else replies.LOGIN_FIRST))
        said = read_mail(argument)
        if said.size > self._limits.message_bytes:
            raise Refused(replies.too_large(self._limits.message_bytes))
        self._transaction = Transaction(said.path, said.smtputf8)
        self._event = CheckSender(said.path)

    def _rcpt(self, argument: str) -> None:
        transaction = self._begun()
        path = read_rcpt(argument, smtputf8=transaction.smtputf8)
        if path in transaction.forward_paths:
            self._say(replies.RECIPIENT_OK)
        elif len(transaction.forward_paths) >= self._limits.recipients:
            raise Refused(replies.TOO_MANY_RECIPIENTS, counts=False)
        else:
            self._event = CheckRecipient(path)

    def _data(self) -> None:
        transaction = self._begun()
        if not transaction.forward_paths:
            raise Refused(replies.NO_RECIPIENTS, counts=False)
        self._say(replies.GO_AHEAD)
        self._content = ContentReader(self._limits.message_bytes, self._memory)

    def _begun(self) -> Transaction:
        if self._transaction is None:
            self._spared -= 1
            raise Refused(replies.MAIL_FIRST, counts=self._spared < 0)
        return self._transaction

    def _do_nothing(self, reply: bytes) -> None:
        self._due.append(reply)
        self._idle += 1
        if self._idle > self._limits.idle_commands:
            self._count_error()
