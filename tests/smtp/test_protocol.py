from mailnode.smtp.command import Command
from mailnode.smtp.protocol import SmtpProtocol
from mailnode.smtp.reply import Reply


def test_a_421_answers_every_command_that_is_open():
    protocol = SmtpProtocol()
    heard: list[Reply] = []
    protocol.send(*[Command("rcpt", f"RCPT TO:<{name}@y.example>", heard.append) for name in "abc"])
    protocol.receive(b"250 ok\r\n421 4.3.2 bye\r\n")
    assert [reply.code for reply in heard] == [250, 421, 421]
    assert protocol.pending == 0
    assert protocol.closing_reply is heard[-1]
