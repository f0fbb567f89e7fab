"""Logins by access token, octet by octet, and what becomes of a refused one."""

import asyncio
import base64

import pytest

from mailnode.errors import ErrorCode, LoginFailed, ServerRefused, SessionLost, TokenError
from mailnode.smtp.account import HELD_BACK_SECONDS
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.server import Deadlines
from support.messages import letter
from support.scripted_smtp import DROP, RESET, STALL, ScriptedServer
from support.tokens import Purse

USER = "jane@example.com"
STALE, FRESH = "canary-stale-token", "canary-fresh-token"
BOTH = ("PIPELINING", "AUTH PLAIN XOAUTH2 OAUTHBEARER")
XOAUTH2 = ("PIPELINING", "AUTH XOAUTH2")
COMPLAINT = '{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}'
CHALLENGE = f"334 {base64.b64encode(COMPLAINT.encode()).decode()}"
REFUSED = "535 5.7.8 Username and Password not accepted"
OUT_OF_ORDER = TokenError("the endpoint is down", hint="try again later", transient=True)


def oauthbearer(token, port):
    said = f"n,a={USER},\x01host=127.0.0.1\x01port={port}\x01auth=Bearer {token}\x01\x01"
    return f"AUTH OAUTHBEARER {base64.b64encode(said.encode()).decode()}"


def xoauth2(token):
    said = f"user={USER}\x01auth=Bearer {token}\x01\x01"
    return f"AUTH XOAUTH2 {base64.b64encode(said.encode()).decode()}"


def client_of(server, purse, **settings):
    login = TokenLogin(USER, purse)
    return SmtpClient("127.0.0.1", server.port, **{"tls_option": "none", "login": login, **settings})


async def send(server, purse, **settings):
    async with client_of(server, purse, **settings) as client:
        return await client.send(letter())


async def failure(server, purse, kind=LoginFailed, **settings):
    """Send what can't be sent; whatever comes of it, it shows no token."""
    with pytest.raises(kind) as caught:
        await send(server, purse, **settings)
    told = repr(vars(caught.value)) + repr(caught.value) + str(caught.value) + repr(caught.value.__context__)
    assert "canary" not in told
    assert base64.b64encode(b"canary-").decode()[:8] not in told
    return caught.value


def commands(server):
    """The AUTH commands and their responses, session by session."""
    return [
        visit.commands[1 : visit.commands.index("QUIT") if visit.count("QUIT") else None] for visit in server.visits
    ]


class TestAGoodToken:
    async def test_goes_by_oauthbearer_in_one_line(self):
        async with ScriptedServer(extensions=BOTH) as server:
            outcome = await send(server, Purse(STALE))
        assert outcome.auth_mechanism == "OAUTHBEARER"
        assert server.visit.commands[1] == oauthbearer(STALE, server.port)
        assert server.visit.count("AUTH") == 1

    async def test_goes_by_xoauth2_where_that_is_all(self):
        async with ScriptedServer(extensions=XOAUTH2) as server:
            assert (await send(server, Purse(STALE))).auth_mechanism == "XOAUTH2"
        assert server.visit.commands[1] == xoauth2(STALE)

    @pytest.mark.parametrize(
        "said",
        [
            "504 5.5.4 Unrecognized authentication type",
            "534 5.7.9 Authentication mechanism is too weak",
            "535 5.7.8 Error: authentication failed: Invalid authentication mechanism",
            "553 5.3.0 Auth failure",
        ],
    )
    async def test_goes_by_xoauth2_where_the_server_will_not_have_the_other(self, said):
        script = {"AUTH OAUTHBEARER": said}
        async with ScriptedServer(script, extensions=BOTH) as server:
            purse = Purse(STALE)
            assert (await send(server, purse)).auth_mechanism == "XOAUTH2"
        assert server.visit.commands[1:3] == [oauthbearer(STALE, server.port), xoauth2(STALE)]
        assert not purse.refused

    async def test_goes_on_a_line_of_its_own_where_the_server_will_not_have_it_at_once(self):
        response = xoauth2(STALE).rpartition(" ")[2]
        script = {"AUTH XOAUTH2 ": "501 5.5.4 syntax", "AUTH XOAUTH2": "334 ", response: "235 in"}
        async with ScriptedServer(script, extensions=XOAUTH2) as server:
            purse = Purse(STALE)
            assert (await send(server, purse)).accepted
        assert server.visit.commands[1:4] == [xoauth2(STALE), "AUTH XOAUTH2", response]
        assert not purse.refused

    async def test_that_is_long_follows_the_command(self):
        token = "canary." * 400
        response = xoauth2(token).rpartition(" ")[2]
        async with ScriptedServer({"AUTH": "334 ", response: "235 in"}, extensions=XOAUTH2) as server:
            assert (await send(server, Purse(token))).accepted
        assert server.visit.commands[1:3] == ["AUTH XOAUTH2", response]

    async def test_is_fetched_before_the_connection_and_once_a_session(self):
        async with ScriptedServer(extensions=BOTH) as server:
            purse = Purse(OUT_OF_ORDER)
            assert await failure(server, purse, TokenError) is OUT_OF_ORDER
            assert not server.visits
            purse = Purse(STALE)
            async with client_of(server, purse) as client:
                for _ in range(5):
                    await client.send(letter())
        assert purse.asked == 1


class TestARefusedToken:
    @pytest.mark.parametrize(
        ("script", "mechanism", "said"),
        [
            ({"AUTH": [REFUSED, "235 in"]}, "OAUTHBEARER", []),
            ({"AUTH": [REFUSED, "235 in"]}, "XOAUTH2", []),
            ({"AUTH": [CHALLENGE, "235 in"], "AQ==": REFUSED}, "OAUTHBEARER", ["AQ=="]),
            ({"AUTH": [CHALLENGE, "235 in"], "": REFUSED}, "XOAUTH2", [""]),
            ({"AUTH": ["334 nonsense!", "235 in"], "AQ==": REFUSED}, "OAUTHBEARER", ["AQ=="]),
            ({"AUTH": [CHALLENGE, "235 in"], "AQ==": "500 5.5.2 what?"}, "OAUTHBEARER", ["AQ=="]),
            ({"AUTH": [CHALLENGE, "235 in"], "AQ==": DROP}, "OAUTHBEARER", ["AQ=="]),
            ({"AUTH": [CHALLENGE, "235 in"], "": RESET}, "XOAUTH2", [""]),
            ({"AUTH": [(CHALLENGE, DROP), "235 in"]}, "OAUTHBEARER", None),
        ],
    )
    async def test_is_renewed_once_for_a_new_session(self, script, mechanism, said):
        async with ScriptedServer(script, extensions=("PIPELINING", f"AUTH {mechanism}")) as server:
            purse = Purse(STALE, FRESH)
            outcome = await send(server, purse)
        assert outcome.auth_mechanism == mechanism
        assert purse.refused == [STALE]
        first, second = commands(server)
        line = xoauth2 if mechanism == "XOAUTH2" else lambda token: oauthbearer(token, server.port)
        assert first[0] == line(STALE)
        assert said is None or first[1:] == said
        assert second[0] == line(FRESH)
        assert len(server.accepted) == 1

    @pytest.mark.parametrize("last", [REFUSED, "550 5.7.1 no"])
    async def test_and_another_one_are_enough(self, last):
        async with ScriptedServer({"AUTH": [REFUSED, CHALLENGE], "AQ==": last}, extensions=BOTH) as server:
            purse = Purse(STALE, FRESH, "canary-third")
            error = await failure(server, purse)
        assert (error.code, error.phase, error.transient) == (ErrorCode.AUTH_REFUSED, "auth", False)
        assert last in error.message
        assert "it reports: status 400, schemes Bearer, scope https://mail.google.com/" in error.message
        assert error.message.endswith("; the token had just been issued")
        assert str(error) == error.message
        assert error.reply_code == int(last[:3])
        assert "`user`" in error.hint
        assert "https://mail.google.com/" in error.hint
        assert purse.refused == [STALE]
        assert [visit.count("AUTH") for visit in server.visits] == [1, 1]
        assert [visit.commands[-1] for visit in server.visits] == ["QUIT", "QUIT"]

    async def test_behind_which_the_server_hangs_up_twice(self):
        async with ScriptedServer({"AUTH": CHALLENGE, "AQ==": DROP}, extensions=BOTH) as server:
            error = await failure(server, Purse(STALE, FRESH))
        assert "refused the access token and closed the connection; it reports: status 400" in error.message
        assert (error.code, error.transient, error.reply_code) == (ErrorCode.AUTH_REFUSED, False, None)
        assert len(server.visits) == 2

    async def test_that_can_not_be_renewed_says_why(self):
        async with ScriptedServer({"AUTH": REFUSED}, extensions=BOTH) as server:
            assert await failure(server, Purse(STALE, OUT_OF_ORDER), TokenError) is OUT_OF_ORDER
        assert server.visit.count("AUTH") == 1

    async def test_that_can_not_be_renewed_is_not_tried_again_at_once(self):
        async with ScriptedServer({"AUTH": [REFUSED, "235 in"]}, extensions=BOTH) as server:
            purse = Purse(STALE, OUT_OF_ORDER)
            async with client_of(server, purse) as client:
                now = 1000.0
                client._account._clock = lambda: now
                for _ in range(100):
                    with pytest.raises(TokenError):
                        await client.send(letter())
                assert len(server.visits) == 1
                assert len(purse.refused) == 100
                now += HELD_BACK_SECONDS  # the server may have been mended
                assert (await client.send(letter())).accepted
        assert server.visit.count("AUTH") == 1

    async def test_in_mid_run_costs_a_renewal_and_no_mail(self):
        script = {xoauth2(STALE): ["235 in", REFUSED], xoauth2(FRESH): "235 in"}
        async with ScriptedServer(script, extensions=XOAUTH2) as server:
            purse = Purse(STALE, FRESH)
            async with client_of(server, purse, max_sessions=3) as client:
                await client.send(letter())
                await server.hang_up()
                outcomes = await asyncio.gather(*[client.send(letter()) for _ in range(50)])
        assert all(outcome.accepted for outcome in outcomes)
        assert len(server.accepted) == 51
        assert 1 <= len(purse.refused) <= 3
        assert set(purse.refused) == {STALE}

    async def test_after_a_quarrel_over_mechanisms_is_renewed_too(self):
        script = {"AUTH OAUTHBEARER": "504 5.5.4 no", "AUTH XOAUTH2": [REFUSED, "235 in"]}
        async with ScriptedServer(script, extensions=BOTH) as server:
            assert (await send(server, Purse(STALE, FRESH))).auth_mechanism == "XOAUTH2"
        assert [visit.count("AUTH") for visit in server.visits] == [2, 2]

    @pytest.mark.parametrize("quoted", ["{}", "{:.60}..."])
    async def test_is_not_quoted_even_by_the_server(self, quoted):
        async with ScriptedServer({}, extensions=BOTH) as server:
            line = quoted.format(oauthbearer(FRESH, server.port))
            server._house.script._actions["AUTH"] = [f"535 5.7.8 no: {line}, token {FRESH}"]
            error = await failure(server, Purse(STALE, FRESH))
        assert "535 5.7.8 no: AUTH OAUTHBEARER ***" in error.message


class TestARefusalThatIsNotTheTokens:
    @pytest.mark.parametrize(
        ("script", "kind", "code"),
        [
            ({"AUTH": "454 4.7.0 Temporary authentication failure"}, LoginFailed, ErrorCode.AUTH_REFUSED),
            ({"AUTH": CHALLENGE, "AQ==": "454 4.7.0 later"}, LoginFailed, ErrorCode.AUTH_REFUSED),
            ({"AUTH": "421 4.3.2 closing"}, ServerRefused, ErrorCode.SERVER_REFUSED),
            ({"AUTH": CHALLENGE, "AQ==": "421 4.7.0 bye"}, ServerRefused, ErrorCode.SERVER_REFUSED),
            ({"AUTH": DROP}, SessionLost, ErrorCode.SESSION_LOST),
            ({"AUTH": STALL}, SessionLost, ErrorCode.TIMEOUT),
            ({"AUTH": CHALLENGE, "AQ==": STALL}, SessionLost, ErrorCode.TIMEOUT),
        ],
    )
    async def test_is_for_now_and_renews_nothing(self, script, kind, code):
        async with ScriptedServer(script, extensions=("AUTH OAUTHBEARER",)) as server:
            purse = Purse(STALE, FRESH)
            error = await failure(server, purse, kind, deadlines=Deadlines(auth=0.2))
        assert (error.code, error.phase, error.transient) == (code, "auth", True)
        assert kind is not SessionLost or f"127.0.0.1:{server.port}" in error.message
        assert not purse.refused
        assert len(server.visits) == 1

    @pytest.mark.parametrize(
        ("reply", "word"),
        [
            ("500 5.5.6 Authentication Exchange line is too long", "long"),
            ("503 5.5.1 Error: authentication not enabled", "ask its operator"),
            ("504 5.5.4 Unrecognized authentication type", "ask its operator"),
            ("530 5.7.0 Must issue a STARTTLS command first", "tlsOption"),
            ("538 5.7.11 Encryption required", "tlsOption"),
        ],
    )
    async def test_of_the_command_is_final_and_renews_nothing(self, reply, word):
        async with ScriptedServer({"AUTH": reply}, extensions=BOTH) as server:
            purse = Purse(STALE, FRESH)
            error = await failure(server, purse)
        assert (error.code, error.transient) == (ErrorCode.AUTH_REFUSED, False)
        assert word in error.hint
        assert not purse.refused

    async def test_of_a_server_that_asks_on_and_on(self):
        async with ScriptedServer({"AUTH": CHALLENGE, "AQ==": CHALLENGE}, extensions=BOTH) as server:
            error = await failure(server, Purse(STALE, FRESH))
        assert "asks for more" in error.message
        assert len(server.visits) == 1


class TestItFailsClosed:
    @pytest.mark.parametrize(
        ("offered", "word"), [("PLAIN LOGIN", "type basic"), ("GSSAPI", "which logins"), ("", "587 with starttls")]
    )
    async def test_a_server_that_takes_no_tokens_is_named_so(self, offered, word):
        async with ScriptedServer(extensions=(f"AUTH {offered}",) if offered else ()) as server:
            error = await failure(server, Purse(STALE))
        assert error.code == ErrorCode.AUTH_NOT_OFFERED
        assert word in error.hint
        assert not offered or "an access token needs OAUTHBEARER, XOAUTH2" in error.message
        assert server.visit.count("AUTH") == 0

    async def test_to_another_machine_no_token_goes_in_clear_text(self, monkeypatch):
        monkeypatch.setattr("mailnode.smtp.stream.Stream.is_loopback", False)
        async with ScriptedServer(extensions=BOTH) as server:
            error = await failure(server, Purse(STALE))
            assert (await send(server, Purse(STALE), allow_plaintext_auth=True)).accepted
        assert error.code == ErrorCode.PLAINTEXT_AUTH
        assert "an access token would go to" in error.message
        assert server.visits[0].count("AUTH") == 0

    async def test_a_token_with_a_line_break_is_no_command(self):
        async with ScriptedServer(extensions=BOTH) as server:
            error = await failure(server, Purse("canary\r\nRSET"), TokenError)
        assert not server.visits
        assert "line breaks" in error.hint


@pytest.mark.parametrize("given", [None, b"at", 5, ""])
async def test_a_source_that_gives_no_text_is_told_before_anything_is_said(given):
    async with ScriptedServer(extensions=BOTH) as server:
        with pytest.raises(TokenError, match="token"):
            await send(server, Purse(given))
    assert server.visits == []
