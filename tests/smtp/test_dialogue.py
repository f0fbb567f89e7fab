import asyncio
import base64

import pytest

from mailnode.errors import ConnectFailed, LoginFailed, MailnodeError, SessionLost, StoreError, TlsFailed, Unsendable
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from mailnode.smtp.send_queue import SendRequest
from mailnode.smtp.transcript import MOST_CHARACTERS, MOST_LINES
from support.messages import letter
from support.scripted_smtp import DROP, LOCKSTEP, RESET, STALL, USUAL, ScriptedServer
from support.tls import ca_pem, server_context
from support.tokens import Purse

PASSWORD = "canary-password-9f2c"
USER = Login("ann@x.example", PASSWORD)
NOBODY = {"RCPT TO:<nobody": "550 5.1.1 no such user"}


def client_of(server, **settings):
    settings = {"tls_option": "none", "max_sessions": 1, "ehlo_name": "laptop", **settings}
    return SmtpClient("127.0.0.1", server.port, **settings)


async def told(server, message=None, **settings):
    """The dialogue of one message, however it ended."""
    async with client_of(server, **settings) as client:
        try:
            return (await client.send(message or letter())).dialogue
        except MailnodeError as error:
            return error.dialogue


def of_the_message(dialogue):
    """The lines from MAIL on."""
    lines = dialogue.splitlines()
    return lines[next(at for at, line in enumerate(lines) if line.startswith("C: MAIL")) :]


async def test_a_refusal_tells_the_session_from_its_beginning():
    script = {"greeting": "220 mx.example ESMTP", "MAIL": "250-2.1.0 so be it\n250 2.1.0 ok", **NOBODY}
    async with ScriptedServer(script, extensions=("PIPELINING", "AUTH PLAIN")) as server:
        dialogue = await told(server, letter("nobody@y.example", "bob@y.example"), login=USER)
    assert dialogue.splitlines() == [
        f"(connecting to 127.0.0.1 port {server.port})",
        "S: 220 mx.example ESMTP",
        "C: EHLO laptop",
        "S: 250-scripted",
        "S: 250-PIPELINING",
        "S: 250 AUTH PLAIN",
        "C: AUTH PLAIN ***",
        "S: 235 2.7.0 in",
        "C: MAIL FROM:<ann@x.example>",
        "C: RCPT TO:<nobody@y.example>",
        "C: RCPT TO:<bob@y.example>",
        "C: DATA",
        "S: 250-2.1.0 so be it",
        "S: 250 2.1.0 ok",
        "S: 550 5.1.1 no such user",
        "S: 250 2.1.5 ok",
        "S: 354 go on",
        "C: (19 bytes of content)",
        "S: 250 2.0.0 taken",
    ]


async def test_a_message_that_everybody_gets_needs_no_dialogue():
    async with ScriptedServer() as server:
        assert await told(server) == ""


async def test_without_pipelining_each_reply_stands_behind_its_command():
    async with ScriptedServer({"DATA": "452 4.3.1 no room"}, extensions=LOCKSTEP) as server:
        dialogue = await told(server)
    assert of_the_message(dialogue) == [
        "C: MAIL FROM:<ann@x.example> SIZE=19",
        "S: 250 2.1.0 ok",
        "C: RCPT TO:<bob@y.example>",
        "S: 250 2.1.5 ok",
        "C: DATA",
        "S: 452 4.3.1 no room",
    ]


async def test_content_is_told_by_its_size_alone():
    async with ScriptedServer({"dot": "554 5.7.1 spam"}) as server:
        dialogue = await told(server, letter(content=b"Subject: canary\r\n\r\n" + b".canary\r\n" * 300))
    assert of_the_message(dialogue)[-2:] == ["C: (2,719 bytes of content)", "S: 554 5.7.1 spam"]
    assert "canary" not in dialogue


async def test_content_that_is_refused_before_its_end_is_told_so():
    blocks = (b"Subject: big\r\n\r\n", *[b"x" * 76 + b"\r\n"] * 1000) * 40
    async with ScriptedServer({"content": ["552 5.3.4 too big", USUAL]}) as server:
        dialogue = await told(server, letter(content=blocks))
    *_, content, reply = of_the_message(dialogue)
    assert reply == "S: 552 5.3.4 too big"
    assert content.startswith("C: (")
    assert content.endswith(("bytes of content, not ended)", "bytes of content)"))


async def test_the_lone_dot_to_nobody_is_told():
    script = {"RCPT": "550 5.1.1 no such user", "DATA": "354 go on all the same", "dot": "554 5.5.1 to whom?"}
    async with ScriptedServer(script) as server:
        lines = of_the_message(await told(server))
    assert lines[-3:] == ["S: 354 go on all the same", "C: .", "S: 554 5.5.1 to whom?"]


async def test_a_goodbye_is_told_once_though_it_answers_all():
    async with ScriptedServer({"MAIL": ["421 4.3.2 closing", DROP]}) as server:
        lines = of_the_message(await told(server, letter(*[f"r{n}@y.example" for n in range(5)])))
    assert [line for line in lines if line.startswith("S:")] == ["S: 421 4.3.2 closing"]


@pytest.mark.parametrize(
    ("does", "ends"),
    [(DROP, "the server closed the connection"), (RESET, "the connection broke"), ("nonsense", "nonsense")],
)
async def test_a_lost_session_is_told_to_its_end(does, ends):
    async with ScriptedServer({"dot": does}) as server, client_of(server) as client:
        with pytest.raises(SessionLost) as caught:
            await client.send(letter())
    *_, content, note = of_the_message(caught.value.dialogue)
    assert content == "C: (19 bytes of content)"
    assert note.startswith("(the ")
    assert ends in note


async def test_whoever_gives_up_waiting_is_told_in_a_note():
    async with ScriptedServer({"RCPT": STALL}, extensions=LOCKSTEP) as server, client_of(server) as client:
        sending = asyncio.create_task(client.send(letter()))
        await server.reached("RCPT")
        sending.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await sending
    assert of_the_message(caught.value.__notes__[0])[-2:] == ["C: RCPT TO:<bob@y.example>", "(cancelled)"]


async def test_a_deadline_of_the_callers_leads_to_the_note():
    async with ScriptedServer({"greeting": STALL}) as server, client_of(server) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.2):
                await client.send(letter())
    cancelled = caught.value.__cause__ or caught.value.__context__  # the latter in Python 3.11.2
    notes = getattr(cancelled, "__notes__", [])
    assert notes == [f"(connecting to 127.0.0.1 port {server.port})\n(cancelled)"]


async def test_what_the_caller_raises_before_content_has_the_dialogue_too():
    async def fail():
        raise StoreError("the disk is full")

    async with ScriptedServer() as server, client_of(server) as client:
        with pytest.raises(StoreError) as caught:
            await client.hand_over(SendRequest(letter(), before_content=fail))
    assert of_the_message(caught.value.dialogue)[-2:] == ["S: 354 go on", "(the disk is full)"]


async def test_a_message_that_the_server_can_not_take_shows_what_it_offered():
    async with ScriptedServer(extensions=("SIZE 10",)) as server, client_of(server) as client:
        with pytest.raises(Unsendable) as caught:
            await client.send(letter())
        assert client._pool._idle  # the session is none the worse
    assert caught.value.dialogue.splitlines()[-2:] == [
        "S: 250 SIZE 10",
        "(the message has 19 bytes, and the server accepts at most 10)",
    ]


class TestTheWayIn:
    async def test_a_port_that_nobody_listens_on(self, closed_port):
        async with SmtpClient("127.0.0.1", closed_port, tls_option="none") as client:
            with pytest.raises(ConnectFailed) as caught:
                await client.send(letter())
        assert caught.value.dialogue.splitlines() == [
            f"(connecting to 127.0.0.1 port {closed_port})",
            f"(could not connect to 127.0.0.1:{closed_port}: connection refused)",
        ]

    async def test_a_name_that_is_not_known(self):
        async with SmtpClient("a..b", 465) as client:
            with pytest.raises(ConnectFailed) as caught:
                await client.send(letter())
        assert caught.value.dialogue.splitlines() == [
            "(connecting to a..b port 465, TLS from the start)",
            "(the host 'a..b' is not known)",
        ]

    async def test_a_certificate_that_is_not_trusted(self):
        async with ScriptedServer(tls=server_context()) as server:
            with pytest.raises(TlsFailed) as caught:
                async with client_of(server, tls_option="starttls") as client:
                    await client.send(letter())
        *_, asked, answered, tls, why = caught.value.dialogue.splitlines()
        assert (asked, answered, tls) == ("C: STARTTLS", "S: 220 go on", "(TLS from here on)")
        assert why == f"({caught.value.message})"

    async def test_the_second_greeting_stands_behind_tls(self):
        async with ScriptedServer(NOBODY, tls=server_context()) as server:
            dialogue = await told(server, letter("nobody@y.example"), tls_option="starttls", ca=ca_pem())
        assert dialogue.count("C: EHLO laptop") == 2
        assert "S: 220 go on\n(TLS from here on)\nC: EHLO laptop" in dialogue

    async def test_a_server_that_offers_no_login(self):
        async with ScriptedServer() as server:
            dialogue = await told(server, login=USER)
        assert dialogue.endswith("offers no login, but one is set)")

    async def test_a_refused_login_that_is_not_tried_again_said_nothing(self):
        script = {"AUTH": "535 5.7.8 no"}
        async with (
            ScriptedServer(script, extensions=("AUTH PLAIN",)) as server,
            client_of(server, login=USER) as client,
        ):
            errors = [await error_of(client) for _ in range(2)]
        assert errors[0].dialogue.splitlines()[-2:] == ["C: AUTH PLAIN ***", "S: 535 5.7.8 no"]
        assert not errors[1].was_tried
        assert errors[1].dialogue == f"({errors[1].message})"


async def error_of(client):
    with pytest.raises(LoginFailed) as caught:
        await client.send(letter())
    return caught.value


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


SAID = {
    PASSWORD,
    base64_of(PASSWORD),
    base64_of(f"\0{USER.username}\0{PASSWORD}"),
    base64_of(f"user={USER.username}\1auth=Bearer {PASSWORD}\1\1"),
}


def assert_no_secret(dialogue):
    assert dialogue
    for secret in SAID:
        for at in range(0, len(secret) - 12, 4):
            assert secret[at : at + 12] not in dialogue, dialogue


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize(
    "answers",
    [
        "535 5.7.8 no: {said}",
        "535-5.7.8 no\n535 5.7.8 {said} was wrong",
        "421 4.7.0 no: {said}",
        f"535 5.7.8 I know that it is {PASSWORD}",
        "{said}",
        ["334 {said}", "535 5.7.8 no: {said}"],
        ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "535 5.7.8 no: {said}"],
        ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "{said}"],
        DROP,
    ],
)
async def test_no_secret_stands_in_a_dialogue_whatever_the_server_repeats(mechanism, answers):
    is_token = "OAUTH" in mechanism
    login = TokenLogin(USER.username, Purse(PASSWORD, PASSWORD)) if is_token else USER
    replies = answers if isinstance(answers, list) else [answers]
    script = {"AUTH": replies[0], base64_of(USER.username): replies[1:] or DROP, base64_of(PASSWORD): replies[-1]}
    async with (
        ScriptedServer(script, extensions=(f"AUTH {mechanism}",)) as server,
        client_of(server, login=login) as client,
    ):
        with pytest.raises(MailnodeError) as caught:
            await client.send(letter())
    assert_no_secret(caught.value.dialogue)
    assert_no_secret(f"{caught.value} {vars(caught.value)}")
    assert f"C: AUTH {mechanism}" in caught.value.dialogue


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "dot"])
async def test_a_server_that_tells_the_login_later_is_not_quoted(stage):
    script = {stage: f"550 5.7.1 {base64_of(f'{chr(0)}{USER.username}{chr(0)}{PASSWORD}')} and {PASSWORD} may not"}
    async with ScriptedServer(script, extensions=("PIPELINING", "AUTH PLAIN")) as server:
        dialogue = await told(server, login=USER)
        async with client_of(server, login=USER) as client:
            outcomes = [await client.send(letter()) for _ in range(2)]
    assert "S: 550 5.7.1 *** and *** may not" in dialogue
    for text in (dialogue, *(outcome.dialogue for outcome in outcomes)):
        assert_no_secret(text)


async def test_nonsense_that_tells_the_login_later_is_not_quoted():
    nonsense = f"AUTH PLAIN {PASSWORD} was right"
    offer = ("AUTH PLAIN",)
    async with ScriptedServer({"MAIL": nonsense}, extensions=offer) as server, client_of(server, login=USER) as client:
        with pytest.raises(SessionLost) as caught:
            await client.send(letter())
    assert_no_secret(f"{caught.value} {vars(caught.value)} {caught.value.__context__}")


class TestBounds:
    async def test_of_many_recipients_the_beginning_and_the_end_are_told(self):
        script = {"dot": "554 5.7.1 spam"}
        async with ScriptedServer(script) as server:
            lines = (await told(server, letter(*[f"r{n}@y.example" for n in range(500)]))).splitlines()
        assert len(lines) == MOST_LINES
        assert lines.count("...") == 1
        assert "C: MAIL FROM:<ann@x.example> SIZE=19" in lines
        assert "C: RCPT TO:<r0@y.example>" in lines
        assert lines[-3:] == ["S: 354 go on", "C: (19 bytes of content)", "S: 554 5.7.1 spam"]

    @pytest.mark.parametrize("number", range(20, 30))
    async def test_nothing_is_left_out_where_all_has_room(self, number):
        async with ScriptedServer({"dot": "554 5.7.1 spam"}, extensions=("PIPELINING",)) as server:
            lines = (await told(server, letter(*[f"r{n}@y.example" for n in range(number)]))).splitlines()
        whole = 5 + 1 + number + 1 + 1 + number + 1 + 2
        assert len(lines) == min(whole, MOST_LINES)
        assert ("..." in lines) == (whole > MOST_LINES)

    async def test_a_long_line_is_cut_and_can_not_harm_a_terminal(self):
        script = {"RCPT": f"550 5.1.1 \x1b[2J\u202e{'long ' * 500}"}
        async with ScriptedServer(script) as server:
            dialogue = await told(server, letter("b\u202eob@y.example"))
        assert all(len(line) <= MOST_CHARACTERS for line in dialogue.splitlines())
        assert "\x1b" not in dialogue
        assert "\u202e" not in dialogue

    async def test_a_reply_of_many_lines_is_bounded(self):
        script = {"RCPT": "\n".join([*["550-5.1.1 no"] * 200, "550 5.1.1 no"])}
        async with ScriptedServer(script) as server:
            assert len((await told(server)).splitlines()) == MOST_LINES


class TestManyMessages:
    async def test_a_session_that_is_open_is_told_in_one_line(self):
        async with ScriptedServer(NOBODY) as server, client_of(server) as client:
            for _ in range(2):
                await client.send(letter())
            outcome = await client.send(letter("nobody@y.example"))
            again = await client.send(letter("nobody@y.example"))
        assert outcome.dialogue.splitlines() == [
            "(session already open; 2 messages before)",
            "C: MAIL FROM:<ann@x.example> SIZE=19",
            "C: RCPT TO:<nobody@y.example>",
            "C: DATA",
            "S: 250 2.1.0 ok",
            "S: 550 5.1.1 no such user",
            "S: 554 5.5.1 no valid recipients",
        ]
        assert again.dialogue.splitlines()[:3] == [
            "(session already open; 3 messages before)",
            "C: RSET",
            "C: MAIL FROM:<ann@x.example> SIZE=19",
        ]

    async def test_a_pipelined_message_has_no_line_of_its_neighbours(self):
        script = {"dot": ["250 ok", "554 5.6.0 spam", "250 ok", "554 5.6.0 spam"], "RCPT TO:<r2@": "550 5.1.1 nobody"}
        async with ScriptedServer(script) as server, client_of(server) as client:
            messages = [letter(f"r{n}@y.example") for n in range(5)]
            outcomes = await asyncio.gather(*map(client.send, messages))
        assert any(b"\r\n.\r\nMAIL" in group for group in server.visit.groups)
        for number, outcome in enumerate(outcomes):
            if not outcome.refused:
                assert outcome.dialogue == ""
                continue
            lines = outcome.dialogue.splitlines()
            assert [line for line in lines if "RCPT" in line] == [f"C: RCPT TO:<r{number}@y.example>"]
            assert sum(line.startswith("C: MAIL") for line in lines) == 1
            assert sum(line.startswith("S: ") for line in lines) == (3 if number == 2 else 4)
            assert lines[0].startswith("(session already open; ")

    async def test_all_transactions_of_a_message_are_told(self):
        script = {"RCPT TO:<r1@": ["452 4.5.3 too many", "550 5.1.1 nobody"]}
        async with ScriptedServer(script) as server:
            lines = of_the_message(await told(server, letter("r0@y.example", "r1@y.example")))
        assert [line for line in lines if line.startswith(("C: MAIL", "S: 550")) or "r1@" in line] == [
            "C: MAIL FROM:<ann@x.example> SIZE=19",
            "C: RCPT TO:<r1@y.example>",
            "C: MAIL FROM:<ann@x.example> SIZE=19",
            "C: RCPT TO:<r1@y.example>",
            "S: 550 5.1.1 nobody",
        ]
