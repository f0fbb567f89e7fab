"""`mailnode-sendmail` as programs start it, at a server's socket."""

import os
import tempfile
from pathlib import Path

import pytest

from mailnode.sendmail import exits
from support.command import ended
from support.scripted_smtp import CUT, DROP, ScriptedServer

PROGRAM = ("-m", "mailnode.sendmail")
MESSAGE = "Subject: hi\nFrom: a@x\nTo: b@x, c@x\nBcc: d@x\n\n.dots\n..\nend\n"
CONTENT = b"Subject: hi\r\nFrom: a@x\r\nTo: b@x, c@x\r\n\r\n.dots\r\n..\r\nend\r\n"


@pytest.fixture
def place():
    """Give a folder with a name that is short enough for a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "submission.sock"


async def sendmail(place, *arguments, stdin=MESSAGE, **environment):
    given = {"MAILNODE_SUBMISSION_SOCKET": str(place), "MAILNODE_HOME": str(place.parent / "none"), **environment}
    return await ended(PROGRAM, arguments, stdin, given)


async def test_recipients_of_the_message_and_of_the_command_line(place):
    async with ScriptedServer(unix_socket=place) as server:
        done = await sendmail(place, "-t", "-i", "-f", "me@x", "e@x", "b@x")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    [mail] = server.accepted
    assert mail.reverse_path == f"MAIL FROM:<me@x> SIZE={len(CONTENT)}"
    assert [path[9:-1] for path in mail.forward_paths] == ["e@x", "b@x", "c@x", "d@x"]
    assert mail.content == CONTENT


async def test_what_is_not_given_is_the_users(place):
    async with ScriptedServer(unix_socket=place) as server:
        done = await sendmail(place, "-FThe Server", "b@x", stdin="no header\n.\nlost")
    assert done.status == 0, done.stderr
    [mail] = server.accepted
    own = mail.reverse_path.removeprefix("MAIL FROM:<").partition(">")[0]
    assert own.startswith("root@" if os.geteuid() == 0 else "")
    assert mail.content == f"From: The Server <{own}>\r\n\r\nno header\r\n".encode()


async def test_bytes_beyond_ascii_and_the_null_path(place):
    async with ScriptedServer(unix_socket=place) as server:
        assert (await sendmail(place, "-f", "", "b@x", stdin="From: a@x\n\nGrüße\n")).status == 0
        assert (await sendmail(place, "-f", "ä@x", "b@x", stdin="From: a@x\n\nhi\n")).status == 0
    assert server.visits[0].commands[1] == "MAIL FROM:<> SIZE=22 BODY=8BITMIME"
    assert server.visits[1].commands[1] == "MAIL FROM:<ä@x> SIZE=17 SMTPUTF8"
    assert server.accepted[0].content == "From: a@x\r\n\r\nGrüße\r\n".encode()


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ({"MAIL": "550 5.7.1 not your address"}, exits.NO_PERMISSION, "<me@x> is refused: 550 5.7.1 not your address"),
        ({"RCPT TO:<c@x": "550-5.1.1 who\n550 5.1.1 is that"}, exits.NO_USER, "<c@x> is refused, so nobody gets the"),
        ({"DATA": "451 4.3.0 the disk is full"}, exits.TEMPORARY, "refused: 451 4.3.0 the disk is full"),
        ({"dot": "554 5.6.0 no message"}, exits.DATA_ERROR, "refused: 554 5.6.0 no message"),
        ({"dot": [[DROP]]}, exits.TEMPORARY, "closed the connection"),
        ({"greeting": ["421 4.3.2 going away"]}, exits.TEMPORARY, "421 4.3.2 going away"),
        ({"content": [["452 4.3.1 full", CUT]]}, exits.TEMPORARY, "452 4.3.1 full"),
        ({"MAIL": "552 5.3.4 too large"}, exits.DATA_ERROR, "552 5.3.4 too large"),
        ({"MAIL": "what?"}, exits.PROTOCOL, "no reply"),
    ],
)
async def test_what_is_refused_is_never_0_and_nobody_has_it(place, script, status, words):
    async with ScriptedServer(script, unix_socket=place) as server:
        done = await sendmail(place, "-t", "-f", "me@x")
    assert (done.status, done.stdout) == (status, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not server.accepted


async def test_without_a_server_and_an_outbox_it_is_to_be_tried_again(place):
    done = await sendmail(place, "b@x")
    assert done.status == exits.TEMPORARY
    assert done.stderr.startswith(f"mailnode-sendmail: no server listens at {place} (No such file or directory)")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], exits.USAGE, "no recipient is given"),
        (["-t"], exits.USAGE, "none stands in To, Cc or Bcc"),
        (["", "b@x"], exits.USAGE, "'' is not an address"),
        (['"a\nb"@x'], exits.USAGE, "is not an address"),
        (["b@x\nRCPT TO:<evil@x>"], exits.USAGE, "is not an address"),
        (["-f", "a@x\r\nRCPT TO:<evil@x>", "b@x"], exits.USAGE, "is not an address"),
        (["-f", "a@x, b@x", "c@x"], exits.USAGE, "-f needs one address"),
        (["-bp"], exits.USAGE, "`mailnode deliveries list` shows it"),
        (["-bi"], exits.OK, ""),
        (["-q"], exits.OK, ""),
    ],
)
async def test_command_lines_that_send_nothing(place, arguments, status, words):
    done = await sendmail(place, *arguments, stdin="Subject: hi\n\nhi\n")
    assert (done.status, done.stdout) == (status, "")
    assert words in done.stderr


async def test_smtp_on_stdin_and_stdout(place):
    said = "EHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nSubject: hi\r\n\r\nhi\r\n.\r\nQUIT\r\n"
    async with ScriptedServer(unix_socket=place) as server:
        done = await sendmail(place, "-bs", stdin=said)
    assert done.status == 0, done.stderr
    assert [line[:3] for line in done.stdout.splitlines() if line[3] == " "] == [
        "220",
        *["250"] * 3,
        "354",
        "250",
        "221",
    ]
    assert server.accepted[0].content == b"Subject: hi\r\n\r\nhi\r\n"


async def test_help_tells_the_options(place):
    done = await sendmail(place, "--help")
    assert (done.status, done.stderr) == (0, "")
    assert "-f SENDER" in done.stdout
