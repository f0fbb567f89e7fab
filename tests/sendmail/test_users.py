"""Whose mail it is: the user of the process, by the server's socket, or by an outbox of the user's own."""

import pwd
import tempfile
from pathlib import Path

import pytest

from mailnode.app import Mailnode
from mailnode.sendmail import exits
from mailnode.submission.doors import Doors
from mailnode.submission.server import SubmissionServer
from support.command import ended
from support.require import require_root

NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = f"""
import os, sys
os.setgroups([]); os.setgid({NOBODY.pw_gid}); os.setuid({NOBODY.pw_uid})
from mailnode.sendmail.main import run
sys.exit(run(["sendmail", *sys.argv[1:]]))
"""
MESSAGE = "Subject: hi\nTo: b@x.example\nBcc: c@x.example\n\nhi\n"


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "submission.sock"


async def sendmail(place, *arguments, stdin=MESSAGE, as_nobody=False):
    program = ("-c", AS_NOBODY) if as_nobody else ("-m", "mailnode.sendmail")
    return await ended(program, arguments, stdin, {"MAILNODE_SUBMISSION_SOCKET": str(place)})


async def with_app(mailnode, user):
    fields = {"hosts": ["127.0.0.1"], "username": "shop@x.example", "password": "secret"}
    await mailnode.connections.create("shop", "basic", fields)
    await mailnode.apps.create("cron", {"connection": "shop", "unixUser": user, "senders": ["@x.example"]})


async def test_another_user_by_the_socket(place):
    require_root()
    async with Mailnode.open() as mailnode, SubmissionServer(mailnode.gate, Doors(socket=place)):
        done = await sendmail(place, "-t", "-f", "me@x.example", as_nobody=True)
        assert done.status == exits.NO_PERMISSION
        assert "550 5.7.1 The user nobody has no app here" in done.stderr
        assert not await mailnode.deliveries.list()

        await with_app(mailnode, "nobody")
        done = await sendmail(place, "-t", "-f", "me@y.example", as_nobody=True)
        assert (done.status, done.stderr.count("\n")) == (exits.NO_PERMISSION, 1)
        done = await sendmail(place, "-t", "-f", "me@x.example", as_nobody=True)
        assert (done.status, done.stdout, done.stderr) == (0, "", "")
        [delivery] = await mailnode.deliveries.list()
        assert (delivery["app"], delivery["to"]) == ("cron", ["b@x.example", "c@x.example"])


async def test_without_a_server_only_the_owner_of_the_outbox_writes_to_it(place):
    require_root()
    async with Mailnode.open() as mailnode:
        await with_app(mailnode, "root")
        done = await sendmail(place, "-t", as_nobody=True)
        assert done.status == exits.TEMPORARY
        assert "and this user has no outbox in" in done.stderr
        assert not await mailnode.deliveries.list()
        done = await sendmail(place, "-t", "-f", "me@x.example")
        assert (done.status, done.stdout, done.stderr) == (0, "", "")
        [delivery] = await mailnode.deliveries.list()
        assert delivery["app"] == "cron"
        said = ["EHLO me", "MAIL FROM:<me@x.example>", "RCPT TO:<d@x.example>", "DATA", "From: me@x.example"]
        said += [*MESSAGE.splitlines(), ".", "QUIT", ""]
        done = await sendmail(place, "-bs", stdin="\r\n".join(said))
        assert (done.status, done.stdout.splitlines()[-1][:4], done.stderr) == (0, "221 ", "")
        assert ["d@x.example"] in [one["to"] for one in await mailnode.deliveries.list()]
