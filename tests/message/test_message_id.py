from email.parser import BytesHeaderParser
from email.policy import default

import pytest

from mailnode.errors import HeaderError
from mailnode.message.message_id import Thread, own_message_id, threading

LONG = 120_000


def references(given):
    thread = threading("", given)
    assert thread.fields.startswith(b"References: ") or not thread.fields
    return thread.fields.decode().removeprefix("References: ").split(), thread.warnings


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ("<abc@Example.com>", ["<abc@Example.com>"]),
        ("abc@example.com", ["<abc@example.com>"]),
        ("<a@b> <c@d>,<e@f><g@h>\t<i@j>", ["<a@b>", "<c@d>", "<e@f>", "<g@h>", "<i@j>"]),
        (["<a@b>", "c@d"], ["<a@b>", "<c@d>"]),
        ("<CAF+k=Zz_1.2$3%4@mail.gmail.com>", ["<CAF+k=Zz_1.2$3%4@mail.gmail.com>"]),
        ("<a@[192.0.2.1]>", ["<a@[192.0.2.1]>"]),
        ("<a@b", ["<a@b>"]),
        ("a@b>", ["<a@b>"]),
        ("<a@b>\r\n <c@d>\n\t<e@f>\r\n", ["<a@b>", "<c@d>", "<e@f>"]),
        ("<<a@b>>", ["<a@b>"]),
        ("<a@b> c@d <a@b>", ["<a@b>", "<c@d>"]),
        ("  ", []),
        ("", []),
        ([], []),
    ],
)
def test_ids_are_read_with_and_without_brackets(given, ids):
    assert references(given) == (ids, ())
    if len(ids) == 1:
        assert own_message_id(given if isinstance(given, str) else given[0]) == ids[0]


@pytest.mark.parametrize(
    "broken",
    [
        *("abc", "<abc>", "<20441CAE-AC6C-11E8-A6A3-95470D09546E>", "20220720005922.0000000004E@", "<@>", "<>"),
        *('<"abc def"@example.org>', "<a@b@c>", "<ä@b>", "<a b@c>", "<\u2000a@b>", "a@" + "b" * 1000),
    ],
)
def test_what_is_no_id_is_left_out_with_a_warning_that_shows_it(broken):
    ids, (warning,) = references(f"<first@x.example> {broken}\t<last@x.example>")
    assert ids == ["<first@x.example>", "<last@x.example>"]
    shown = broken if len(broken) <= 60 else f"{broken[:57]}..."
    assert warning == f"references: {shown!a} is not a valid Message-ID and was left out"
    with pytest.raises(HeaderError, match="is not a Message-ID"):
        own_message_id(broken)


def test_one_warning_tells_of_many():
    (warning,) = references(" ".join(f"x{number}" for number in range(9)))[1]
    assert warning == "references: 'x0', 'x1', 'x2' and 6 more are not valid Message-IDs and were left out"


def test_what_is_answered_stands_last_and_a_broken_one_in_neither_field():
    assert threading("<c@x>", "<a@x> <c@x> <b@x>") == Thread(b"In-Reply-To: <c@x>\r\nReferences: <a@x> <c@x> <b@x>\r\n")
    assert threading("<c>", "<a@x>") == Thread(
        b"References: <a@x>\r\n", ("inReplyTo: '<c>' is not a valid Message-ID and was left out",)
    )
    assert threading("<c>", "").fields == b""


@pytest.mark.parametrize("given", ["<a@b>\r\nBcc: x@x.org", "<a\x00@b>", "<a@b\ud800>"])
def test_control_characters_are_refused(given):
    with pytest.raises(HeaderError) as caught:
        threading(given, "")
    assert caught.value.key == "inReplyTo"
    with pytest.raises(HeaderError):
        own_message_id(given)


def test_a_mail_has_one_id_of_its_own():
    with pytest.raises(HeaderError, match="one Message-ID"):
        own_message_id("<a@b> <c@d>")


def test_a_long_thread_is_folded():
    ids = [f"<{number}@mail.example.org>" for number in range(5000)]
    (value,) = BytesHeaderParser(policy=default).parsebytes(threading("", ids).fields + b"\r\n").values()
    assert value.split() == ids


@pytest.mark.parametrize("given", ["<" * LONG, "<a " * LONG, ">" * LONG, '<"' * LONG, ", " * LONG, "@" * LONG])
def test_anything_long_is_read_in_one_pass(given):
    threading(given, given)
