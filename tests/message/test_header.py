from email.header import decode_header, make_header
from email.headerregistry import HeaderRegistry
from email.parser import BytesHeaderParser
from email.policy import default
from email.utils import getaddresses, unquote
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import HeaderError
from mailnode.message.header import (
    address_field,
    check_own_field_name,
    own_field,
    text_field,
    unsubscribe_fields,
)
from mailnode.message.mailbox import Group, Mailbox, mailboxes, parse_addresses

LONG = 120_000
# Any text without control characters and halves of characters.
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200)
ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300)
TURNING = "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=TURNING), max_size=90)


def read(field: bytes) -> Any:
    """Read one field as the standard library does, and see that its lines are what RFC 5322 allows."""
    assert field.endswith(b"\r\n")
    lines = field[:-2].split(b"\r\n")
    for index, line in enumerate(lines):
        assert b"\r" not in line
        assert b"\n" not in line
        assert len(line) <= 998
        assert line.strip()
        assert index == 0 or line.startswith(b" ")
        # Beyond 76 there was no blank to fold at.
        assert len(line) <= 76 or b" " not in line[1:].partition(b": ")[2 if index == 0 else 0]
    for word in field.split():
        assert not word.startswith(b"=?") or len(word) <= 75
    (value,) = BytesHeaderParser(policy=default).parsebytes(field + b"\r\n").values()
    return value


def unfolded(field: bytes) -> str:
    return field.decode().partition(": ")[2].replace("\r\n", "")


def decoded(text: str) -> str:
    """Decode encoded-words; the header registry of Python 3.11 leaves blanks between those of a phrase."""
    return str(make_header(decode_header(text)))


def refused(make, *arguments) -> HeaderError:
    with pytest.raises(HeaderError) as caught:
        make(*arguments)
    error = caught.value
    assert error.message.isprintable()
    assert error.hint[0].islower()
    assert not error.hint.endswith(".")
    return error


class TestText:
    @settings(max_examples=100)
    @given(st.one_of(TEXTS, ASCII, st.lists(ASCII).map("  ".join)))
    def test_any_text_comes_back(self, text):
        assert str(read(text_field("Subject", text))) == text

    @pytest.mark.parametrize(
        ("value", "octets"),
        [
            ("Hi", b"Subject: Hi\r\n"),
            ('say "hi"', b'Subject: say "hi"\r\n'),
            ("", b"Subject: \r\n"),
            ("Größte Güte", b"Subject: =?utf-8?b?R3LDtsOfdGUgR8O8dGU=?=\r\n"),
            ("Привет, мир", b"Subject: =?utf-8?b?0J/RgNC40LLQtdGCLCDQvNC40YA=?=\r\n"),
            ("=?utf-8?q?no?=", b"Subject: =?utf-8?b?PT91dGYtOD9xP25vPz0=?=\r\n"),
            (" a", b"Subject: =?utf-8?q?_a?=\r\n"),
            ("a\tb", b"Subject: =?utf-8?b?YQli?=\r\n"),
        ],
    )
    def test_what_is_plain_stays_and_all_else_is_encoded_as_a_whole(self, value, octets):
        assert text_field("Subject", value) == octets

    def test_a_long_one_is_folded_at_blanks(self):
        field = text_field("Subject", "word " * 40 + "end")
        assert str(read(field)) == "word " * 40 + "end"
        assert max(map(len, field.split(b"\r\n"))) <= 76

    @pytest.mark.parametrize(
        "value", ["a" * 1201, "a" * LONG, "a" + " " * 2000 + "b", " " * LONG, "ü" * LONG, "\t" * 999]
    )
    def test_a_line_is_never_longer_than_998(self, value):
        assert str(read(text_field("X-Token", value))) == value

    def test_no_character_is_cut_in_two(self):
        for word in text_field("Subject", "👩‍🚀ü" * 60).split()[1:]:
            assert HeaderRegistry()("Subject", word.decode()).count("\ufffd") == 0

    @pytest.mark.parametrize(
        "value", ["hi\r\nBcc: x@x.org", "a\nb", "a\rb", "a\x00b", "a\x7f", "\x85", "\u2028", "\ud83d"]
    )
    def test_what_would_end_the_field_is_refused(self, value):
        assert "Subject" in refused(text_field, "Subject", value).message


class TestOwnNames:
    @pytest.mark.parametrize("name", ["X-Order", "X_1", "Sender", "Organization", "__proto__", "constructor"])
    def test_a_name_of_ones_own_is_taken(self, name):
        check_own_field_name(name)

    @pytest.mark.parametrize("name", ["", "X Order", "X:Order", "X-Order\r\nBcc", "X-Ö", "\ud800", "X" * 77])
    def test_what_is_no_name_is_refused(self, name):
        assert "letters, digits and hyphens" in refused(check_own_field_name, name).hint

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("subject", "use subject instead"),
            ("BCC", "use bcc instead"),
            ("Resent-Bcc", "use bcc instead"),
            ("Content-Type", "leave it out"),
            ("MIME-Version", "leave it out"),
            ("Message-Id", "leave it out"),
            ("Return-Path", "use envelopeFrom instead"),
        ],
    )
    def test_a_field_that_is_written_anyhow_names_its_setting(self, name, hint):
        assert refused(check_own_field_name, name).hint == hint


class TestTokens:
    @pytest.mark.parametrize(
        ("value", "octets"),
        [
            ("Größe <news.example.com>", b"=?utf-8?b?R3LDtsOfZQ==?= <news.example.com>"),
            ("<a@x.org> ü <b@x.org>, plain words <c>", b"<a@x.org> =?utf-8?b?w7w=?= <b@x.org>, plain words <c>"),
            ("ü,  <news.example.com>", b"=?utf-8?b?w7wsIA==?= <news.example.com>"),
            ("<https://x.org/a> (Grüße)", b"<https://x.org/a> =?utf-8?b?KEdyw7zDn2Up?="),
            ("Größe <nü.example>", b"=?utf-8?b?R3LDtsOfZSA8bsO8LmV4YW1wbGU+?="),
            ("ü <=?utf-8?q?a?=>", b"=?utf-8?b?w7wgPD0/dXRmLTg/cT9hPz0+?="),
            ("ü a<b>", b"=?utf-8?b?w7wgYTxiPg==?="),
            ("News <news.example.com>", b"News <news.example.com>"),
        ],
    )
    def test_what_stands_in_angle_brackets_stays_readable(self, value, octets):
        field = own_field("List-ID", value)
        assert field == b"List-ID: " + octets + b"\r\n"
        assert str(read(field)) == value

    @settings(max_examples=100)
    @given(st.lists(st.one_of(TEXTS, ASCII, st.sampled_from(["<a@x.org>", "<b>,", "<"])), max_size=6).map(" ".join))
    def test_any_text_comes_back_but_for_blanks(self, text):
        found = str(read(own_field("X-Note", text)))
        assert found.split() == text.split()

    @pytest.mark.parametrize("form", ["ü <{}> ", " ü <{}>   ", "ü <{}>  <bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb>"])
    def test_blanks_around_a_token_are_no_line_of_their_own(self, form):
        for length in range(1, 76):
            value = form.format("a" * length)
            assert str(read(own_field("X-Note", value))).split() == value.split()

    def test_a_long_one_is_folded_and_encoded(self):
        value = f"{'Größe ' * 40}<news.example.com> {'a' * 2000}"
        field = own_field("List-ID", value)
        assert b" <news.example.com>" in field
        assert str(read(field)) == value

    @pytest.mark.parametrize("value", ["ü\r\nBcc: x <a>", "<a> \x00ü", "\ud800 <a>"])
    def test_control_characters_are_refused(self, value):
        refused(own_field, "List-ID", value)


class TestAddresses:
    @settings(max_examples=100)
    @given(st.lists(NAMES, min_size=1, max_size=4))
    def test_any_name_comes_back(self, names):
        listed = [Mailbox(name, f"p{index}", "example.org") for index, name in enumerate(names)]
        field = address_field("To", listed)
        read(field)
        found = getaddresses([unfolded(field)])
        assert [(decoded(name), address) for name, address in found] == [
            (one.display_name, one.addr_spec) for one in listed
        ]

    @settings(max_examples=50)
    @given(NAMES.filter(str.strip), st.integers(0, 3))
    def test_any_group_comes_back(self, name, members):
        group = Group(name, tuple(Mailbox("Jane", f"p{index}", "example.org") for index in range(members)))
        field = address_field("To", [group, Mailbox("", "x", "y.org")])
        phrase = unfolded(field).rpartition(":")[0]
        found = unquote(phrase) if phrase.startswith('"') else decoded(phrase.removesuffix(" "))
        assert found == name
        assert [one.username for one in read(field).addresses] == [one.local_part for one in mailboxes([group])] + ["x"]

    @pytest.mark.parametrize(
        ("text", "octets"),
        [
            ("Jane Doe <j@x.org>", b"To: Jane Doe <j@x.org>\r\n"),
            ("'Jane' O'Hara <j@x.org>", b"To: 'Jane' O'Hara <j@x.org>\r\n"),
            ('"Doe, Jane" <j@x.org>', b'To: "Doe, Jane" <j@x.org>\r\n'),
            ('"a\\"b\\\\c" <j@x.org>', b'To: "a\\"b\\\\c" <j@x.org>\r\n'),
            ("Jörg <j@x.org>", b"To: =?utf-8?b?SsO2cmc=?= <j@x.org>\r\n"),
            ('"=?utf-8?q?x?=" <j@x.org>', b"To: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <j@x.org>\r\n"),
            ("Friends: a@x.org, b@x.org;", b"To: Friends: a@x.org, b@x.org;\r\n"),
            ("Nobody:;", b"To: Nobody:;\r\n"),
            ("Gute Fründe: a@x.org;", b"To: =?utf-8?q?Gute_Fr=C3=BCnde?= : a@x.org;\r\n"),
            ("jörg@bücher.example", "To: jörg@bücher.example\r\n".encode()),
        ],
    )
    def test_a_name_stands_as_plainly_as_it_can(self, text, octets):
        assert address_field("To", parse_addresses(text)) == octets

    @pytest.mark.parametrize("letters", range(1, 40))
    def test_a_line_with_an_encoded_word_ends_where_rfc_2047_says(self, letters):
        listed = [Mailbox("", "a" * letters, "x.org"), Mailbox("é" * letters, "b", "x.org")]
        assert max(map(len, address_field("To", listed).split(b"\r\n"))) <= 76

    def test_a_long_list_is_folded_between_mailboxes(self):
        listed = [Mailbox(f"Person {number}", f"person{number}", "example.org") for number in range(1000)]
        assert len(read(address_field("To", listed)).addresses) == 1000


class TestUnsubscribe:
    ONE_CLICK = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"

    @pytest.mark.parametrize(
        ("given", "value"),
        [
            ("https://x.org/leave?id=7", b"<https://x.org/leave?id=7>"),
            ("<https://x.org/?a=1,2>", b"<https://x.org/?a=1,2>"),
            ("<mailto:l@x.org?subject=leave>,<https://x.org>", b"<mailto:l@x.org?subject=leave>, <https://x.org>"),
            ("<mailto:l@x.org> , <https://x.org>,", b"<mailto:l@x.org>, <https://x.org>"),
            ("https://x.org,mailto:l@x.org", b"<https://x.org>, <mailto:l@x.org>"),
            ("https://[2001:db8::1]:8443/?u=a@b", b"<https://[2001:db8::1]:8443/?u=a@b>"),
            (["HTTPS://x.org", "mailto:l@x.org"], b"<HTTPS://x.org>, <mailto:l@x.org>"),
        ],
    )
    def test_urls_are_read_with_and_without_brackets(self, given, value):
        assert unsubscribe_fields(given) == b"List-Unsubscribe: " + value + b"\r\n" + self.ONE_CLICK

    def test_one_click_needs_https(self):
        assert unsubscribe_fields("mailto:l@x.org") == b"List-Unsubscribe: <mailto:l@x.org>\r\n"

    @pytest.mark.parametrize("given", ["", " ", [], [" "], ","])
    def test_no_url_is_no_field(self, given):
        assert unsubscribe_fields(given) == b""

    @pytest.mark.parametrize(
        "given",
        [
            "http://x.org",
            "x.org",
            "l@x.org",
            "javascript:alert(1)",
            "https://x.org/>\r\nBcc: x@x.org",
            "https://x.org (comment\r\nBcc: a@b.c)",
            "https://x.org/ü",
            "https://x.org/\u017f",
            "http\u017f://x.org",
            "https://",
            "https:///leave",
            "https://user@/leave",
            "mailto:leave",
            "mailto:?subject=leave",
            "https://x.org/\ud800",
            "https://x.org/" + "a" * 1000,
            "," * LONG + "x",
            "<" * LONG,
            ",https:" * (LONG // 7),
        ],
    )
    def test_what_is_no_such_url_is_refused(self, given):
        assert "https and mailto" in refused(unsubscribe_fields, given).hint
