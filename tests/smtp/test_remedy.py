import pytest

from mailnode.smtp.remedy import explain
from mailnode.smtp.reply import ReplyParser


def hint(phase, text, host=""):
    octets = "".join(line + "\r\n" for line in text.split("\n")).encode()
    return explain(next(ReplyParser().feed(octets)), phase, host)


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
        ("auth", "550 5.7.30 Basic authentication is not supported for Client Submission.", "OAuth2"),
        ("auth", "535 5.7.3 Authentication unsuccessful [x.prod.outlook.com]", "Microsoft 365"),
        ("auth", "535 5.7.0 (#AUTH005) Too many bad auth attempts.", "user name"),
        ("auth", "535 Incorrect authentication data", "user name and password"),
        ("auth", "454 4.7.0 Temporary authentication failure", "later"),
        ("auth", "538 5.7.11 Encryption required for requested authentication mechanism", "tlsOption"),
        ("mail", "530 5.7.57 Client not authenticated to send mail.", "wants a login"),
        ("mail", "530 5.7.0 Must issue a STARTTLS command first", "tlsOption"),
        ("mail", "530 5.7.0 Authentication required", "wants a login"),
        ("content", "554 5.2.252 SendAsDenied; a@b.example not allowed to send as c@b.example", "Send As"),
        ("content", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "Send As"),
        ("rcpt", "550 5.7.1 Unable to relay", "does not take mail for this recipient"),
        ("rcpt", "554 5.7.1 <a@b.example>: Relay access denied", "does not take mail for this recipient"),
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
        ("data", "554 5.0.0 no", "the server's words"),
        ("content", "554 5.0.0 no", "the server's words"),
    ],
)
def test_a_known_text_is_explained(phase, said, word):
    assert word in hint(phase, said)


@pytest.mark.parametrize(
    ("host", "word"),
    [("smtp.mail.yahoo.com", "Yahoo"), ("smtp.mail.me.com", "iCloud"), ("smtp.gmail.com", "user name")],
)
def test_the_host_helps_where_the_text_does_not_tell_the_provider(host, word):
    assert word in hint("auth", "535 5.7.8 no", host)
