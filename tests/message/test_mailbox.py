from email.headerregistry import HeaderRegistry
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import MailboxError
from mailnode.message import mailbox as module
from mailnode.message.addr_spec import a_labels
from mailnode.message.mailbox import Group, Mailbox, addresses, mailboxes, parse_addresses, parse_mailbox

LONG = 120_000
ATOMS = st.text(st.sampled_from("abcXYZ019!#$%&'*+/^_`{|}~-äж"), min_size=1, max_size=8)
LOCAL_PARTS = st.lists(ATOMS, min_size=1, max_size=3).map(".".join)
LABELS = st.from_regex(r"[a-z0-9]{1,8}(?:-[a-z0-9]{1,4})?", fullmatch=True)
DOMAINS = st.lists(LABELS, min_size=1, max_size=3).map(".".join).filter(lambda name: not name.split(".")[-1].isdigit())
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp", "Cn", "Co"]), max_size=40)


def refused(text: str) -> MailboxError:
    with pytest.raises(MailboxError) as caught:
        parse_addresses(text)
    error = caught.value
    assert error.message
    assert error.hint
    assert error.hint[0].islower() or error.hint.startswith('"')
    assert not error.hint.endswith(".")
    assert str(error).isprintable()
    return error


@pytest.mark.parametrize(
    ("text", "display_name", "addr_spec"),
    [
        ("jane@example.org", "", "jane@example.org"),
        (" jane@example.org ", "", "jane@example.org"),
        ("<jane@example.org>", "", "jane@example.org"),
        ("Jane Doe <jane@example.org>", "Jane Doe", "jane@example.org"),
        ("Jane\tDoe\t<jane@example.org>", "Jane Doe", "jane@example.org"),
        ("John Q. Public <jq@example.org>", "John Q. Public", "jq@example.org"),
        ("Jane Doe<jane@example.org>", "Jane Doe", "jane@example.org"),
        ('"Doe, Jane" <jane@example.org>', "Doe, Jane", "jane@example.org"),
        (r'"Jane \"JD\" Doe" <jane@example.org>', 'Jane "JD" Doe', "jane@example.org"),
        ("\u201cDoe, Jane\u201d <jane@example.org>", "Doe, Jane", "jane@example.org"),
        ("\u201eDoe, Jane\u201c <jane@example.org>", "Doe, Jane", "jane@example.org"),
        ("Jane \u201cJD\u201d Doe <jane@example.org>", "Jane \u201cJD\u201d Doe", "jane@example.org"),
        ("\u201cJane <jane@example.org>", "\u201cJane", "jane@example.org"),
        ('"" <jane@example.org>', "", "jane@example.org"),
        ("Jane\u00a0Doe\u2003<jane@example.org>", "Jane Doe", "jane@example.org"),
        ("山田\u3000太郎 <jane@example.org>", "山田 太郎", "jane@example.org"),
        ("Jörg Müller <joerg@example.org>", "Jörg Müller", "joerg@example.org"),
        ("jane@example.org (Jane Doe)", "Jane Doe", "jane@example.org"),
        ("<jane@example.org> (Jane Doe)", "", "jane@example.org"),
        (r"jane@example.org(Doe, \"Jane\"  \(née Roe\)) (work)", 'Doe, "Jane" (née Roe)', "jane@example.org"),
        ("(Jane) jane@example.org", "", "jane@example.org"),
        ("jane@example.org <jane@example.org>", "", "jane@example.org"),
        ("Jane@Example.org <jane@example.org>", "", "jane@example.org"),
        ("info@bücher.example <info@xn--bcher-kva.example>", "", "info@xn--bcher-kva.example"),
        ("(home) Jane (née Roe) <jane@example.org> (hi)", "Jane", "jane@example.org"),
        ("< jane@example.org >", "", "jane@example.org"),
        ("Jane+tag@EXAMPLE.Org", "", "Jane+tag@example.org"),
        ('"jane"@example.org', "", "jane@example.org"),
        ('"a..b"@example.org', "", '"a..b"@example.org'),
        (r'"a\ \"b"@example.org', "", r'"a \"b"@example.org'),
        ('""@example.org', "", '""@example.org'),
        ("o'hara!#$%&*/?=^`{|}~@example.org", "", "o'hara!#$%&*/?=^`{|}~@example.org"),
        ("jane@localhost", "", "jane@localhost"),
        ("jane@[127.0.0.1]", "", "jane@[127.0.0.1]"),
        ("jane@[ipv6:2001:DB8:0:0:0:0:0:1]", "", "jane@[IPv6:2001:db8::1]"),
    ],
)
def test_a_mailbox_is_read_as_it_stands(text, display_name, addr_spec):
    found = parse_mailbox(text)
    assert (found.display_name, found.addr_spec) == (display_name, addr_spec)
    assert found.is_ascii


@pytest.mark.parametrize(
    ("text", "addr_spec"),
    [
        ("jane@bücher.example", "jane@xn--bcher-kva.example"),
        ("jane@BÜCHER.example", "jane@xn--bcher-kva.example"),
        ("jane@XN--BCHER-KVA.example", "jane@xn--bcher-kva.example"),
        ("jane@straße.example", "jane@xn--strae-oqa.example"),
        ("jörg@bücher.example", "jörg@bücher.example"),
        ("jörg@xn--bcher-kva.example", "jörg@bücher.example"),
        ("jane@例え。テスト", "jane@xn--r8jz45g.xn--zckzah"),
        ("x@\uff27\uff4f\uff4f\uff47\uff4c\uff45.com", "x@google.com"),
        ("用户@例え.テスト", "用户@例え.テスト"),
    ],
)
def test_a_domain_is_mapped_by_uts46_before_anybody_compares_it(text, addr_spec):
    assert parse_mailbox(text).addr_spec == addr_spec


def test_an_address_beyond_ascii_says_so():
    assert not parse_mailbox("jörg@example.org").is_ascii
    assert parse_mailbox("Jörg <j@bücher.example>").is_ascii


def test_a_list_may_be_cut_by_commas_and_semicolons_and_hold_gaps():
    found = parse_addresses(" a@x.org,, b@x.org ; Jane <c@x.org>;\t")
    assert [box.addr_spec for box in mailboxes(found)] == ["a@x.org", "b@x.org", "c@x.org"]
    assert parse_addresses("a@x.org,\u00a0b@x.org\u3000; Jane <c@x.org>") == found
    assert parse_addresses("  ") == parse_addresses(",;,") == parse_addresses("(nobody)") == ()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a@x.org\nJane <b@x.org>\r\n\n c@x.org,\n;d@x.org\r", ["a", "b", "c", "d"]),
        ("a@x.org\n  <b@x.org>", ["a", "b"]),
        ("Jane Doe\r\n <a@x.org>\n", ["a"]),
        ("Team:\n a@x.org\n b@x.org;\nc@x.org", ["a", "b", "c"]),
        ("a@x.org (one\ntwo)\nb@x.org", ["a", "b"]),
    ],
)
def test_what_a_person_types_may_stand_one_a_line(text, read):
    assert [box.local_part for box in mailboxes(parse_addresses(text, by_line=True))] == read
    assert "control character" in refused(text).message
    assert all(box.display_name.isprintable() for box in mailboxes(parse_addresses(text, by_line=True)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jane\n<a@x.org>", "address 1 ('jane') has no @"),
        ('"Doe,\nJane" <a@x.org>', "U+000A"),
        ('"a\nb"@x.org', "invisible character"),
        ("a@x.org\n\x0bb@x.org", "U+000B"),
        ("a@x.org\u2028b@x.org", "U+2028"),
        ("a@x.org\n\nJoe b@x.org", "address 2 ('Joe b@x.org') is not an address"),
    ],
)
def test_a_line_end_stands_between_whole_mailboxes_only(text, says):
    with pytest.raises(MailboxError) as caught:
        parse_addresses(text, by_line=True)
    assert says in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["mailto:a@x.org", "MAILTO: a@x.org?subject=Hi", "b@x.org, Jane <mailto:a@x.org>", "a@x.org<mailto:a@x.org>"],
)
def test_the_scheme_of_a_link_is_told_to_be_taken_away(text):
    error = refused(text)
    assert "begins with mailto:" in error.message
    assert error.hint.startswith("remove mailto:")


def test_a_group_holds_its_mailboxes():
    found = parse_addresses('The "A" Team: Jane <a@x.org>, b@x.org; c@x.org, Nobody:;')
    assert found == (
        Group("The A Team", (Mailbox("Jane", "a", "x.org"), Mailbox("", "b", "x.org"))),
        Mailbox("", "c", "x.org"),
        Group("Nobody", ()),
    )
    assert [box.local_part for box in mailboxes(found)] == ["a", "b", "c"]


def test_what_a_caller_gives_may_be_texts_mailboxes_and_lists_of_them():
    jane = Mailbox("Jane", "jane", "x.org")
    friends = Group("Friends", (jane,))
    assert addresses(jane) == (jane,)
    said: list[str | Mailbox | Group] = ["a@x.org, b@x.org", jane, friends, ""]
    assert addresses(said) == (*parse_addresses("a@x.org, b@x.org"), jane, friends)
    assert [box.local_part for box in mailboxes(said)] == ["a", "b", "jane", "jane"]
    assert [box.local_part for box in mailboxes("a@x.org, G: b@x.org;")] == ["a", "b"]
    with pytest.raises(MailboxError) as caught:
        list(mailboxes(["a@x.org", "b"]))
    assert caught.value.key == "[1]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jane", "the address ('jane') has no @"),
        ("\u201ca b\u201d@example.org", "is not allowed before the @"),
        ("\u201cJane, a@x.org, \u201cJoe, b@x.org", "address 1 ('\u201cJane') has no @"),
        ("a@x.org, jane, b@x.org", "address 2 ('jane') has no @"),
        ("jane@", "the address"),
        ("@example.org", "the address"),
        ("jane@@example.org", "the address"),
        ("jane@exa mple.com", "the address ('jane@exa mple.com') is not an address"),
        ("Jane Doe jane@example.org", "is not an address"),
        ("jane @example.org", "is not an address"),
        ("jane@example.org joe@example.org", "is not an address"),
        ("a..b@example.org", "is not allowed before the @"),
        (".a@example.org", "is not allowed before the @"),
        ("jane@example..org", "'example..org' is not a valid domain"),
        ("jane@example.org.", "is not a valid domain"),
        ("jane@-example.org", "is not a valid domain"),
        ("jane@exam_ple.org", "is not a valid domain"),
        ("jane@xn--.org", "is not a valid domain"),
        ("jane@ex\u2100mple.org", "is not a valid domain"),
        ("jane@192.0.2.1", "'192.0.2.1' is not a valid domain"),
        ("jane@example.42", "'example.42' is not a valid domain"),
        ("jane@42", "'42' is not a valid domain"),
        ("jane@[1.2.3]", "is not an address literal"),
        ("jane@[IPv6:::1%eth0]", "is not an address literal"),
        ("jane@[x.org]", "is not an address literal"),
        ("ja\u200bne@x.org", "invisible character"),
        ("jane\u00a0@x.org", "the address"),
        ("\u3164jane@x.org", "the address: '\\u3164jane' has an invisible character before the @"),
        ("jane\ufe0f@x.org", "invisible character before the @"),
        ("a@x.org, jane@y\u200b.org", "address 2: 'y\\u200b.org' has an invisible character after the @"),
        ("jane@a\u00add.org", "invisible character after the @"),
        ("jane@a\u034fd.org", "invisible character after the @"),
        ("jane@a\ufe0fd.org", "invisible character after the @"),
        ("jane@a\U000e0100d.org", "invisible character after the @"),
        ("ж@a\u2060d.org", "invisible character after the @"),
        ("jane@[\u0131pv6:::1]", "is not an address literal"),
        ("a@x.org, Jane <b@x.org", "address 2"),
        ("Jane <a@x.org> Doe", "nothing may follow"),
        ("<a@x.org><b@x.org>", "nothing may follow"),
        ("a@x.org <b@x.org>", "special character"),
        ("Jane <<a@x.org>>", "the address"),
        ("Jane > <a@x.org>", "special character"),
        ("<@relay.example:a@x.org>", "address 1: '<@relay.example' contains a source route"),
        ("b@x.org, Jane <@r.example,@s.example:a@x.org>", "address 2"),
        ("Friends: a@x.org", "the group 'Friends' is not closed"),
        ("A: B: a@x.org;;", "address 1: there is a group within the group 'A'"),
        (": a@x.org;", "no group name"),
        ('"Jane <a@x.org>', 'unmatched " at character 1'),
        ("Jane [Doe <a@x.org>", "unmatched [ at character 6"),
        ("Jane \\ <a@x.org>", "unmatched \\"),
        ("Jane ) <a@x.org>", "unmatched )"),
        ("Jane (Doe <a@x.org>", "the ( at character 6"),
        ("(" * 12 + ")" * 12 + "a@x.org", "nested too deeply"),
        ("a" * 255 + "@x.org", "longer than 254 bytes"),
        ("ä" * 128 + "@x.org", "longer than 254 bytes"),
        ("a@" + "b" * 64 + ".org", "is not a valid domain"),
        ("a@" + "b." * 127 + "org", "is not a valid domain"),
        ("a@x.org\r\nBcc: b@x.org", "U+000D"),
        ("a@x.org\nb@x.org", "U+000A) at character 8"),
        ("a\x00@x.org", "U+0000"),
        ("a\u2028@x.org", "U+2028"),
        ('"Jane\u202e" <a@x.org>', "U+202E"),
        ('"Jane\ud800" <a@x.org>', "U+D800"),
        ("\udcff@x.org", "U+DCFF"),
        ('"Ja\tne" <a@x.org>', "U+0009"),
        ("=?utf-8?q?=62=6f=62?=@x.org", "encoded-word"),
    ],
)
def test_what_is_no_mailbox_is_refused_with_its_place_and_a_remedy(text, says):
    assert says in refused(text).message


def test_a_name_with_a_comma_that_is_not_quoted_is_told_how_to():
    assert 'in double quotes: "Doe, Jane"' in refused("Joe Foo, PhD <a@b.example>").hint


def test_an_ip_address_without_brackets_is_told_to_have_them():
    assert "[192.0.2.1]" in refused("jane@127.0.0.1").hint
    assert refused("jane@example.org joe@example.org").hint.startswith("put a comma between")


@pytest.mark.parametrize(
    ("text", "what"),
    [("", "is empty"), (" , ", "is empty"), ("a@x.org, b@x.org", "contains 2"), ("Friends: a@x.org;", "is a group")],
)
def test_where_one_mailbox_is_wanted_there_is_one(text, what):
    with pytest.raises(MailboxError, match=f"exactly one address is expected.* {what}") as caught:
        parse_mailbox(text)
    assert caught.value.hint == "give one address"


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ('"user@evil.example x"@internal.example', "internal.example"),
        ('"a@b"@internal.example', "internal.example"),
        (r'"a\"@evil.example, \""@internal.example', "internal.example"),
        ('"evil@evil.example" <a@internal.example>', "internal.example"),
        ("(evil@evil.example) a@internal.example", "internal.example"),
    ],
)
def test_a_quoted_or_commented_address_never_becomes_the_address(text, domain):
    assert parse_mailbox(text).domain == domain


@pytest.mark.parametrize(
    "text",
    [
        "user@good.example(x)evil.example",
        "user@good.example (x) evil.example",
        "user(x)name@good.example",
        "user@good.example(x).evil.example",
        "user@good.example. evil.example",
    ],
)
def test_a_comment_within_an_address_joins_nothing(text):
    refused(text)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (("Jane\r\nBcc: x@x.org", "a", "x.org"), "control character"),
        (("Jane\u202egro", "a", "x.org"), "control character"),
        (("\ud800", "a", "x.org"), "control character"),
        (("", "a>\r\nRCPT TO:<b", "x.org"), "invisible"),
        (("", "a b", "x.org"), "is not allowed before"),
        (("", "a", "x.org>\r\n"), "is not a valid domain"),
        (("", "a", "[1.2.3.4]>"), "is not an address literal"),
        (("", '"a" b"', "x.org"), "is not allowed before"),
        (("", "", "x.org"), "is not allowed before"),
        (("", "a", ""), "is not a valid domain"),
        (("", "\udc80", "x.org"), "invisible"),
        (("", "a", "\ud800.org"), "invisible"),
    ],
)
def test_a_mailbox_that_can_not_be_sent_to_can_not_be_made(parts, says):
    with pytest.raises(MailboxError, match=says):
        Mailbox(*parts)


def test_a_mailbox_made_by_hand_equals_the_one_that_is_read():
    assert Mailbox("Jane", '"jane"', "BÜCHER.example") == parse_mailbox("Jane <jane@bücher.example>")
    assert Mailbox("", "jörg", "xn--bcher-kva.example").domain == "bücher.example"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\udc80"])
def test_a_group_has_a_name_of_one_line(name):
    with pytest.raises(MailboxError):
        Group(name, ())


@settings(max_examples=100)
@given(NAMES.map(lambda name: " ".join(name.split())), LOCAL_PARTS, DOMAINS)
def test_any_name_comes_back_from_a_quoted_string(name, local_part, domain):
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    found = parse_mailbox(f'"{escaped}" <{local_part}@{domain}>')
    assert (found.display_name, found.local_part) == (name, local_part)
    assert parse_mailbox(found.addr_spec).addr_spec == found.addr_spec


@settings(max_examples=100)
@given(st.from_regex(module._PLAIN, fullmatch=True))
def test_the_plain_way_and_the_slow_way_agree(text):
    def outcome(parse):
        try:
            return parse(text)
        except MailboxError as error:
            return error.message, error.hint

    assert outcome(lambda given: module._parse(given, False)) == outcome(
        lambda given: module._parse_slowly(given, by_line=False)
    )


@settings(max_examples=100)
@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z]{0,6}", fullmatch=True), LOCAL_PARTS, DOMAINS), max_size=5))
def test_lists_are_read_as_the_standard_library_reads_them(parts):
    text = ", ".join(f"{name} <{local}@{domain}>" if name else f"{local}@{domain}" for name, local, domain in parts)
    header: Any = HeaderRegistry()("To", text)
    assert [(one.display_name, one.username) for one in header.addresses] == [
        (box.display_name, box.local_part) for box in mailboxes(parse_addresses(text))
    ]


@settings(max_examples=100)
@given(st.text(st.sampled_from('ab@.,;:<>()[]"\\ \t\r\n\x00é\u202e\ud800='), max_size=40))
def test_whatever_is_given_is_read_or_refused_and_reads_the_same_again(text):
    try:
        found = parse_addresses(text)
    except MailboxError:
        refused(text)
        return
    for box in mailboxes(found):
        assert parse_mailbox(box.addr_spec) == Mailbox("", box.local_part, box.domain)


@pytest.mark.parametrize(
    "text",
    [
        "(" * LONG,
        "(" * 5 + "\\" * LONG,
        "()" * LONG,
        "," * LONG,
        "a" * LONG,
        "a " * LONG,
        "a " * LONG + "<",
        "a." * LONG + "@x.org",
        "a@" + "x." * LONG,
        "a@" + "ü" * LONG,
        '"' * LONG,
        '"' * (LONG - 1),
        '"a" ' * LONG,
        "\\" * LONG,
        "<" * LONG,
        "a" + "<" * LONG + ">" * LONG,
        "@" * LONG,
        "[" * LONG,
        "[]" * LONG,
        ":" * LONG,
        "a:" * LONG,
        "a b " * (LONG // 4) + "<" + ":" * LONG,
        "a:;" * LONG,
        "a: " + "b@x.org, " * (LONG // 10),
        " " * LONG + "@",
        "a@x.org " * (LONG // 8),
        "a@x.org(" * LONG,
    ],
    ids=lambda text: f"{text[:8]!a}...{text[-4:]!a}",
)
def test_long_input_is_read_or_refused_in_one_pass(text):
    try:
        assert isinstance(parse_addresses(text), tuple)
    except MailboxError:
        assert len(refused(text).message) < 300


def test_a_list_of_many_mailboxes_is_read_in_one_pass():
    found = parse_addresses(", ".join(f"Person {number} <p{number}@example.org>" for number in range(10_000)))
    assert len(found) == 10_000


@pytest.mark.parametrize("text", ["[127.0.0.1]", "example.org", "xn--bcher-kva.example"])
def test_what_is_in_a_labels_stays(text):
    assert a_labels(text) == text
