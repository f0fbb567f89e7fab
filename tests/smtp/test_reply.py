import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import ErrorCode, SessionLost
from mailnode.smtp.reply import MAX_LINE_OCTETS, MAX_REPLY_LINES, Reply, ReplyParser

REPLIES = (
    b"220 mail.example.org ESMTP\r\n"
    b"250-mail.example.org\r\n250-PIPELINING\r\n250 SIZE 1000\r\n"
    b"550-5.1.1 no such user\r\n550 5.1.1 see https://help.example\r\n"
    b"250\r\n"
    b"452 4.2.2 Postfach \xc3\xbcberf\xc3\xbcllt \xe2\x9c\x89\r\n"
)
READ = [
    Reply(220, ("mail.example.org ESMTP",)),
    Reply(250, ("mail.example.org", "PIPELINING", "SIZE 1000")),
    Reply(550, ("no such user", "see https://help.example"), "5.1.1"),
    Reply(250, ("",)),
    Reply(452, ("Postfach \u00fcberf\u00fcllt \u2709",), "4.2.2"),
]


def feed(*pieces):
    parser = ReplyParser()
    return [reply for piece in pieces for reply in parser.feed(piece)]


def octets(stream):
    return [stream[at : at + 1] for at in range(len(stream))]


def test_replies_are_read_whole():
    assert feed(REPLIES) == READ


def test_replies_are_read_by_line():
    assert feed(*REPLIES.splitlines(keepends=True)) == READ


def test_replies_are_read_octet_by_octet_though_that_splits_utf8():
    assert feed(*octets(REPLIES)) == READ


def test_replies_are_read_split_in_two_at_every_octet():
    for at in range(len(REPLIES)):
        assert feed(REPLIES[:at], REPLIES[at:]) == READ


def test_a_reply_is_quoted_as_a_person_would():
    assert str(READ[2]) == "550 5.1.1 no such user see https://help.example"
    assert str(READ[3]) == "250"


def test_lines_may_end_in_lf_and_empty_lines_are_skipped():
    assert feed(b"\r\n250-a\n\r\n250 b\n\n") == [Reply(250, ("a", "b"))]


def test_an_enhanced_status_code_of_another_class_is_text():
    assert feed(b"250 5.1.1 odd\r\n") == [Reply(250, ("5.1.1 odd",))]


def test_a_version_number_is_no_enhanced_status_code():
    assert feed(b"220 2.11.4.1 server\r\n") == [Reply(220, ("2.11.4.1 server",))]


def test_text_that_is_not_utf8_is_read_as_latin1():
    assert feed(b"550 \xfcber\r\n")[0].text == "\u00fcber"


def test_control_and_direction_characters_become_spaces():
    reply = feed("550 a\x1b[2Jb\x00\tc\u202ed\u0085\r\n".encode())[0]
    assert reply.text == "a [2Jb c d"


@pytest.mark.parametrize(
    "line",
    [
        b"hello\r\n",
        b"25 ok\r\n",
        b"250_ok\r\n",
        b"100 no\r\n",
        b"600 no\r\n",
        b"2\xb20 x\r\n",
    ],
)
def test_what_is_no_reply_line_is_a_bad_reply(line):
    with pytest.raises(SessionLost) as caught:
        feed(line)
    assert caught.value.code == ErrorCode.BAD_REPLY
    assert caught.value.hint


def test_the_replies_before_a_bad_one_are_good():
    replies = ReplyParser().feed(b"250 taken\r\nwhat?\r\n")
    assert next(replies) == Reply(250, ("taken",))
    with pytest.raises(SessionLost):
        next(replies)


def test_a_code_that_changes_within_a_reply_is_a_bad_reply():
    with pytest.raises(SessionLost, match="code changes from 250"):
        feed(b"250-one\r\n550 two\r\n")


def test_a_line_without_end_is_refused_before_it_fills_memory():
    with pytest.raises(SessionLost, match="too long"):
        feed(b"250 " + b"x" * MAX_LINE_OCTETS, b"x")


def test_a_reply_of_too_many_lines_is_refused():
    with pytest.raises(SessionLost, match="too long"):
        feed(b"250-x\r\n" * (MAX_REPLY_LINES + 1))


def test_a_reply_of_too_many_octets_is_refused():
    with pytest.raises(SessionLost, match="too long"):
        feed(*[b"250-" + b"x" * 15000 + b"\r\n"] * 5)


def test_a_bad_reply_is_shown_shortened_and_harmless():
    with pytest.raises(SessionLost) as caught:
        feed(b"\x1b[31m" + b"x" * 500 + b"\r\n")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 200


@settings(max_examples=100)
@given(st.binary(max_size=400), st.integers(0, 400))
def test_garbage_is_read_or_refused_and_never_anything_else(garbage, at):
    outcomes = []
    for pieces in ([garbage], [garbage[:at], garbage[at:]]):
        try:
            outcomes.append(feed(*pieces))
        except SessionLost:
            outcomes.append(None)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "octets", [b"\x15\x03\x01\x00\x02\x02\x28", b"\x15\x03\x01\x00\x02\n", b"\x16\x03\x03\x00\x7a"]
)
def test_a_record_of_tls_is_known_by_its_beginning(octets):
    with pytest.raises(SessionLost, match="speaks TLS") as caught:
        feed(octets)
    assert caught.value.code == ErrorCode.PLAIN_ON_TLS_PORT
    assert "tlsOption" in caught.value.hint
