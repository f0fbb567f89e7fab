import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import ErrorCode, Unsendable
from mailnode.smtp.command import Command, encode, ignore_reply, mail, rcpt
from mailnode.smtp.extension import Extensions
from support.messages import letter

ALL = Extensions(pipelining=True, size=1000, eight_bit_mime=True, smtputf8=True)


def test_mail_declares_the_size_where_it_is_offered():
    assert mail(letter(), ALL) == "MAIL FROM:<ann@x.example> SIZE=19"
    assert mail(letter(), Extensions()) == "MAIL FROM:<ann@x.example>"


def test_the_null_reverse_path_is_written_as_such():
    assert mail(letter(sender=None), Extensions()) == "MAIL FROM:<>"


def test_a_message_over_the_servers_size_is_not_begun():
    with pytest.raises(Unsendable, match="1001 bytes, and the server accepts at most 1000") as caught:
        mail(letter(content=b"x" * 1001), ALL)
    assert caught.value.code == ErrorCode.OVER_SERVER_SIZE
    assert mail(letter(content=b"x" * 1001), Extensions(size=0)).endswith(" SIZE=1001")


def test_smtputf8_is_asked_for_only_when_an_address_needs_it():
    assert mail(letter("j\u00fcrg@y.example"), ALL).endswith(" SIZE=19 BODY=8BITMIME SMTPUTF8")
    assert mail(letter("j\u00fcrg@y.example"), Extensions(smtputf8=True)).endswith("> SMTPUTF8")


def test_a_header_beyond_ascii_needs_smtputf8_though_no_address_of_the_envelope_does():
    there = letter(content="To: jörg@y.example\r\n\r\nhi\r\n".encode())
    assert mail(there, ALL).endswith(" BODY=8BITMIME SMTPUTF8")
    with pytest.raises(Unsendable) as caught:
        mail(there, Extensions())
    assert caught.value.code == ErrorCode.SMTPUTF8_NOT_OFFERED


def test_smtputf8_that_is_needed_and_not_offered_is_an_error():
    with pytest.raises(Unsendable) as caught:
        mail(letter("j\u00fcrg@y.example"), Extensions(eight_bit_mime=True))
    assert caught.value.code == ErrorCode.SMTPUTF8_NOT_OFFERED


@pytest.mark.parametrize(
    "path", ["a@b.example", "a+b@[127.0.0.1]", '"a b"@c', '"a>b\\"c"@d', "j\u00fcrg@b\u00fccher.example"]
)
def test_an_address_is_written_as_it_is(path):
    assert rcpt(path) == f"RCPT TO:<{path}>"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "a@",
        "@b",
        "a@b> NOTIFY=NEVER",
        "a@b>\r\nRSET",
        "a\nb@c",
        "a b@c",
        "<a@b>",
        "a@b@c",
        '"a\r\n"@b',
        '"a"b"@c',
        "a@b\x7f",
        "a@b\x00",
    ],
)
def test_what_could_end_the_path_or_the_line_is_refused(path):
    with pytest.raises(Unsendable) as caught:
        rcpt(path)
    assert caught.value.code == ErrorCode.BAD_MAILBOX
    assert caught.value.phase == "rcpt"


@pytest.mark.parametrize("line", ["EHLO a\r\nMAIL FROM:<x@y>", "EHLO a\nb", "NOOP \x00", "NOOP \udc80"])
def test_a_line_that_would_be_two_is_never_encoded(line):
    with pytest.raises(Unsendable):
        encode([Command("ehlo", "NOOP", ignore_reply), Command("ehlo", line, ignore_reply)])


@settings(max_examples=100)
@given(st.text(max_size=30))
def test_any_text_as_a_path_makes_one_line_or_an_error(path):
    try:
        octets = encode([Command("rcpt", rcpt(path), ignore_reply)])
    except Unsendable:
        return
    assert octets.startswith(b"RCPT TO:<")
    assert octets.endswith(b">\r\n")
    assert octets.count(b"\n") == octets.count(b"\r") == 1
