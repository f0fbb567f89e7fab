import io
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.errors import ComposeError, ErrorCode, HeaderError, MailboxError, MailnodeError, PartError
from mailnode.message.compose import compose
from mailnode.message.email import Attachment, Email, RawPart
from mailnode.message.envelope import Message
from mailnode.message.mailbox import Group, Mailbox
from mailnode.message.tree import Part

DATE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FIXED: dict[str, Any] = {"date": DATE, "message_id": "<1@x.org>", "boundary_seed": "seed"}
PNG = Attachment(content=b"\x89PNG", filename="logo.png", cid="logo")
PDF = Attachment(content=b"%PDF", filename="a.pdf")
HTML = '<p>Hi</p><img src="cid:logo">'
RAW = RawPart(content=b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=120)


def email(**said: Any) -> Email:
    return Email(**{"from_": "Shop <shop@x.org>", "to": "jane@y.org", **said})


def sent(mail: Email) -> bytes:
    """Compose, and see that what goes on the wire is what every server takes."""
    message = compose(mail)
    octets = message.octets()
    assert b"".join(message.blocks()) == octets
    assert message.size == len(octets)
    assert octets.endswith(b"\r\n")
    bare = octets.replace(b"\r\n", b"")
    assert b"\r" not in bare
    assert b"\n" not in bare
    assert b"\x00" not in bare
    assert octets.isascii() or message.envelope.needs_smtputf8
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    head = octets.partition(b"\r\n\r\n")[0]
    for line in head.split(b"\r\n"):
        assert len(line) <= 78 or b" " not in line.strip().partition(b": ")[2]
    for word in head.split():
        assert not word.startswith(b"=?") or len(word) <= 75
    return octets


def read(mail: Email) -> Any:
    return message_from_bytes(sent(mail), policy=policy.default)


def refused(mail: Email) -> MailnodeError:
    with pytest.raises(ComposeError) as caught:
        compose(mail)
    assert caught.value.hint
    assert str(caught.value).isprintable()
    return caught.value


def tree(part: Part) -> Any:
    inner = [tree(one) for one in part.parts]
    return (part.media_type, *inner) if inner else part.media_type


def read_tree(part: Any) -> Any:
    inner = [read_tree(one) for one in part.iter_parts()] if part.is_multipart() else []
    return (part.get_content_type(), *inner) if inner else part.get_content_type()


class TestTree:
    ALTERNATIVE = ("multipart/alternative", "text/plain", "text/html")
    WITH_RELATED = ("multipart/alternative", "text/plain", ("multipart/related", "text/html", "image/png"))

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ({}, "text/plain"),
            ({"text": "Hi"}, "text/plain"),
            ({"text": ""}, "text/plain"),
            ({"html": "<p>Hi"}, ALTERNATIVE),
            ({"html": ""}, ALTERNATIVE),
            ({"text": "Hi", "html": "<p>Hi"}, ALTERNATIVE),
            ({"html": HTML, "attachments": [PNG]}, WITH_RELATED),
            (
                {"html": HTML, "attachments": [PDF, PNG, PDF]},
                ("multipart/mixed", WITH_RELATED, *["application/pdf"] * 2),
            ),
            ({"html": "no reference", "attachments": [PNG]}, ("multipart/mixed", ALTERNATIVE, "image/png")),
            ({"text": "Hi", "attachments": [PNG]}, ("multipart/mixed", "text/plain", "image/png")),
            ({"attachments": [PDF]}, "application/pdf"),
            ({"attachments": [PDF, PNG]}, ("multipart/mixed", "application/pdf", "image/png")),
            ({"attachments": [RAW]}, "text/calendar"),
            ({"text": "Hi", "attachments": [RAW]}, ("multipart/mixed", "text/plain", "text/calendar")),
        ],
    )
    def test_each_level_is_there_when_it_is_needed(self, said, expected):
        mail = email(**said)
        assert tree(compose(mail).root) == expected
        assert read_tree(read(mail)) == expected

    def test_no_field_stands_twice_where_a_part_is_the_whole_mail(self):
        raw = RawPart(content=b"content-language: en\r\nContent-Type: text/plain\r\n\r\nx")
        mail = read(email(headers={"Content-Language": "de"}, attachments=[raw]))
        assert mail.get_all("Content-Language") == ["de"]
        (part,) = mail.iter_parts()
        assert (part["Content-Language"], part.get_content_type()) == ("en", "text/plain")
        assert read(email(headers={"X-Content": "de"}, attachments=[raw])).get_content_type() == "text/plain"

    def test_a_related_part_says_what_its_root_is(self):
        _, related = read(email(html=HTML, attachments=[PNG])).iter_parts()
        assert related.get_param("type") == "text/html"
        _, image = related.iter_parts()
        assert image["Content-ID"] == "<logo>"
        assert image.get_content_disposition() == "inline"

    @pytest.mark.parametrize(
        ("cid", "html"),
        [
            ("logo", "<img src='cid:logo'>"),
            ("logo", "<img src=cid:logo>"),
            ("logo", "<img src='CID:logo'>"),
            ("logo", "<img srcset='cid:logo, cid:big 2x'>"),
            ("logo", "<td style='background: url(cid:logo)'>"),
            ("logo", '<td style="background: url(&quot;cid:logo&quot;)">'),
            ("logo@x.org", "<img src='cid:logo%40x.org'>"),
            ("a&b", "<img src='cid:a&amp;b'>"),
            ("logo", f"&#{'9' * 5000};<img src='cid:logo'>"),
        ],
    )
    def test_a_file_that_the_html_refers_to_is_inline(self, cid, html):
        ready_made = RawPart(content=f"Content-Type: image/png\r\nContent-ID: <{cid}>\r\n\r\nx".encode())
        for attachment in (Attachment(content=b"x", filename="l.png", cid=cid), ready_made):
            assert tree(compose(email(html=html, attachments=[attachment])).root) == self.WITH_RELATED

    @pytest.mark.parametrize(
        "html", ["cid:logo2", "cid:logo.png", "acid:logo", "cid:LOGO", "cid:", "logo", "cid: logo"]
    )
    def test_a_file_that_the_html_does_not_refer_to_is_attached(self, html):
        root = compose(email(html=f"<img src='{html}'>", attachments=[PNG])).root
        assert tree(root) == ("multipart/mixed", self.ALTERNATIVE, "image/png")
        assert root.parts[1].disposition == "attachment"

    def test_the_text_is_made_from_the_html(self):
        assert read(email(html="<h1>Grüße</h1>")).get_body(("plain",)).get_content().strip() == "Grüße"
        assert read(email(html="<p>x", text="")).get_body(("plain",)).get_content().strip() == ""

    def test_the_same_attachment_twice_is_there_twice(self):
        assert len(list(read(email(text="x", attachments=[PDF, PDF])).iter_attachments())) == 2


class TestOctets:
    def test_the_whole_mail_is_this(self):
        mail = email(
            **FIXED,
            cc="Jörg <j@x.org>",
            bcc="b@x.org",
            subject="Hi",
            text="Grüße aus Köln, und ein gutes Neues!",
            priority="high",
        )
        assert sent(mail).decode("ascii").split("\r\n") == [
            "From: Shop <shop@x.org>",
            "To: jane@y.org",
            "Cc: =?utf-8?b?SsO2cmc=?= <j@x.org>",
            "Subject: Hi",
            "Date: Wed, 04 Mar 2026 05:06:07 +0000",
            "Message-ID: <1@x.org>",
            "X-Priority: 1 (Highest)",
            "X-MSMail-Priority: High",
            "Importance: High",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
            "",
            "Gr=C3=BC=C3=9Fe aus K=C3=B6ln, und ein gutes Neues!",
            "",
        ]

    @pytest.mark.parametrize("attachments", [(), (PDF, PNG, RAW), (Attachment(content=bytes(200_000)),)])
    def test_the_same_words_make_the_same_octets(self, attachments):
        def make() -> bytes:
            return sent(email(**FIXED, subject="Hi", html=HTML, attachments=attachments))

        assert make() == make()

    def test_without_fixed_words_no_two_are_the_same(self):
        first, second = (compose(email(html="x")) for _ in range(2))
        assert first.message_id != second.message_id
        assert first.message_id.endswith("@x.org>")
        assert first.octets() != second.octets()

    def test_a_small_mail_is_one_block_and_a_large_one_several(self):
        assert len(list(compose(email(html=HTML, attachments=[PNG, PDF])).blocks())) == 1
        blocks = list(compose(email(text="x", attachments=[Attachment(content=bytes(200_000))])).blocks())
        assert len(blocks) > 2
        assert max(map(len, blocks)) < 100_000
        assert all(compose(email(attachments=[Attachment(content=bytes(200_000))])).blocks())

    def test_a_file_is_read_again_each_time(self):
        mail = email(text="x", attachments=[Attachment(content=io.BytesIO(bytes(range(256)) * 1000), filename="a.bin")])
        message = compose(mail)
        assert message.octets() == message.octets()
        (part,) = read(mail).iter_attachments()
        assert part.get_content() == bytes(range(256)) * 1000

    def test_nothing_can_end_the_content_or_the_header(self):
        for smuggled in ("a\r.\r\nMAIL FROM:<x@x.org>", "a\n.\nQUIT", "a\n.\r\nDATA", "\r\n.\r\n", "a\r\n.\r"):
            octets = sent(email(text=smuggled, html=smuggled, attachments=[Attachment(content=smuggled)]))
            assert octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r")

    @settings(max_examples=100)
    @given(TEXTS, TEXTS, LINES, st.binary(max_size=200))
    def test_all_that_is_said_comes_back(self, text, html, subject, content):
        found = read(email(subject=subject, text=text, html=html, attachments=[Attachment(content=content)]))
        assert found["Subject"] == subject
        for kind, said in (("plain", text), ("html", html)):
            octets = found.get_body((kind,)).get_payload(decode=True).decode()
            assert octets.replace("\r\n", "\n").removesuffix("\n") == (
                said.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
            )
        (part,) = found.iter_attachments()
        assert part.get_content() == content

    @settings(max_examples=50)
    @given(st.text(st.sampled_from("-=_seed123x\n "), max_size=200))
    def test_no_content_holds_a_boundary(self, text):
        files = [Attachment(content=text), RawPart(content=b"Content-Type: text/plain\n\n" + text.encode())]
        mail = email(text=text, html=f"{HTML}{text}", attachments=[*files, PNG], boundary_seed="seed")
        shape = read_tree(read(mail))
        related = ("multipart/related", "text/html", "image/png")
        assert shape == ("multipart/mixed", ("multipart/alternative", "text/plain", related), *["text/plain"] * 2)


class TestEnvelope:
    def test_each_mailbox_is_one_path_and_bcc_is_nowhere_else(self):
        mail = email(
            to="Jane <jane@y.org>, Friends: a@x.org, JANE@Y.ORG;",
            cc=["jane@Y.org", Mailbox("", "c", "x.org")],
            bcc=Group("Hidden", (Mailbox("Secret", "hidden", "secret.example"),)),
        )
        message = compose(mail)
        assert message.envelope.forward_paths == (
            "jane@y.org",
            "a@x.org",
            "JANE@y.org",
            "c@x.org",
            "hidden@secret.example",
        )
        assert b"ecret" not in sent(mail)
        assert "bcc" not in {name.lower() for name in read(mail)}

    @settings(max_examples=50)
    @given(
        st.lists(st.tuples(LINES, st.from_regex(r"[a-z0-9!#$%&'*+/_-]{1,9}", fullmatch=True)), min_size=1, max_size=6)
    )
    def test_the_header_fields_name_whom_the_envelope_names(self, said):
        listed = [
            Mailbox(name, local, "y.org") for name, local in said if not any("\u2029" < one < "\u206a" for one in name)
        ]
        if not listed:
            return
        mail = email(to=listed[:3], cc=listed[3:])
        head = message_from_bytes(sent(mail))
        found = getaddresses(
            [str(value).replace("\r\n", "") for name in ("To", "Cc") for value in head.get_all(name, [])]
        )
        assert list(dict.fromkeys(address for _, address in found)) == list(compose(mail).envelope.forward_paths)

    def test_a_mail_to_bcc_alone_has_no_to(self):
        found = read(email(to="", bcc="b@x.org"))
        assert (found["To"], found["Cc"], found["Bcc"]) == (None, None, None)

    @pytest.mark.parametrize(
        ("said", "path"),
        [
            (None, "shop@x.org"),
            ("<>", None),
            (" <> ", None),
            ("bounce+1@x.org", "bounce+1@x.org"),
            ("Bounces <b@X.org>", "b@x.org"),
        ],
    )
    def test_bounces_go_where_it_is_said(self, said, path):
        assert compose(email(envelope_from=said)).envelope.reverse_path == path

    def test_an_idn_domain_needs_no_smtputf8_and_a_local_part_does(self):
        assert not compose(email(to="jane@bücher.example")).envelope.needs_smtputf8
        mail = email(to="jörg@bücher.example")
        assert compose(mail).envelope.needs_smtputf8
        assert "jörg@bücher.example".encode() in sent(mail)

    def test_a_header_field_beyond_ascii_needs_an_envelope_that_asks_for_it(self):
        error = refused(email(reply_to="jörg@x.org"))
        assert "SMTPUTF8" in error.message
        refused(email(from_="jörg@x.org", envelope_from="<>"))
        refused(email(headers={"Disposition-Notification-To": "jörg@x.org"}))
        assert compose(email(from_="jörg@x.org")).envelope.needs_smtputf8

    @pytest.mark.parametrize("to", ["", " , ", [], (), "Nobody:;", ["", " "]])
    def test_a_mail_has_a_recipient(self, to):
        assert refused(email(to=to)).code == ErrorCode.MISSING_SETTING

    @pytest.mark.parametrize("sender", ["", "  "])
    def test_a_mail_has_a_sender(self, sender):
        assert refused(email(from_=sender)).code == ErrorCode.MISSING_SETTING

    def test_ten_thousand_recipients_are_one_mail(self):
        message = compose(email(to=", ".join(f"P {number} <p{number}@y.org>" for number in range(10_000))))
        assert len(message.envelope.forward_paths) == 10_000


class TestHeader:
    def test_an_answer_says_what_it_answers(self):
        found = read(email(in_reply_to="<b@x>", references="<a@x> b@x"))
        assert (found["In-Reply-To"], found["References"]) == ("<b@x>", "<a@x> <b@x>")
        assert found["Auto-Submitted"] == "auto-replied"

    @pytest.mark.parametrize("said", [{}, {"in_reply_to": " "}, {"references": " "}, {"references": []}])
    def test_no_id_is_no_field(self, said):
        found = read(email(**said))
        assert found["In-Reply-To"] is found["References"] is None
        assert found["Auto-Submitted"] == "auto-generated"

    def test_own_fields_stand_behind_ours_and_may_repeat(self):
        mail = email(
            headers={"X-Order": "7", "X-Tag": ["a", "ü"], "__proto__": "x"}, list_unsubscribe="https://x.org/u"
        )
        assert read(mail).get_all("X-Tag") == ["a", "ü"]
        names = [name for name, _ in compose(mail).header_fields]
        assert names.index("X-Order") > names.index("List-Unsubscribe-Post")

    def test_an_own_field_of_addresses_is_written_as_one(self):
        mail = email(headers={"sender": "Jörg <j@Bücher.example>", "X-To": "Jörg <j@x.org>"})
        assert b"sender: =?utf-8?b?SsO2cmc=?= <j@xn--bcher-kva.example>\r\n" in sent(mail)
        assert read(mail)["X-To"] == "Jörg <j@x.org>"

    def test_the_preview_shows_header_fields_decoded(self):
        fields = dict(compose(email(subject="Grüße " * 30, to="Jörg Müller <j@x.org>")).header_fields)
        assert fields["Subject"] == "Grüße " * 30
        assert fields["To"] == "Jörg Müller <j@x.org>"

    @pytest.mark.parametrize(
        ("date", "written"),
        [
            (
                datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
                "Fri, 02 Jan 2026 03:04:05 -0330",
            ),
            (
                datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(seconds=3661))),
                "Fri, 02 Jan 2026 02:03:04 +0000",
            ),
        ],
    )
    def test_a_date_is_written_with_its_offset(self, date, written):
        assert f"Date: {written}\r\n".encode() in sent(email(date=date))

    def test_a_date_left_out_is_now(self):
        written = read(email())["Date"].datetime
        assert abs(written - datetime.now(UTC)) < timedelta(minutes=1)

    def test_low_priority_is_said_and_normal_is_not(self):
        assert read(email(priority="low"))["Importance"] == "Low"
        assert read(email())["Importance"] is None

    @pytest.mark.parametrize(
        ("said", "kind", "key"),
        [
            ({"from_": "a@x.org, b@x.org"}, MailboxError, "from"),
            ({"from_": "a@x.org\r\nBcc: b@x.org"}, MailboxError, "from"),
            ({"to": ["a@x.org", "b@x.org, c"]}, MailboxError, "to[1]"),
            ({"cc": "a@x.org\r\nRCPT TO:<evil@x.org>"}, MailboxError, "cc"),
            ({"bcc": "x@exa mple.com"}, MailboxError, "bcc"),
            ({"reply_to": '"Jane\ud83d" <a@x.org>'}, MailboxError, "replyTo"),
            ({"envelope_from": "a@x.org>\r\nRCPT TO:<b@x.org"}, MailboxError, "envelopeFrom"),
            ({"envelope_from": ""}, MailboxError, "envelopeFrom"),
            ({"subject": "hi\r\nBcc: x@x.org"}, HeaderError, "subject"),
            ({"priority": "urgent"}, ComposeError, "priority"),
            ({"auto_submitted": "yes"}, ComposeError, "autoSubmitted"),
            ({"list_unsubscribe": "https://x.org/\u017f"}, HeaderError, "listUnsubscribe"),
            ({"headers": {"Sender": "nobody"}}, MailboxError, "headers.Sender"),
            ({"headers": {"Errors-To": ["a@x.org", ""]}}, HeaderError, "headers.Errors-To"),
            ({"headers": {"Resent-To": "a@x.org\r\nBcc: b@x.org"}}, MailboxError, "headers.Resent-To"),
            ({"subject": "\ud83d"}, HeaderError, "subject"),
            ({"in_reply_to": "no\x00id"}, HeaderError, "inReplyTo"),
            ({"references": "<a@b>\r\nX: y"}, HeaderError, "references"),
            ({"message_id": "<a@b>\r\nX: y"}, HeaderError, "messageId"),
            ({"message_id": "<a@b> <c@d>"}, HeaderError, "messageId"),
            ({"list_unsubscribe": "https://x.org (comment\r\nBcc: x)"}, HeaderError, "listUnsubscribe"),
            ({"headers": {"X-A": "a\r\nBcc: x@x.org"}}, HeaderError, "headers.X-A"),
            ({"headers": {"X-A": ["a", "\x00"]}}, HeaderError, "headers.X-A"),
            ({"headers": {"X-A: a\r\nBcc": "x"}}, HeaderError, "headers"),
            ({"headers": {"Bcc": "x@x.org"}}, HeaderError, "headers"),
            ({"text": "\ud83d"}, PartError, "text"),
            ({"html": "\ud83d"}, PartError, "html"),
            ({"attachments": [PDF, Attachment(content=b"", filename="a\r\nX: y")]}, HeaderError, "attachments[1]"),
            ({"attachments": [Attachment(content=b"", content_type="x")]}, PartError, "attachments[0]"),
            ({"attachments": [RawPart(content=b"Bcc: \x01\r\n\r\n")]}, PartError, "attachments[0]"),
            ({"boundary_seed": "a\r\nb"}, ComposeError, ""),
            ({"boundary_seed": ""}, ComposeError, ""),
            ({"date": datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(seconds=-3661)))}, ComposeError, ""),
        ],
        ids=lambda value: repr(value)[:50],
    )
    def test_what_can_not_be_sent_is_refused_with_its_place(self, said, kind, key):
        error = refused(email(**said))
        assert isinstance(error, kind)
        assert error.key == key

    def test_a_mailbox_given_as_an_object_injects_nothing(self):
        with pytest.raises(MailboxError):
            email(to=Mailbox("Jane\r\nBcc: x@x.org", "a", "x.org"))

    @settings(max_examples=100)
    @given(
        st.sampled_from(["to", "subject", "in_reply_to", "references", "list_unsubscribe", "message_id", "text"]),
        st.text(),
    )
    def test_whatever_is_said_makes_a_mail_or_an_error_of_ours(self, key, value):
        mail = email(**{key: value})
        try:
            message = compose(mail)
        except ComposeError:
            return
        assert isinstance(message, Message)
        assert message.header_fields
        sent(mail)


@pytest.mark.parametrize(
    ("values", "key", "words"),
    [
        ({"to": 5}, "to", "an address is required, not "),
        ({"cc": b"a@x.org"}, "cc", "an address is required"),
        ({"bcc": ["a@x.org", 7]}, "bcc[1]", "an address is required"),
        ({"from_": 5}, "from", "one address is required"),
        ({"from_": ["a@x.org"]}, "from", "one address is required"),
        ({"from_": None}, "from", "no sender"),
        ({"from_": []}, "from", "no sender"),
        ({"subject": 5}, "subject", "text is required"),
        ({"envelope_from": 5}, "envelopeFrom", "text is required"),
        ({"html": b"<p>"}, "html", "text is required"),
        ({"headers": "X-A: b"}, "headers", "a mapping is required"),
        ({"attachments": 5}, "attachments", "a list is required"),
        ({"attachments": ["invoice.pdf"]}, "attachments[0]", "an Attachment is required"),
    ],
)
def test_a_value_of_a_wrong_type_is_named_with_its_remedy(values, key, words):
    with pytest.raises(ComposeError) as caught:
        compose(Email(**{"from_": "a@x.org", "to": "b@x.org", **values}))
    assert (caught.value.key, bool(caught.value.hint)) == (key, True)
    assert words in caught.value.message


def test_what_is_no_email_is_refused_with_its_remedy():
    with pytest.raises(ComposeError, match="an Email is required, not 'hi'") as caught:
        compose("hi")  # type: ignore[arg-type]  # what a program without types may do
    assert "Email(from_=" in caught.value.hint


@pytest.mark.parametrize("name", ["", "Ann", "Ännchen", "Ann of the Long Name " * 20])
def test_a_sender_is_the_same_each_time_as_text_and_as_mailbox(name):
    name = name.strip()
    mailbox = Mailbox(name, "ann", "BÜCHER.example")
    froms: list[str | Mailbox] = [f'"{name}" <ann@BÜCHER.example>' if name else "ann@BÜCHER.example", mailbox] * 2
    made = [compose(Email(from_=given, to="joe@x.example", text="hi")) for given in froms]
    assert {message.envelope.reverse_path for message in made} == {"ann@xn--bcher-kva.example"}
    assert {message.message_id.partition("@")[2] for message in made} == {"xn--bcher-kva.example>"}
    assert len({dict(message.header_fields)["From"] for message in made}) == 1
