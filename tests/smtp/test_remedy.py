import pytest

from mailnode.smtp.bearer import TokenStatus
from mailnode.smtp.login_remedies import LOGIN_REMEDIES, TOKEN_REMEDIES
from mailnode.smtp.mail_remedies import EHLO_REMEDIES, MAIL_REMEDIES, REPUTATION_REMEDIES, SESSION_REMEDIES
from mailnode.smtp.remedy import explain, explain_token_refusal
from mailnode.smtp.reply import ReplyParser


def hint(phase, text, host="", **login):
    octets = "".join(line + "\r\n" for line in text.split("\n")).encode()
    return explain(next(ReplyParser().feed(octets)), phase, host, **login)


@pytest.mark.parametrize(
    ("phase", "said", "word"),
    [
        (
            "auth",
            "534-5.7.9 Application-specific password required.\n534 5.7.9  https://support.google.com/ x - gsmtp",
            "app password",
        ),
        (
            "auth",
            "535-5.7.8 Username and Password not accepted.\n535 5.7.8  https://support.google.com/ x - gsmtp",
            "app password",
        ),
        (
            "auth",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled",
            "Authenticated SMTP",
        ),
        (
            "auth",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit x",
            "for this mailbox",
        ),
        (
            "auth",
            "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy.",
            "Microsoft Entra",
        ),
        ("auth", "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.", "whole address"),
        (
            "auth",
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
            "no longer accepts passwords",
        ),
        ("auth", "534 5.7.14 <https://accounts.google.com/x> Please log in via your web browser", "with a browser"),
        ("auth", "454 4.7.0 Too many login attempts, please try again later. x - gsmtp", "Google limits"),
        ("auth", "535 5.7.0 NEOBHODIM parol prilozheniya https://help.mail.ru/mail/", "external applications"),
        ("auth", "535 Login fail. Please enter your authorization code to login.", "authorization code"),
        ("auth", "451 Authentication failed: Maximum credits exceeded", "used up"),
        ("auth", "525 5.7.1 Unauthorized IP address", "authorized IPs"),
        ("auth", "535 5.7.1 Account is locked", "unlock it"),
        ("auth", "421 4.7.0 Error: too many errors", "before you try again"),
        ("auth", "550 5.7.30 Basic authentication is not supported for Client Submission.", "oauth2ClientCredentials"),
        ("auth", "535 5.7.3 Authentication unsuccessful [x.prod.outlook.com]", "Microsoft 365"),
        ("auth", "535 5.7.0 (#AUTH005) Too many bad auth attempts.", "user name"),
        ("auth", "535 Incorrect authentication data", "user name and password"),
        ("auth", "454 4.7.0 Temporary authentication failure", "later"),
        ("auth", "538 5.7.11 Encryption required for requested authentication mechanism", "tlsOption"),
        ("mail", "530 5.7.57 Client not authenticated to send mail.", "requires a login"),
        ("mail", "530 5.7.0 Must issue a STARTTLS command first", "tlsOption"),
        ("mail", "530 5.7.0 Authentication required", "requires a login"),
        ("content", "554 5.2.252 SendAsDenied; a@b.example not allowed to send as c@b.example", "Send As"),
        ("content", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "Send As"),
        ("mail", "553 Relaying disallowed as ann@x.example", "address of this account"),
        ("content", "554 Message rejected: Email address is not verified. The following identities failed", "SES"),
        ("content", "550 The from address does not match a verified Sender Identity.", "verify this sender"),
        ("content", "550 5.1.8 Access denied, bad outbound sender", "Restricted entities"),
        ("rcpt", "450 4.1.8 <a@b.example>: Sender address rejected: Domain not found", "exists in DNS"),
        ("rcpt", "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", "ehloName"),
        ("rcpt", "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", "PTR"),
        ("rcpt", "553 5.7.1 <a@b.example>: Sender address rejected: not logged in", "requires a login"),
        ("rcpt", "550 5.2.1 The email account that you tried to reach is disabled", "another way"),
        ("content", "550 5.4.5 Daily user sending limit exceeded. x - gsmtp", "tomorrow"),
        ("content", "454 Throttling failure: Daily message quota exceeded.", "tomorrow"),
        (
            "content",
            "552 5.7.0 This message was blocked because its content presents a potential security issue.",
            "link",
        ),
        (
            "greeting",
            "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints",
            "distrusts",
        ),
        ("content", "554 5.7.1 Message considered spam", "considers this mail spam"),
        ("mail", "432 4.3.2 Concurrent connections limit exceeded", "fewer sessions"),
        ("mail", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]", "sender.office.com"),
        ("rcpt", "550 5.7.1 Unable to relay", "does not accept mail for this recipient"),
        ("rcpt", "554 5.7.1 <a@b.example>: Relay access denied", "does not accept mail for this recipient"),
        ("rcpt", "550 5.1.1 <a@b.example>: User unknown", "no such mailbox"),
        ("rcpt", "452 4.2.2 The email account that you tried to reach is over quota", "full"),
        ("rcpt", "450 4.2.0 Greylisted, see http://postgrey.example", "greylisting"),
        ("content", "552 5.3.4 Message too big for system", "smaller"),
        ("content", "550 5.7.26 This mail is unauthenticated: SPF did not pass", "SPF"),
        ("greeting", "554 5.7.1 Service unavailable; client host blocked using zen.spamhaus.org", "block list"),
        ("mail", "421 4.7.0 Too many messages, try again later", "slowly"),
        ("rcpt", "451 4.3.0 local problem", "try again"),
        ("mail", "550 5.0.0 no", "from this sender"),
        ("rcpt", "550 5.0.0 no", "for this recipient"),
        ("data", "554 5.0.0 no", "the server's reply"),
        ("content", "554 5.0.0 no", "the server's reply"),
    ],
)
def test_a_known_text_is_explained(phase, said, word):
    assert word in hint(phase, said)


@pytest.mark.parametrize(
    ("host", "word"),
    [
        ("smtp.mail.yahoo.com", "Yahoo"),
        ("smtp.mail.me.com", "iCloud"),
        ("smtp.gmail.com", "Gmail"),
        ("smtp.office365.com", "Microsoft 365"),
        ("smtp.zoho.eu", "smtp.zoho.eu"),
        ("smtp.fastmail.com", "Fastmail"),
        ("mail.gmx.net", "POP3/IMAP"),
        ("smtp.web.de", "POP3/IMAP"),
        ("smtp.mail.com", "POP3/IMAP"),
        ("securesmtp.t-online.de", "customer center"),
        ("smtp.yandex.com", "Yandex"),
        ("smtp.qq.com", "authorization code"),
        ("smtp.protonmail.ch", "Proton"),
        ("email-smtp.eu-central-1.amazonaws.com", "SES"),
        ("smtp.sendgrid.net", "`apikey`"),
        ("smtp.mailgun.org", "EU domains"),
        ("smtp.postmarkapp.com", "API token"),
        ("smtp-relay.brevo.com", "SMTP key"),
        ("in-v3.mailjet.com", "secret key"),
        ("smtp.mandrillapp.com", "API key"),
        ("smtp.sparkpostmail.com", "SMTP_Injection"),
        ("smtp.resend.com", "`resend`"),
        ("mail.example.org", "many providers"),
    ],
)
def test_the_host_helps_where_the_text_does_not_tell_the_provider(host, word):
    assert word in hint("auth", "535 5.7.8 no", host)


@pytest.mark.parametrize(
    ("said", "host", "word"),
    [
        ("535 5.7.8 Username and Password not accepted. x - gsmtp", "", "https://mail.google.com/"),
        ("535 5.7.8 no", "smtp.gmail.com", "account that gave consent"),
        ("535 5.7.3 Authentication unsuccessful [x.prod.outlook.com]", "", "SMTP.Send"),
        ("535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.", "", ".default"),
        (
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit x",
            "smtp.office365.com",
            "for this mailbox",
        ),
        ("535 5.7.139 Authentication unsuccessful, the request did not meet the criteria", "", "Conditional Access"),
        ("535 5.7.0 (#AUTH005) Too many bad auth attempts.", "smtp.mail.yahoo.com", "more failures"),
        ("535 5.7.0 no", "smtp.mail.yahoo.com", "mail-w"),
        ("535 5.7.8 no", "mail.example.org", "`user`"),
        ("454 4.7.0 Temporary authentication failure", "smtp.gmail.com", "later"),
        ("538 5.7.11 Encryption required for requested authentication mechanism", "", "tlsOption"),
        ("535 5.7.1 Account is locked", "", "unlock it"),
    ],
)
def test_a_refused_token_is_explained_without_a_word_of_passwords(said, host, word):
    reply = next(ReplyParser().feed(f"{said}\r\n".encode()))
    explained = explain_token_refusal(reply, TokenStatus("400"), host)
    assert word in explained
    assert "password" not in explained


@pytest.mark.parametrize(
    "words",
    [
        "SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled",
        "SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled",
        "user is locked by your organization's security defaults policy.",
        "the request did not meet the criteria to be authenticated successfully.",
        "the user credentials were incorrect.",
        "basic authentication is disabled.",
        "",
    ],
)
def test_whoever_gives_microsoft_a_password_hears_of_oauth2(words):
    said = f"535 5.7.139 Authentication unsuccessful, {words} [x.eurprd01.prod.outlook.com 2026]"
    assert "type oauth2" in hint("auth", said)
    assert "type oauth2" in hint("auth", "535 5.7.3 Authentication unsuccessful", "smtp.office365.com")


def test_a_complaint_alone_is_explained_by_its_host_or_its_scope():
    assert "https://mail.google.com/" in explain_token_refusal(None, TokenStatus("400"), "smtp.gmail.com")
    assert "https://mail.google.com/" in explain_token_refusal(None, TokenStatus("400", "", "https://mail.google.com/"))
    assert "`user`" in explain_token_refusal(None, TokenStatus())


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("mail", "530 5.7.57 Client not authenticated to send mail."),
        ("mail", "530 5.7.0 Authentication required"),
        ("rcpt", "553 5.7.1 <a@b.example>: Sender address rejected: not logged in"),
        ("rcpt", "550 5.7.1 Unable to relay"),
        ("rcpt", "554 5.7.1 <a@b.example>: Relay access denied"),
    ],
)
def test_who_has_logged_in_is_not_told_to_log_in(phase, said):
    nobody, password, token = (hint(phase, said, mechanism=mechanism) for mechanism in ("", "PLAIN", "XOAUTH2"))
    assert "a login" in nobody or "log in" in nobody
    for other in (password, token):
        assert "log in" not in other
        assert "password" not in other
    assert "account" in password
    assert "token" in token


def test_each_phase_has_a_last_word_of_its_own():
    phases = ("greeting", "ehlo", "auth", "mail", "rcpt", "data", "content")
    assert len({hint(phase, "554 5.0.0 no") for phase in phases}) == len(phases)
    assert len({hint(phase, "450 4.0.0 no") for phase in phases}) == 4
    for said in ("554 5.0.0 no", "450 4.0.0 no"):
        assert "ehloName" in hint("ehlo", said)
        assert "log" in hint("auth", said) or "user name" in hint("auth", said)
        assert "machine" in hint("greeting", said)


@pytest.mark.parametrize(
    "said",
    [
        "421-4.7.0 Try again later, closing connection. (EHLO)\n421 4.7.0 go to https://x - gsmtp",
        "421 4.7.0 Try again later",
        "550 5.7.1 Invalid host name",
        "501 5.5.4 Invalid domain name",
        "550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)",
        "554 5.7.1 your name is odd",
        "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname",
        "421 4.7.1 <x>: Helo command rejected: Host not found",
    ],
)
def test_a_name_that_is_not_taken_is_named(said):
    assert "ehloName" in hint("ehlo", said)


def test_only_a_login_is_explained_by_the_host():
    assert "no such mailbox" in hint("rcpt", "550 5.1.1 User unknown", "smtp-relay.brevo.com")


@pytest.mark.parametrize("host", ["smtp.sendgrid.net", "smtp.mail.yahoo.com", "mail.example.org"])
def test_a_refusal_for_now_blames_nobodys_password(host):
    assert "later" in hint("auth", "454 4.7.0 Temporary authentication failure", host)


def test_remedies_are_phrases_without_a_full_stop():
    for table in (LOGIN_REMEDIES, TOKEN_REMEDIES, MAIL_REMEDIES, SESSION_REMEDIES, REPUTATION_REMEDIES, EHLO_REMEDIES):
        for _, _, remedy in table:
            for words in (remedy,) if isinstance(remedy, str) else remedy:
                assert not words.endswith(".")
