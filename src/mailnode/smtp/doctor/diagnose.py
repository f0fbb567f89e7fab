"""The doctor: goes through the steps of sending a mail, reports on each, and sends none."""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from mailnode.errors import ErrorCode, Phase, SessionLost, SmtpError, TokenError
from mailnode.message.envelope import Envelope, Message
from mailnode.smtp.account import Account
from mailnode.smtp.authentication import Credentials, TokenRefused, authenticate, is_private
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.channel import Channel
from mailnode.smtp.command import mail, rcpt
from mailnode.smtp.doctor.certificate import SEEN_IN_CERTIFICATE, Certificate, fault_of, now, read_certificate
from mailnode.smtp.doctor.finding import Diagnosis, Finding, FindingLog, OnFinding, Step, TokenCheck, WorkingSettings
from mailnode.smtp.doctor.reachability import USUAL_PORTS, PortOption, connect_to_all, find_working_settings
from mailnode.smtp.extension import Extensions
from mailnode.smtp.handshake import greet, read_greeting, send_ehlo, send_starttls
from mailnode.smtp.probe import detect_protocol
from mailnode.smtp.remedy import explain
from mailnode.smtp.reply import Reply
from mailnode.smtp.server import Deadlines, ServerSettings
from mailnode.smtp.stream import Stream
from mailnode.smtp.tls import start_tls
from mailnode.smtp.trust import untrusting_context

# For a person who waits; the minutes of RFC 5321 are for mail.
DOCTOR_DEADLINES = Deadlines(
    connect=10, tls=10, probe=4, greeting=40, ehlo=15, auth=15, mail=15, rcpt=15, data=15, block=15, content=15
)
# The size that MAIL declares where the server offers SIZE.
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
_NO_GREETING = frozenset({ErrorCode.TLS_FAILED, ErrorCode.BAD_REPLY, ErrorCode.TIMEOUT, ErrorCode.SESSION_LOST})
_OTHER_PROTOCOLS = {
    "IMAP": "that port is for reading mail: use the one for sending, 465 or 587",
    "POP3": "that port is for reading mail: use the one for sending, 465 or 587",
    "HTTP": "that is a web server: use the mail server's host, and port 465 or 587",
}


def _ignore_finding(_finding: Finding) -> None:
    """Do nothing."""


async def examine(
    server: ServerSettings,
    *,
    sender: str | None = None,
    recipients: Sequence[str] = (),
    on_finding: OnFinding = _ignore_finding,
    usual: Sequence[PortOption] = USUAL_PORTS,
) -> Diagnosis:
    """Take a server through the steps of a mail, up to its recipients (addr-specs), then quit: no mail is ever sent.

    `on_finding` is called with each finding at once. The deadlines are those of `server`; DOCTOR_DEADLINES suit a
    person who waits. A certificate that can't be trusted is described, and the server's EHLO too, but no login goes
    there. When a step fails, the other TLS modes of the port and the `usual` ports of the host are tried.
    """
    log = FindingLog(on_finding)
    error = await _Examination(server, log).run(sender, recipients)
    findings = tuple(log.findings)
    if error is not None:
        return Diagnosis(findings, await find_working_settings(server, error, usual))
    is_well = all(finding.status != "failed" for finding in findings)
    return Diagnosis(findings, WorkingSettings.of(server) if is_well else None)


class _Examination:
    """One examination of a server."""

    def __init__(self, server: ServerSettings, log: FindingLog) -> None:
        self._server = server
        self._log = log
        self._note = log.note
        self._channel: Channel
        self._is_refused = False
        self._mechanism = ""

    async def run(self, sender: str | None, recipients: Sequence[str]) -> SmtpError | None:
        """Go as far as the server allows; give the error that ended the examination, if there was one."""
        try:
            self._channel = Channel(await connect_to_all(self._server, self._log), self._server.deadlines)
        except SmtpError as error:
            return error
        try:
            extensions = await self._open(self._channel)
            with suppress(TokenError):  # which is a finding already
                await self._log_in(extensions)
                await self._try_envelope(self._channel, extensions, sender, recipients)
            await self._quit(self._channel)
        except SmtpError as error:
            self._channel.hang_up(politely=not isinstance(error, SessionLost))
            await self._explain(error)
            return error
        except BaseException:
            self._channel.hang_up(politely=False)
            raise
        self._channel.hang_up(politely=False)
        return None

    async def _open(self, channel: Channel) -> Extensions:
        server = self._server
        if server.tls_option == "tls":
            await start_tls(channel.stream, server)
            self._note_tls(channel.stream)
        greeting = await read_greeting(channel, server)
        self._note("greeting", "ok", str(greeting))
        extensions = await send_ehlo(channel, server)
        if server.tls_option == "starttls":
            self._note("ehlo", "ok", f"offers {extensions}")
            await send_starttls(channel, server, extensions)
            self._note_tls(channel.stream)
            extensions = await send_ehlo(channel, server)
        if extensions.starttls and server.tls_option == "none" and not is_private(channel.stream, server):
            hint = "set tlsOption to starttls, so that nobody can read the traffic"
            self._note("ehlo", "warning", f"offers {extensions}; STARTTLS is not used", hint=hint)
        else:
            self._note("ehlo", "ok", f"offers {extensions}")
        return extensions

    def _note_tls(self, stream: Stream) -> None:
        certificate = _certificate(stream)
        found = f"{_tls_details(stream)}; {certificate or 'a certificate that is trusted'}"
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
            login = replace(login, tokens=TokenCheck(login.tokens, self._log))
        self._mechanism = await Account(login).open(lambda credentials: self._authenticate(credentials, extensions))
        found = f"logged in as {login.username} by {self._mechanism}"
        if is_private(self._channel.stream, self._server):
            self._note("auth", "ok", found)
        else:
            hint = "set tlsOption to starttls or tls, if the server has it"
            self._note("auth", "warning", f"{found}, in clear text", hint=hint)

    async def _authenticate(self, credentials: Credentials | None, extensions: Extensions) -> str:
        if self._is_refused:  # in the session before
            self._channel.hang_up(politely=True)
            self._channel = Channel(await Stream.open(self._server), self._server.deadlines)
            await greet(self._channel, self._server)
        try:
            return await authenticate(self._channel, self._server, extensions, credentials)
        except TokenRefused as error:
            if not self._is_refused:
                self._is_refused = True
                self._note("auth", "warning", error.message, hint=error.hint, code=error.code)
            raise

    async def _try_envelope(
        self, channel: Channel, extensions: Extensions, sender: str | None, recipients: Sequence[str]
    ) -> None:
        if sender is None:
            self._note("mail", "skipped", "no sender was given")
            return
        unsent = Message(Envelope(sender, tuple(recipients)), {}, "", _SMALL_MAIL_OCTETS, ())
        reply = await channel.ask("mail", mail(unsent, extensions))
        self._note_reply("mail", sender, reply, ErrorCode.SENDER_REFUSED)
        if not reply.is_positive:
            return
        for recipient in recipients:
            reply = await channel.ask("rcpt", rcpt(recipient))
            self._note_reply("rcpt", recipient, reply, ErrorCode.RECIPIENTS_REFUSED)
            if channel.is_over:
                return
        await channel.ask("mail", "RSET")

    def _note_reply(self, phase: Phase, path: str, reply: Reply, code: ErrorCode) -> None:
        found = f"<{path}>: {reply}"
        if reply.is_positive:
            self._note(_STEPS[phase], "ok", found)
        else:
            hint = explain(reply, phase, mechanism=self._mechanism)
            code = ErrorCode.SERVER_REFUSED if reply.is_closing else code
            self._note(_STEPS[phase], "failed", found, hint=hint, code=code)

    async def _quit(self, channel: Channel) -> None:
        await channel.poll()
        channel.protocol.check_order()  # it would be an error of a mail's next command
        if channel.is_over:
            return
        with suppress(SessionLost):  # some servers close without a reply, which harms no mail
            await channel.ask("mail", "QUIT")
        self._note("quit", "ok", "disconnected; no mail was sent")

    async def _explain(self, error: SmtpError) -> None:
        """Note the error, after a closer look where that tells more."""
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            await self._examine_certificate(error.__cause__, error)
            return
        is_first_word = error.phase == "greeting" or (error.phase == "tls" and self._server.tls_option == "tls")
        if error.code in _NO_GREETING and is_first_word:
            # EHLO goes first only to a port of TLS, or one silent for longer than any server delays its greeting.
            sends_ehlo = self._server.tls_option == "tls" or error.code == ErrorCode.TIMEOUT
            protocol = await detect_protocol(self._server, sends_ehlo=sends_ehlo)
            if protocol == "" and error.code == ErrorCode.TIMEOUT:
                self._note("port", "failed", error.message, hint=error.hint, code=error.code)
                return
            if protocol not in {None, "", "SMTP"}:
                self._note_protocol(protocol, error)
                return
        self._note_error(error)

    def _note_protocol(self, protocol: str, error: SmtpError) -> None:
        address = self._server.address
        hint = _OTHER_PROTOCOLS.get(protocol, "check host and port: mail is usually sent through 465 or 587")
        self._note("port", "failed", f"{address} speaks {protocol}, not SMTP", hint=hint, code=error.code)

    def _note_error(self, error: SmtpError) -> None:
        step = "port" if error.code in _WRONG_MODE else _STEPS.get(error.phase, "connect")
        found = error.message
        if error.code == ErrorCode.TIMEOUT and error.phase not in {"connect", "tls", "greeting"}:
            found += f": {self._server.deadlines.of(error.phase):g} s"
        self._note(step, "failed", found, hint=error.hint, code=error.code)

    async def _examine_certificate(self, verdict: ssl.SSLCertVerificationError, error: SmtpError) -> None:
        """Note what is wrong with a certificate that is not trusted, and what the server offers; no secret is sent."""
        certificate, offer = None, ""
        with suppress(SmtpError):  # without it, the certificate is not described
            channel = Channel(await Stream.open(self._server), self._server.deadlines)
            try:
                offer = f"offers {await greet(channel, self._server, untrusting_context())}"
            finally:
                certificate = _certificate(channel.stream)
                channel.hang_up(politely=True)
        self._note_certificate(certificate, verdict, error)
        if offer:
            self._note("ehlo", "ok", f"{offer} (asked without trusting the certificate)")
        if self._server.login:
            self._note("auth", "skipped", "no secret goes to a server whose certificate is not trusted")

    def _note_certificate(
        self, certificate: Certificate | None, verdict: ssl.SSLCertVerificationError, error: SmtpError
    ) -> None:
        code, message = verdict.verify_code, verdict.verify_message
        if certificate is None:
            self._note("tls", "failed", error.message, hint=error.hint, code=error.code)
            return
        faults = list(certificate.faults(self._server.host, code, message, now())) or [fault_of(code, message)]
        what = " and ".join(fault.what for fault in faults)
        hint = "; ".join(fault.hint for fault in faults)
        found = f"the certificate can't be trusted: {what}. It is a {certificate}"
        if code not in SEEN_IN_CERTIFICATE:  # to trust it, a person must check that it is the right one
            found += f", SHA-256 {certificate.fingerprint}"
        self._note("tls", "failed", found, hint=hint, code=error.code)


def _certificate(stream: Stream) -> Certificate | None:
    return read_certificate(stream.tls.getpeercert(binary_form=True)) if stream.tls else None


def _tls_details(stream: Stream) -> str:
    cipher = stream.tls.cipher() if stream.tls else None
    return ", ".join(word for word in (stream.tls_version, cipher[0] if cipher else "") if word)
