"""The doctor: goes the way that a mail would go, says at each step what it finds, and hands nothing over."""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from mailnode.errors import ErrorCode, Phase, SessionLost, SmtpError, TokenError
from mailnode.message.envelope import Envelope, Message
from mailnode.smtp.account import Account
from mailnode.smtp.authentication import Credentials, TokenRefused, authenticate, is_private
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.command import mail, rcpt
from mailnode.smtp.dialogue import Dialogue
from mailnode.smtp.doctor.certificate import TOLD_BY_CERTIFICATE, Certificate, now, read, trouble_of
from mailnode.smtp.doctor.finding import Diagnosis, Finding, Hear, Record, Step, TokenCheck, WorkingSettings
from mailnode.smtp.doctor.reachability import USUAL_WAYS, Way, alternative, knock
from mailnode.smtp.extension import Extensions
from mailnode.smtp.handshake import greet, hear_greeting, say_ehlo, say_starttls
from mailnode.smtp.probe import language_of
from mailnode.smtp.remedy import explain
from mailnode.smtp.reply import Reply
from mailnode.smtp.server import Deadlines, ServerSettings
from mailnode.smtp.stream import Stream
from mailnode.smtp.tls import start_tls
from mailnode.smtp.trust import untrusting_context

# A person waits; the minutes of RFC 5321 are for mail.
PATIENCE = Deadlines(
    connect=10, tls=10, probe=4, greeting=40, ehlo=15, auth=15, mail=15, rcpt=15, data=15, block=15, content=15
)
# What a small mail declares where the server wants to know.
_SMALL_MAIL_OCTETS = 1000

_STEPS: dict[Phase, Step] = {
    "connect": "connect",
    "tls": "tls",
    "greeting": "greeting",
    "ehlo": "ehlo",
    "auth": "auth",
    "mail": "mail",
    "rcpt": "rcpt",
}
_WRONG_MODE = frozenset({ErrorCode.TLS_ON_PLAIN_PORT, ErrorCode.PLAIN_ON_TLS_PORT})
# After these the port may not be one of SMTP at all.
_UNHEARD = frozenset({ErrorCode.TLS_FAILED, ErrorCode.BAD_REPLY, ErrorCode.TIMEOUT, ErrorCode.SESSION_LOST})
_OTHER_LANGUAGES = {
    "IMAP": "mail is fetched there, not sent: use the port for sending, 465 or 587",
    "POP3": "mail is fetched there, not sent: use the port for sending, 465 or 587",
    "HTTP": "that is a web server: use the mail server's host, and port 465 or 587",
}


def _nobody(_finding: Finding) -> None:
    """Hear nothing."""


async def examine(
    server: ServerSettings,
    *,
    sender: str | None = None,
    recipients: Sequence[str] = (),
    hear: Hear = _nobody,
    usual: Sequence[Way] = USUAL_WAYS,
) -> Diagnosis:
    """Go to a server as a mail would, up to its recipients (addr-specs), then leave: no mail is ever sent.

    `hear` is told each finding at once. Waits are those of the server's deadlines; PATIENCE holds some for a person who
    waits. A certificate that can't be trusted is looked at, and the server's EHLO too, but no login goes there. When
    the way is blocked, the TLS modes of the port and the `usual` ports of the host are tried.
    """
    record = Record(hear)
    error = await _Visit(server, record).pay(sender, recipients)
    findings = tuple(record.findings)
    if error is not None:
        return Diagnosis(findings, await alternative(server, error, usual))
    is_well = all(finding.status != "failed" for finding in findings)
    return Diagnosis(findings, WorkingSettings.of(server) if is_well else None)


class _Visit:
    """One look at a server."""

    def __init__(self, server: ServerSettings, record: Record) -> None:
        self._server = server
        self._record = record
        self._note = record.note
        self._dialogue: Dialogue
        self._is_refused = False
        self._mechanism = ""

    async def pay(self, sender: str | None, recipients: Sequence[str]) -> SmtpError | None:
        """Go as far as the server lets us; give what broke the visit off, if anything did."""
        try:
            self._dialogue = Dialogue(await knock(self._server, self._record), self._server.deadlines)
        except SmtpError as error:
            return error
        try:
            extensions = await self._open(self._dialogue)
            with suppress(TokenError):  # which is a finding already
                await self._log_in(extensions)
                await self._try_envelope(self._dialogue, extensions, sender, recipients)
            await self._leave(self._dialogue)
        except SmtpError as error:
            self._dialogue.leave(politely=not isinstance(error, SessionLost))
            await self._explain(error)
            return error
        except BaseException:
            self._dialogue.leave(politely=False)
            raise
        self._dialogue.leave(politely=False)
        return None

    async def _open(self, dialogue: Dialogue) -> Extensions:
        server = self._server
        if server.tls_option == "tls":
            await start_tls(dialogue.stream, server)
            self._note_tls(dialogue.stream)
        greeting = await hear_greeting(dialogue, server)
        self._note("greeting", "ok", str(greeting))
        extensions = await say_ehlo(dialogue, server)
        if server.tls_option == "starttls":
            self._note("ehlo", "ok", f"offers {extensions}")
            await say_starttls(dialogue, server, extensions)
            self._note_tls(dialogue.stream)
            extensions = await say_ehlo(dialogue, server)
        if extensions.starttls and server.tls_option == "none" and not is_private(dialogue.stream, server):
            hint = "set tlsOption to starttls, so that nobody reads along"
            self._note("ehlo", "warning", f"offers {extensions}; STARTTLS is not used", hint=hint)
        else:
            self._note("ehlo", "ok", f"offers {extensions}")
        return extensions

    def _note_tls(self, stream: Stream) -> None:
        certificate = _certificate(stream)
        found = f"{_privacy(stream)}; {certificate or 'a certificate that is trusted'}"
        if certificate and certificate.ends_soon(now()):
            hint = "ask the server's operator to renew the certificate now"
            self._note("tls", "warning", found, hint=hint)
        else:
            self._note("tls", "ok", found)

    async def _log_in(self, extensions: Extensions) -> None:
        login = self._server.login
        if login is None:
            self._note("auth", "skipped", "no login was given")
            return
        if isinstance(login, TokenLogin):
            login = replace(login, tokens=TokenCheck(login.tokens, self._record))
        self._mechanism = await Account(login).opened(lambda credentials: self._authenticate(credentials, extensions))
        found = f"logged in as {login.username} by {self._mechanism}"
        if is_private(self._dialogue.stream, self._server):
            self._note("auth", "ok", found)
        else:
            hint = "set tlsOption to starttls or tls, if the server has it"
            self._note("auth", "warning", f"{found}, in clear text", hint=hint)

    async def _authenticate(self, credentials: Credentials | None, extensions: Extensions) -> str:
        if self._is_refused:  # in the session before
            self._dialogue.leave(politely=True)
            self._dialogue = Dialogue(await Stream.open(self._server), self._server.deadlines)
            await greet(self._dialogue, self._server)
        try:
            return await authenticate(self._dialogue, self._server, extensions, credentials)
        except TokenRefused as error:
            if not self._is_refused:
                self._is_refused = True
                self._note("auth", "warning", error.message, hint=error.hint, code=error.code)
            raise

    async def _try_envelope(
        self, dialogue: Dialogue, extensions: Extensions, sender: str | None, recipients: Sequence[str]
    ) -> None:
        if sender is None:
            self._note("mail", "skipped", "no sender was given")
            return
        unsent = Message(Envelope(sender, tuple(recipients)), {}, "", _SMALL_MAIL_OCTETS, ())
        reply = await dialogue.ask("mail", mail(unsent, extensions))
        self._note_reply("mail", sender, reply, ErrorCode.SENDER_REFUSED)
        if not reply.is_positive:
            return
        for recipient in recipients:
            reply = await dialogue.ask("rcpt", rcpt(recipient))
            self._note_reply("rcpt", recipient, reply, ErrorCode.RECIPIENTS_REFUSED)
            if dialogue.is_over:
                return
        await dialogue.ask("mail", "RSET")

    def _note_reply(self, phase: Phase, path: str, reply: Reply, code: ErrorCode) -> None:
        found = f"<{path}>: {reply}"
        if reply.is_positive:
            self._note(_STEPS[phase], "ok", found)
        else:
            hint = explain(reply, phase, mechanism=self._mechanism)
            code = ErrorCode.SERVER_REFUSED if reply.is_farewell else code
            self._note(_STEPS[phase], "failed", found, hint=hint, code=code)

    async def _leave(self, dialogue: Dialogue) -> None:
        await dialogue.listen()
        dialogue.protocol.check_order()  # a mail would meet it with its next command
        if dialogue.is_over:
            return
        with suppress(SessionLost):  # some hang up without a word, and no mail hangs on it
            await dialogue.ask("mail", "QUIT")
        self._note("quit", "ok", "left; no mail was sent")

    async def _explain(self, error: SmtpError) -> None:
        """Note what stopped us, after a closer look where that tells more."""
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            await self._look_on(error.__cause__, error)
            return
        is_first_word = error.phase == "greeting" or (error.phase == "tls" and self._server.tls_option == "tls")
        if error.code in _UNHEARD and is_first_word:
            # Unasked we speak to those only that begin with TLS, or that were silent for longer than any trap waits.
            speaks = self._server.tls_option == "tls" or error.code == ErrorCode.TIMEOUT
            language = await language_of(self._server, speaks=speaks)
            if language == "" and error.code == ErrorCode.TIMEOUT:
                self._note("port", "failed", error.message, hint=error.hint, code=error.code)
                return
            if language not in {None, "", "SMTP"}:
                self._note_language(language, error)
                return
        self._note_error(error)

    def _note_language(self, language: str, error: SmtpError) -> None:
        address = self._server.address
        hint = _OTHER_LANGUAGES.get(language, "check host and port: mail is sent by 465 or 587 as a rule")
        self._note("port", "failed", f"{address} speaks {language}, not SMTP", hint=hint, code=error.code)

    def _note_error(self, error: SmtpError) -> None:
        step = "port" if error.code in _WRONG_MODE else _STEPS.get(error.phase, "connect")
        found = error.message
        if error.code == ErrorCode.TIMEOUT and error.phase not in {"connect", "tls", "greeting"}:
            found += f": {self._server.deadlines.of(error.phase):g} s"
        self._note(step, "failed", found, hint=error.hint, code=error.code)

    async def _look_on(self, verdict: ssl.SSLCertVerificationError, error: SmtpError) -> None:
        """Look at a certificate that is not trusted, and at what the server would offer; say no secret to it."""
        certificate, offer = None, ""
        with suppress(SmtpError):  # what can't be seen is not told
            dialogue = Dialogue(await Stream.open(self._server), self._server.deadlines)
            try:
                offer = f"offers {await greet(dialogue, self._server, untrusting_context())}"
            finally:
                certificate = _certificate(dialogue.stream)
                dialogue.leave(politely=True)
        self._note_distrust(certificate, verdict, error)
        if offer:
            self._note("ehlo", "ok", f"{offer} (asked without trusting the certificate)")
        if self._server.login:
            self._note("auth", "skipped", "no secret goes to a server whose certificate is not trusted")

    def _note_distrust(
        self, certificate: Certificate | None, verdict: ssl.SSLCertVerificationError, error: SmtpError
    ) -> None:
        code, words = verdict.verify_code, verdict.verify_message
        if certificate is None:
            self._note("tls", "failed", error.message, hint=error.hint, code=error.code)
            return
        troubles = list(certificate.troubles(self._server.host, code, words, now())) or [trouble_of(code, words)]
        what = " and ".join(trouble.what for trouble in troubles)
        hint = "; ".join(trouble.hint for trouble in troubles)
        found = f"the certificate can't be trusted: {what}. It is a {certificate}"
        if code not in TOLD_BY_CERTIFICATE:  # who wants to trust it must see that it is the right one
            found += f", SHA-256 {certificate.fingerprint}"
        self._note("tls", "failed", found, hint=hint, code=error.code)


def _certificate(stream: Stream) -> Certificate | None:
    return read(stream.tls.getpeercert(binary_form=True)) if stream.tls else None


def _privacy(stream: Stream) -> str:
    cipher = stream.tls.cipher() if stream.tls else None
    return ", ".join(word for word in (stream.tls_version, cipher[0] if cipher else "") if word)
