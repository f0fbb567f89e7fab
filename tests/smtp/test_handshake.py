import pytest

from mailnode.errors import ErrorCode, ServerRefused, SessionLost
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.server import Deadlines
from support.messages import letter
from support.scripted_smtp import DROP, RESET, ScriptedServer


async def send(server, **settings):
    async with SmtpClient("127.0.0.1", server.port, tls_option="none", **settings) as client:
        return await client.send(letter())


class TestGreeting:
    @pytest.mark.parametrize(
        ("greeting", "transient"), [("554 5.7.1 go away", False), ("421 4.7.0 busy", True), ("450 wait", True)]
    )
    async def test_a_server_that_does_not_greet_is_quoted(self, greeting, transient):
        async with ScriptedServer({"greeting": greeting}) as server:
            with pytest.raises(ServerRefused) as caught:
                await send(server)
        refused = caught.value
        assert (refused.phase, refused.transient, refused.reply_code) == ("greeting", transient, int(greeting[:3]))
        assert greeting.rpartition(" ")[2] in str(refused)

    async def test_a_greeting_in_many_lines_is_read(self):
        async with ScriptedServer({"greeting": "220-welcome\n220-to this\n220 server"}) as server:
            assert (await send(server)).accepted

    @pytest.mark.parametrize(
        "greeting", [b"HTTP/1.1 400 Bad Request\r\n", b"* OK IMAP4rev1 ready\r\n", b"+OK POP3\r\n", b"SSH-2.0-x\r\n"]
    )
    async def test_another_protocol_is_a_bad_reply(self, greeting):
        async with ScriptedServer({"greeting": greeting}) as server:
            with pytest.raises(SessionLost) as caught:
                await send(server, deadlines=Deadlines(silence=0.3))
        assert (caught.value.code, caught.value.phase) == (ErrorCode.BAD_REPLY, "greeting")
        assert "SMTP server" in caught.value.hint

    async def test_ehlo_and_helo_refused_is_the_servers_refusal(self):
        async with ScriptedServer({"EHLO": "550 5.7.1 your name is odd", "HELO": "550 5.7.1 still odd"}) as server:
            with pytest.raises(ServerRefused, match="still odd") as caught:
                await send(server)
        assert caught.value.phase == "ehlo"

    async def test_what_it_said_to_ehlo_comes_first(self):
        async with ScriptedServer({"EHLO": "550 5.7.1 your name is odd", "HELO": "502 5.5.1 what?"}) as server:
            with pytest.raises(ServerRefused, match=r"your name is odd; to HELO: 502 5\.5\.1 what") as caught:
                await send(server, ehlo_name="client.example")
        assert (caught.value.reply_code, caught.value.enhanced_status_code) == (550, "5.7.1")
        assert f"127.0.0.1:{server.port}" in str(caught.value)
        assert "EHLO client.example" in str(caught.value)
        assert "ehloName" in caught.value.hint

    @pytest.mark.parametrize("end", [DROP, RESET])
    @pytest.mark.parametrize("stage", ["EHLO", "HELO"])
    async def test_a_server_that_hangs_up_on_it_is_told_with_its_words(self, stage, end):
        script = {"EHLO": "550 5.7.1 your name is odd", "HELO": end}
        if stage == "EHLO":
            script["EHLO"] = [[script["EHLO"], end]]
        async with ScriptedServer(script) as server:
            with pytest.raises(ServerRefused, match=r"550 5\.7\.1 your name is odd") as caught:
                await send(server)
        assert (caught.value.phase, caught.value.transient, caught.value.reply_code) == ("ehlo", False, 550)
        assert "ehloName" in caught.value.hint

    @pytest.mark.parametrize(
        "said", ["421 4.7.0 Try again later, closing connection. (EHLO)", "550 5.7.1 bad HELO name"]
    )
    async def test_a_refusal_of_our_name_says_which_it_was_and_where_it_is_set(self, said):
        async with ScriptedServer({"EHLO": [[said, DROP]]}) as server:
            with pytest.raises(ServerRefused) as caught:
                await send(server, ehlo_name="[192.0.2.1]")
        assert "EHLO [192.0.2.1]" in str(caught.value)
        assert "ehloName" in caught.value.hint
        assert caught.value.transient == said.startswith("4")

    async def test_a_greeting_refused_behind_which_the_server_hangs_up_is_told(self):
        async with ScriptedServer({"greeting": [["554 5.7.1 go away", DROP]]}) as server:
            with pytest.raises(ServerRefused, match="go away"):
                await send(server)
