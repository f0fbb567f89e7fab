"""What a mail server that the world uses makes of our mails."""

import pytest

from mailnode.errors import ErrorCode, LoginFailed
from mailnode.message.email import Attachment, Email
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from support.postfix import HOST, PASSWORD, USERNAME, Postfix
from support.tls import ca_pem

LOGIN = Login(f"{USERNAME}@{HOST}", PASSWORD)


def plain(postfix: Postfix) -> SmtpClient:
    return SmtpClient("127.0.0.1", postfix.port, tls_option="none")


def private(port: int, login: Login = LOGIN) -> SmtpClient:
    return SmtpClient("127.0.0.1", port, tls_option="starttls", ca=ca_pem(), login=login)


async def test_a_mail_reads_back_as_it_was_meant(postfix: Postfix) -> None:
    email = Email(
        from_="Jürg Müller <jurg@x.example>",
        to=['"Ann, the first" <ann@y.example>', "bob@y.example"],
        cc="Cé <carl@y.example>",
        reply_to="desk@x.example",
        subject="Your order № 17 is on its way" + ", and on" * 20,
        text="Hello Ann,\n.\nit is on its way: Grüße\n",
        html='<p>Hello <b>Ann</b></p><img src="cid:logo">',
        attachments=[
            Attachment(content=bytes(range(256)) * 4000, filename="Rechnung № 17.pdf"),
            Attachment(content=b"\x89PNG", filename="logo.png", cid="logo"),
        ],
        priority="high",
    )
    async with plain(postfix) as client:
        outcome = await client.send(email)
    first, second, third = await postfix.delivered(outcome.message_id, 3)
    assert [mail["Delivered-To"] for mail in (first, second, third)] == [
        "ann@y.example",
        "bob@y.example",
        "carl@y.example",
    ]
    assert first["Return-Path"] == "<jurg@x.example>"
    assert str(first["From"]) == "Jürg Müller <jurg@x.example>"
    assert str(first["To"]) == '"Ann, the first" <ann@y.example>, bob@y.example'
    assert str(first["Cc"]) == "Cé <carl@y.example>"
    assert str(first["Reply-To"]) == "desk@x.example"
    assert str(first["Subject"]) == email.subject
    assert str(first["Importance"]).lower() == "high"
    text, html = first.get_body(("plain",)), first.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == email.text
    assert "<b>Ann</b>" in html.get_content()
    files = {part.get_filename(): part.get_payload(decode=True) for part in first.walk() if part.get_filename()}
    assert files == {"Rechnung № 17.pdf": bytes(range(256)) * 4000, "logo.png": b"\x89PNG"}


async def test_bcc_reaches_its_recipient_and_stands_in_no_header_field(postfix: Postfix) -> None:
    async with plain(postfix) as client:
        outcome = await client.send(Email(from_="a@x.example", to="b@y.example", bcc="secret@y.example", text="hi"))
    mails = await postfix.delivered(outcome.message_id, 2)
    assert [mail["Delivered-To"] for mail in mails] == ["b@y.example", "secret@y.example"]
    assert "secret" not in str(mails[0])
    assert "bcc" not in {name.lower() for name in mails[1]}


async def test_scram_over_starttls(postfix: Postfix) -> None:
    async with private(postfix.port) as client:
        outcome = await client.send(Email(from_="a@x.example", to="b@y.example", subject="scram", text="hi"))
    assert outcome.tls_version == "TLSv1.3"
    assert outcome.auth_mechanism == "SCRAM-SHA-256"
    (mail,) = await postfix.delivered(outcome.message_id)
    assert "with ESMTPSA" in mail["Received"]


async def test_login_where_nothing_else_is_offered(postfix: Postfix) -> None:
    async with private(postfix.login_port) as client:
        outcome = await client.send(Email(from_="a@x.example", to="b@y.example", text="hi"))
    assert outcome.auth_mechanism == "LOGIN"
    await postfix.delivered(outcome.message_id)


async def test_a_wrong_password_is_refused(postfix: Postfix) -> None:
    async with private(postfix.port, Login(LOGIN.username, "close sesame")) as client:
        with pytest.raises(LoginFailed) as caught:
            await client.send(Email(from_="a@x.example", to="b@y.example", text="hi"))
    assert caught.value.code == ErrorCode.AUTH_REFUSED
    assert caught.value.reply_code == 535


async def test_refused_and_deferred_recipients_do_not_keep_it_from_the_others(postfix: Postfix) -> None:
    to = ["refused@y.example", "b@y.example", "later@y.example"]
    async with plain(postfix) as client:
        outcome = await client.send(Email(from_="a@x.example", to=to, text="hi"))
    assert [recipient.status for recipient in outcome.recipients] == ["refused", "accepted", "deferred"]
    assert [recipient.reply.enhanced_status_code for recipient in outcome.refused if recipient.reply] == [
        "5.1.1",
        "4.2.1",
    ]
    (mail,) = await postfix.delivered(outcome.message_id)
    assert mail["Delivered-To"] == "b@y.example"


async def test_where_all_are_refused_the_session_serves_the_next_mail(postfix: Postfix) -> None:
    async with plain(postfix) as client:
        refused = await client.send(Email(from_="a@x.example", to="refused@y.example", text="hi"))
        outcome = await client.send(Email(from_="a@x.example", to="b@y.example", text="hi"))
    assert (refused.accepted, refused.phase, refused.reply.code) == ((), "rcpt", 550)
    assert outcome.timings.connect_ms == 0.0
    await postfix.delivered(outcome.message_id)


async def test_addresses_beyond_ascii_travel_by_smtputf8(postfix: Postfix) -> None:
    async with plain(postfix) as client:
        outcome = await client.send(Email(from_="jürg@x.example", to="用户@y.example", subject="Grüße", text="hi"))
    (mail,) = await postfix.delivered(outcome.message_id)
    assert mail["Delivered-To"] == "用户@y.example"
    assert str(mail["Subject"]) == "Grüße"


async def test_the_null_reverse_path_and_one_of_its_own(postfix: Postfix) -> None:
    async with plain(postfix) as client:
        for path, seen in [("<>", "<>"), ("bounces@x.example", "<bounces@x.example>")]:
            email = Email(from_="a@x.example", to="b@y.example", text="hi", envelope_from=path)
            (mail,) = await postfix.delivered((await client.send(email)).message_id)
            assert mail["Return-Path"] == seen
