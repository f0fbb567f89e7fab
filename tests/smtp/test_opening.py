import pytest

from mailnode.errors import ErrorCode, ServerRefused, SessionLost
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.server import Deadlines
from support.letters import letter
from support.scripted_smtp import ScriptedServer


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
