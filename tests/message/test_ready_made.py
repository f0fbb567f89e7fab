"""What other programs have made goes out as it came, and nobody learns more of it than they wanted."""

import base64
from email.message import EmailMessage
from email.mime.text import MIMEText
from email.policy import SMTP

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailnode.errors import ComposeError, MailboxError, PartError
from mailnode.message.dkim import DkimSigner
from mailnode.message.email import Email
from mailnode.message.envelope import Envelope, Message
from mailnode.message.ready_made import message_of, ready_made
from mailnode.message.seven_bits import in_seven_bits

TO_BOB = Envelope("ann@x.example", ("bob@y.example",))
HEAD = b"From: Ann <ann@x.example>\r\nTo: bob@y.example\r\nSubject:  odd   blanks \r\n"
STAMPED = HEAD + b"Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x.example>\r\n"
LATIN = STAMPED + b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nna\xefve\r\n"
SIGNED = (
    STAMPED + b"Content-Type: multipart/signed; boundary=b; protocol=x/y; micalg=z\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9\r\n"
    b"--b\r\nContent-Type: x/y\r\n\r\ns\r\n--b--\r\n"
)
KEY = Ed25519PrivateKey.generate()
SIGNER = DkimSigner("x.example", "s1", KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
RECORD = b"v=DKIM1; k=ed25519; p=" + base64.b64encode(KEY.public_key().public_bytes_raw())


def is_signed(content: bytes) -> bool:
    return bool(dkim.verify(content, dnsfunc=lambda _name, timeout=5: RECORD))


def made(content, envelope=None, **options) -> Message:
    message = ready_made(content, envelope, **options)
    assert message.size == len(message.octets())
    return message


@pytest.mark.parametrize("content", [LATIN, SIGNED, STAMPED + b"\r\n.\r\n..\r\n", STAMPED + b"\r\n"])
def test_a_whole_message_stays_as_it_is(content):
    message = made(content, TO_BOB)
    assert message.octets() == content
    assert (message.message_id, message.fields) == ("<1@x.example>", {"bob@y.example": "to"})
    assert message.warnings == ()


def test_only_line_ends_what_is_blind_and_what_is_missing_change():
    content = b"From ann Mon Nov  2\n" + HEAD.replace(b"\r\n", b"\n") + b"bcc:\n eve@z.example\nX: 1\n\n\xe9\rb\n\n.\nc"
    message = made(content)
    head, _, body = message.octets().partition(b"\r\n\r\n")
    assert head.startswith(HEAD + b"X: 1\r\nMessage-ID: <")
    assert message.message_id.encode() in head
    assert message.message_id.endswith("@x.example>")
    assert b"\r\nDate: " in head
    assert b"eve" not in message.octets()
    assert body == b"\xe9\r\nb\r\n\r\n.\r\nc\r\n"
    assert message.envelope == Envelope("ann@x.example", ("bob@y.example", "eve@z.example"))
    assert message.fields == {"bob@y.example": "to", "eve@z.example": "bcc"}


def test_the_envelope_is_that_of_the_fields_or_the_given_one():
    head = b'Sender: desk@x.example\r\nFrom: a@x.example\r\nTo: Bob <bob@Y.example>, "Doe, J" <j@y.example>\r\n'
    head += b"Cc: Team: t@y.example, bob@y.example;, =?utf-8?q?a=2Cb?= <\xc3\xa9@y.example>\r\n\r\nHi\r\n"
    message = made(head)
    assert message.envelope.reverse_path == "desk@x.example"
    assert message.envelope.forward_paths == ("bob@y.example", "j@y.example", "t@y.example", "é@y.example")
    assert [*message.fields.values()] == ["to", "to", "cc", "cc"]
    given = made(head, Envelope("", ("Eve@b\u00fccher.example", "j@y.example", "j@y.example")))
    assert given.envelope == Envelope(None, ("Eve@xn--bcher-kva.example", "j@y.example"))
    assert [*given.fields.values()] == ["bcc", "to"]


@pytest.mark.parametrize(
    ("content", "envelope", "said"),
    [
        (b"", TO_BOB, "header field"),
        (b"Hello Bob", TO_BOB, "'Hello Bob'"),
        (b"\r\nFrom: a@b.example\r\n", TO_BOB, "header field"),
        (HEAD + b"no field\r\n\r\nHi", TO_BOB, "'no field'"),
        (STAMPED + b"\r\na\x00b", TO_BOB, "NUL"),
        (b"To: bob@y.example\r\n\r\nHi", None, "no sender"),
        (b"From: a@b.example\r\n\r\nHi", None, "no recipient"),
        (b"From: a@b.example\r\nTo: undisclosed-recipients:;\r\n\r\nHi", None, "no recipient"),
        (STAMPED + b"Resent-To: c@d.example\r\n\r\nHi", None, "resent"),
        (STAMPED + b"\r\nHi", Envelope("ann@x.example", ()), "no recipient"),
        (STAMPED + b"\r\nHi", Envelope("ann@x.example>", ("bob@y.example",)), "ann@x.example>"),
        (STAMPED + b"\r\nHi", Envelope(None, ("bob@y.example\r\nDATA",)), "bob@y.example"),
    ],
)
def test_what_is_no_message_or_goes_to_nobody_is_refused(content, envelope, said):
    with pytest.raises(ComposeError) as caught:
        ready_made(content, envelope)
    assert said in caught.value.message
    assert caught.value.hint


def test_comments_too_deep_to_be_read_name_nobody():
    content = b"From: ann@x.example\r\nCc: " + b"(" * 5_000 + b"\r\n\r\nHi\r\n"
    assert ready_made(content, Envelope("ann@x.example", ("bob@y.example",))).fields == {"bob@y.example": "bcc"}
    with pytest.raises(ComposeError, match="has no recipient"):
        ready_made(content)


def test_a_line_that_servers_may_break_is_told():
    (warning,) = made(STAMPED + b"\r\n" + b"a" * 999, TO_BOB).warnings
    assert "999 bytes" in warning


class TestSevenBits:
    def test_parts_are_encoded_and_the_rest_stays(self):
        clean = in_seven_bits(made(LATIN, TO_BOB))
        assert clean.octets().isascii()
        assert clean.octets().startswith(STAMPED)
        assert b"\r\n\r\nbmHvdmUNCg==\r\n" in clean.octets()
        assert clean.size == len(clean.octets())

    @pytest.mark.parametrize(
        "content", [SIGNED, b"DKIM-Signature: v=1\r\n" + LATIN, b"ARC-Message-Signature: i=1\r\n" + LATIN]
    )
    def test_no_signature_is_broken(self, content):
        with pytest.raises(PartError, match="sign") as caught:
            in_seven_bits(made(content, TO_BOB))
        assert caught.value.hint


class TestOurSignature:
    def test_it_stands_above_and_holds_though_a_server_takes_no_8_bits(self):
        message = made(LATIN, TO_BOB, signer=SIGNER)
        assert message.is_ascii
        assert is_signed(message.octets())

    @pytest.mark.parametrize("content", [SIGNED, b"DKIM-Signature: v=1; b=\r\n" + LATIN])
    def test_theirs_is_left_as_it_is(self, content):
        message = made(content, TO_BOB, signer=SIGNER)
        assert message.octets().endswith(content)
        assert is_signed(message.octets())


class TestMessagesOfTheStandardLibrary:
    def test_an_email_message_goes_out_as_it_writes_itself(self):
        message = EmailMessage()
        message["From"], message["To"], message["Bcc"] = "Ann <ann@x.example>", "bob@y.example", "eve@z.example"
        message["Subject"], message["Date"], message["Message-ID"] = "Grüße", "Mon, 2 Nov 2026 10:00:00 +0000", "<1@x>"
        message.set_content("naïve\n" * 3)
        message.add_attachment(b"\x00\xff", maintype="application", subtype="pdf", filename="ü.pdf")
        sent = message_of(message)
        assert sent.envelope.forward_paths == ("bob@y.example", "eve@z.example")
        del message["Bcc"]
        assert sent.octets() == message.as_bytes(policy=SMTP)

    def test_an_old_one_does_too(self):
        message = MIMEText("Hi\n")
        message["From"], message["To"] = "ann@x.example", "bob@y.example"
        sent = message_of(message, TO_BOB).octets()
        assert sent.startswith(
            message.as_bytes().replace(b"\n", b"\r\n").partition(b"\r\n\r\n")[0] + b"\r\nMessage-ID: <"
        )

    def test_an_address_beyond_ascii_is_written_as_it_is(self):
        message = EmailMessage()
        message["From"], message["To"] = "ann@x.example", "é@y.example"
        message.set_content("Hi\n")
        sent = message_of(message)
        assert sent.envelope.needs_smtputf8
        assert "To: é@y.example\r\n".encode() in sent.octets()


def test_an_email_is_composed_and_what_is_none_of_these_is_refused():
    email = Email(from_="ann@x.example", to="bob@y.example", text="Hi")
    assert message_of(email).envelope == TO_BOB
    composed = message_of(email)
    assert message_of(composed) is composed
    with pytest.raises(ComposeError, match="own envelope"):
        message_of(email, TO_BOB)
    for wrong in ("From: a@b.example", None, 3):
        with pytest.raises(ComposeError, match="an Email is required"):
            message_of(wrong)  # type: ignore[arg-type]  # as a program without types may
    with pytest.raises(MailboxError):
        message_of(STAMPED, Envelope(None, ("nobody",)))
