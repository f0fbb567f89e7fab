"""What `mailnode-sendmail` reads: its command line, addresses, messages, and the files of /etc."""

from email.utils import getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailnode.sendmail import exits
from mailnode.sendmail.addresses import addresses_in
from mailnode.sendmail.arguments import parse
from mailnode.sendmail.exits import Failure, status_of
from mailnode.sendmail.letter import read_letter
from mailnode.sendmail.local_names import LocalNames


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "-FCronDaemon -i -B8BITMIME -oem root",
            {"full_name": "CronDaemon", "dot_ends": False, "recipients": ["root"]},
        ),
        ("-t -i", {"from_header": True, "dot_ends": False}),
        ("-ti", {"from_header": True, "dot_ends": False}),
        ("-oi -t", {"from_header": True, "dot_ends": False}),
        ("-i -t -fa@x", {"sender": "a@x"}),
        ("-f a@x -- -b@x", {"sender": "a@x", "recipients": ["-b@x"]}),
        ("-r a@x b@x", {"sender": "a@x", "recipients": ["b@x"]}),
        ("-f <> b@x", {"sender": ""}),
        ("-oem -oi -odb -om -oQ/tmp -oI b@x", {"dot_ends": False, "recipients": ["b@x"]}),
        ("-N failure,delay -R hdrs -V id -v -h 5 -Am -Ac -G -n -m -U -s -L tag b@x", {"recipients": ["b@x"]}),
        ("b@x -d0.1 -t c@x", {"recipients": ["b@x", "c@x"], "from_header": True}),
        ("-bm b@x", {"mode": "m"}),
        ("-bs", {"mode": "s"}),
        ("-bi", {"mode": "i"}),
        ("-I", {"mode": "i"}),
        ("-q", {"mode": "q"}),
        ("-q30m", {"mode": "q"}),
        ("b@x", {"dot_ends": True, "sender": None, "full_name": None, "from_header": False, "mode": "m"}),
    ],
)
def test_command_lines_that_programs_use(line, expected):
    options = parse(line.split())
    assert {name: getattr(options, name) for name in expected} == expected


def test_options_that_name_files_are_read_past(tmp_path):
    log = tmp_path / "log"
    options = parse(["-X", str(log), f"-C{log}", "-O", f"QueueDirectory={log}", "-oQ" + str(log), "b@x"])
    assert options.recipients == ["b@x"]
    assert str(log) not in str(vars(options))


@pytest.mark.parametrize("line", ["-Z", "-f", "-tf", "-bp", "-bd", "-bt", "--long", "-b"])
def test_command_lines_that_ask_for_something_else(line):
    with pytest.raises(Failure) as caught:
        parse([line])
    assert caught.value.status == exits.USAGE


ADDRESSES = [
    ("a@x", ["a@x"]),
    ("root", ["root"]),
    ("root (Cron Daemon)", ["root"]),
    ("a@x, b@y", ["a@x", "b@y"]),
    ('Jane <a@x>, "Doe, John" <b@y>', ["a@x", "b@y"]),
    ("undisclosed-recipients:;", []),
    ("team: a@x, Jane <b@y>;, c@z", ["a@x", "b@y", "c@z"]),
    ("(a (nested, \\) comment) here) a@x (c@d)", ["a@x"]),
    ("it's (an \"unclosed quote) <a@x>, b@x", ["a@x", "b@x"]),
    ('"a b"@x', ['"a b"@x']),
    ('"a\\"@,<b"@x', ['"a\\"@,<b"@x']),
    ("<@one,@two:a@x>", ["a@x"]),
    ("a . b @ x", ["a.b@x"]),
    ("a@[127.0.0.1]", ["a@[127.0.0.1]"]),
    ("a@[IPv6:::1], b@x", ["a@[IPv6:::1]", "b@x"]),
    ("Jürgen <jürgen@münchen.example>", ["jürgen@münchen.example"]),
    (" ,, a@x,\n b@x ,", ["a@x", "b@x"]),
    ("<>", []),
    ("never (ends, a@x", ["never"]),
    ("", []),
]


@pytest.mark.parametrize(("value", "expected"), ADDRESSES)
def test_addresses(value, expected):
    found = addresses_in(value)
    assert [address.text for address in found] == expected
    for address in found:
        if " . " not in value:
            assert value[address.start : address.end] == address.text


@given(st.text('ab"\\(),:;<>@. [\n', max_size=30))
def test_any_text_has_addresses_in_order_and_without_line_breaks_outside_of_quotes(value):
    found = addresses_in(value)
    places = [place for address in found for place in (address.start, address.end)]
    assert places == sorted(places)
    assert all("\n" not in address.text or '"' in address.text or "[" in address.text for address in found)


def test_addresses_are_those_that_python_reads():
    plain = 'Jane <a@x>, b@y (c), team: c@z, <d@w>;, "Doe, J." <e@v>'
    assert [address.text for address in addresses_in(plain)] == [text for _, text in getaddresses([plain]) if text]


def content(text, *, dot_ends=True):
    return read_letter(text, dot_ends=dot_ends).content()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"A: 1\n\nhi\n", b"A: 1\r\n\r\nhi\r\n"),
        (b"A: 1\r\n\r\nhi\r\n", b"A: 1\r\n\r\nhi\r\n"),
        (b"A: 1\r\rhi\rthere", b"A: 1\r\n\r\nhi\r\nthere\r\n"),
        (b"A: 1\n folded\n\nhi", b"A: 1\r\n folded\r\n\r\nhi\r\n"),
        (b"just a text\nof two lines\n", b"\r\njust a text\r\nof two lines\r\n"),
        (b"\nA: 1\n", b"\r\nA: 1\r\n"),
        (b"A: 1\nno field\n", b"A: 1\r\n\r\nno field\r\n"),
        (b"", b"\r\n"),
        (b"From jane Mon Nov 30\nA: 1\n\nhi\n", b"A: 1\r\n\r\nhi\r\n"),
        (b"A: 1\nBcc: b@x,\n c@x\nresent-BCC : d@x\n\nBcc: hi\n", b"A: 1\r\n\r\nBcc: hi\r\n"),
        (b"A: \xe4\xff\n\n\x00\xff\n", b"A: \xe4\xff\r\n\r\n\x00\xff\r\n"),
    ],
)
def test_what_is_sent_of_what_is_given(given, expected):
    assert content(given) == expected


@given(
    st.lists(
        st.sampled_from([b"A: 1", b"Bcc: b@x", b" c@x", b"From x", b".", b"\r", b"\n", b"\r\n", b"x"]), max_size=14
    )
)
def test_whatever_comes_is_a_header_an_empty_line_and_a_body(pieces):
    sent = content(b"".join(pieces))
    assert sent.count(b"\r\n") == sent.count(b"\r") == sent.count(b"\n")
    head, empty, _ = (b"\r\n" + sent).partition(b"\r\n\r\n")
    assert empty
    assert all(line[:1] == b" " or b":" in line for line in head.split(b"\r\n")[1:])
    assert b"\r\nBcc" not in head


def test_a_dot_ends_the_message_only_where_it_may():
    given = b"A: 1\n\none\n.\ntwo\n"
    assert content(given) == b"A: 1\r\n\r\none\r\n"
    assert content(given.replace(b"\n", b"\r\n")) == b"A: 1\r\n\r\none\r\n"
    assert content(given, dot_ends=False) == b"A: 1\r\n\r\none\r\n.\r\ntwo\r\n"
    assert content(b"A: 1\n\n..\n.x\n") == b"A: 1\r\n\r\n..\r\n.x\r\n"


def test_recipients_are_those_of_to_cc_and_bcc_or_of_the_last_sending():
    letter = read_letter(b"To: a@x, Joe <b@x>\nTO : c@x\nCc:\n d@x\nBcc: e@x\nFrom: f@x\n\nTo: g@x\n", dot_ends=True)
    assert letter.recipients == ["a@x", "b@x", "c@x", "d@x", "e@x"]
    resent = read_letter(b"Resent-To: z@x\nTo: a@x\nResent-Bcc: y@x\n\n", dot_ends=True)
    assert resent.recipients == ["z@x", "y@x"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Cron Daemon", b"From: Cron Daemon <root@box>\n"),
        ("", b"From: root@box\n"),
        ('J. "Q" \\', b'From: "J. \\"Q\\" \\\\" <root@box>\n'),
        ("evil\r\nBcc: x@y", b'From: "evil  Bcc: x@y" <root@box>\n'),
        ("J\u00fcrgen", "From: J\u00fcrgen <root@box>\n".encode()),
    ],
)
def test_a_sender_is_added_where_none_is(name, expected):
    letter = read_letter(b"A: 1\n\n", dot_ends=True)
    letter.add_sender("root@box", name)
    assert letter.fields[-1] == ("from", expected)
    letter.add_sender("other@box", "")
    assert len(letter.fields) == 2


def test_only_addresses_without_a_domain_are_changed():
    head = b'From: root (Cron Daemon)\nTo:  root,\n Jane <a@x> , "x y"\nSubject: root\nReply-To: www\nCc: who is this\n'
    letter = read_letter(head + b"\n", dot_ends=True)
    letter.qualify("box.example", {"root": "alerts@shop.example"})
    assert letter.content() == (
        b'From: alerts@shop.example (Cron Daemon)\r\nTo:  root@box.example,\r\n Jane <a@x> , "x y"\r\n'
        b"Subject: root\r\nReply-To: www@box.example\r\nCc: who is this\r\n\r\n"
    )


@pytest.fixture
def names(tmp_path):
    (tmp_path / "aliases").write_text(
        "# who reads what\npostmaster: Root\nroot:\tops@shop.example,\n  jane\n\njane: root, jane@x, \\jane\n"
        "Prog: |/bin/cat\nlist: :include:/etc/list\nfile: /var/mail/x\nnone:\n"
    )
    (tmp_path / "email-addresses").write_text("root: alerts@shop.example\nwww: nobody\n")
    return LocalNames(str(tmp_path))


def test_who_a_local_name_is(names):
    assert names.recipients(["postmaster", "a@x"], "box") == [
        "ops@shop.example",
        "root@box",
        "jane@x",
        "jane@box",
        "a@x",
    ]
    assert names.recipients(["joe", "\\root", "joe"], "box") == ["joe@box", "root@box"]
    assert names.senders() == {"root": "alerts@shop.example"}


@pytest.mark.parametrize("name", ["prog", "list", "file", "none"])
def test_aliases_that_are_no_addresses(names, name):
    with pytest.raises(Failure, match="is no list of addresses") as caught:
        names.recipients([name], "box")
    assert caught.value.status == exits.DATA_ERROR


def test_the_domain_is_that_of_mailname_or_the_hosts_name(names, tmp_path):
    import os

    assert names.domain() == os.uname().nodename
    (tmp_path / "mailname").write_text("box.example\n")
    assert names.domain() == "box.example"
    assert LocalNames(str(tmp_path / "none")).recipients(["root"], "box") == ["root@box"]


@pytest.mark.parametrize(
    ("code", "enhanced", "status"),
    [
        (450, "4.7.1", exits.TEMPORARY),
        (421, "", exits.TEMPORARY),
        (550, "5.7.1", exits.NO_PERMISSION),
        (550, "5.1.1", exits.NO_USER),
        (550, "5.1.2", exits.NO_HOST),
        (553, "5.1.7", exits.DATA_ERROR),
        (552, "", exits.DATA_ERROR),
        (554, "5.6.0", exits.DATA_ERROR),
        (503, "5.5.1", exits.PROTOCOL),
        (554, "", exits.UNAVAILABLE),
    ],
)
def test_statuses_of_replies(code, enhanced, status):
    assert status_of(code, enhanced) == status
