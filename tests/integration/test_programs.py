"""Unmodified programs send through us to a server that stands in for Outlook365."""

import asyncio
import os
import smtplib
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from email import message_from_bytes, policy
from email.message import Message
from pathlib import Path
from subprocess import PIPE

import pytest

from integration.front_door import FrontDoor, front_door, outlook, recorder
from matrix.world import World
from support.daemon import open_folder, until
from support.require import require, require_root
from support.submitting import without_trace
from support.tls import ca_pem
from support.token_endpoint import USER

# Of all that a transfer may harm: dots, bytes beyond ASCII, blanks at ends, a long line, no text at all at the end.
BODY = f".dot\n..\n.\n\nGrüße \t\nFrom here\n{'x' * 900}\n\n"
LETTER = f"""\
From: Alerts <{USER}>
To: you+{{tag}}@example.org
Bcc: blind+{{tag}}@example.org
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= and
\ta folded  one
Date: Mon, 30 Nov 2026 02:00:00 +0100
Message-ID: <{{tag}}@program.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
X-Program: {{tag}}

{BODY}"""


Command = Callable[[FrontDoor, str], list[str]]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with outlook() as running:
        yield running


@pytest.fixture
async def door(world: World) -> AsyncIterator[FrontDoor]:
    with open_folder("programs") as folder:
        async with front_door(world, folder) as running:
            yield running


def recipients(tag: str) -> list[str]:
    return [f"you+{tag}@example.org", f"blind+{tag}@example.org"]


def with_crlf(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def as_sent(given: bytes) -> bytes:
    """Give a message without the field that nobody may see."""
    head, _, body = given.partition(b"\r\n\r\n")
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"Bcc:")) + b"\r\n\r\n" + body


def without_added(content: bytes, given: bytes) -> bytes:
    """Take out the fields that may be added where the program has none."""
    head, _, body = content.partition(b"\r\n\r\n")
    missing = [name for name in (b"Date:", b"Message-ID:") if b"\n" + name not in b"\n" + given]
    return (
        b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(tuple(missing))) + b"\r\n\r\n" + body
    )


def text_of(message: Message) -> bytes:
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return with_crlf(payload.decode(message.get_content_charset("utf-8"))).rstrip()


async def ran(*command: str | Path, stdin: str = "", folder: Path | None = None, **environment: str) -> None:
    variables = {"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8", **environment}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=variables, cwd="/"
    )
    stdout, stderr = await process.communicate(stdin.encode())
    assert process.returncode == 0, (command, stdout, stderr)


def _swaks(door: FrontDoor, tag: str) -> list[str]:
    line = f"swaks --silent 2 --server 127.0.0.1:{door.port} -tls --auth LOGIN --auth-user {door.login}"
    to = ",".join(recipients(tag))
    return [*line.split(), "--auth-password", door.password, "--from", USER, "--to", to, "--data", "-"]


def _msmtp(door: FrontDoor, tag: str, *more: str) -> list[str]:
    line = f"msmtp --file=/dev/null --host=localhost --user={door.login} --tls=on -f {USER}"
    trusted = f"--tls-trust-file={door.folder / 'ca.pem'}"
    return [*line.split(), f"--passwordeval=echo {door.password}", trusted, *more, "--", *recipients(tag)]


def _msmtp_starttls(door: FrontDoor, tag: str) -> list[str]:
    return _msmtp(door, tag, f"--port={door.port}", "--auth=plain")


def _msmtp_tls(door: FrontDoor, tag: str) -> list[str]:
    return _msmtp(door, tag, f"--port={door.tls_port}", "--auth=login", "--tls-starttls=off")


def _sendmail_as_cron(door: FrontDoor, tag: str) -> list[str]:
    return [str(door.sendmail), *f"-FCronDaemon -i -B8BITMIME -oem -f{USER}".split(), *recipients(tag)]


def _sendmail_of_header(door: FrontDoor, tag: str) -> list[str]:
    return [str(door.sendmail), "-t", "-i", "-f", USER]


WITH_A_MESSAGE: tuple[Command, ...] = (_swaks, _msmtp_starttls, _msmtp_tls, _sendmail_as_cron, _sendmail_of_header)


@pytest.mark.parametrize("program", WITH_A_MESSAGE)
async def test_a_message_reads_back_byte_for_byte(door: FrontDoor, program: Command) -> None:
    tag = f"{program.__name__.replace('_', '')}.1"
    command, letter = program(door, tag), LETTER.format(tag=tag)
    require(command[0])
    # swaks ends the last line itself.
    await ran(*command, stdin=letter.removesuffix("\n") if program is _swaks else letter, folder=door.folder)
    taken = await door.taken(tag)
    assert taken.content == as_sent(with_crlf(letter))
    assert list(taken.rcpt_tos) == recipients(tag)
    assert (taken.mail_from, taken.is_private, taken.login) == (USER, True, ("XOAUTH2", USER))


async def test_smtplib(door: FrontDoor) -> None:
    tag = "smtplib.1"

    def send() -> None:
        with smtplib.SMTP("localhost", door.port) as client:
            client.starttls(context=ssl.create_default_context(cadata=ca_pem()))
            client.login(door.login, door.password)
            letter = with_crlf(LETTER.format(tag=tag))
            assert not client.sendmail(USER, recipients(tag), letter, mail_options=["BODY=8BITMIME"])

    await asyncio.to_thread(send)
    assert (await door.taken(tag)).content == as_sent(with_crlf(LETTER.format(tag=tag)))


_DJANGO = """
import sys
import django
from django.conf import settings
host, port, user, password, sender, to, blind = sys.argv[1:]
if django.VERSION < (6, 1):
    settings.configure(EMAIL_HOST=host, EMAIL_PORT=int(port), EMAIL_HOST_USER=user, EMAIL_HOST_PASSWORD=password)
else:
    options = {"host": host, "port": int(port), "username": user, "password": password}
    backend = "django.core.mail.backends.smtp.EmailBackend"
    settings.configure(MAILERS={"default": {"BACKEND": backend, "OPTIONS": options}})
from django.core.mail import EmailMultiAlternatives, send_mail
assert send_mail("subject", sys.stdin.read(), sender, [to]) == 1
message = EmailMultiAlternatives("Gr\u00fc\u00dfe", "text", sender, [to], bcc=[blind])
message.attach_alternative("<p>text</p>", "text/html")
message.attach("list.csv", "a;b", "text/csv")
assert message.send() == 1
"""


async def test_django(door: FrontDoor) -> None:
    tag = "django.1"
    async with recorder(door.port) as recording:
        login = ["127.0.0.1", str(recording.port), door.login, door.password]
        await ran(sys.executable, "-c", _DJANGO, *login, USER, *recipients(tag), stdin=BODY, folder=door.folder)
        await until(lambda: len(door.world.books.taken.get(tag, ())) == 2)
    taken = sorted(door.world.books.taken[tag], key=lambda one: len(one.rcpt_tos))
    assert [without_trace(one.content) for one in taken] == recording.contents
    assert list(taken[1].rcpt_tos) == recipients(tag)
    told = message_from_bytes(taken[0].content, policy=policy.default)
    assert text_of(told) == with_crlf(BODY).rstrip()


def _s_nail(door: FrontDoor, tag: str) -> list[str]:
    to, blind = recipients(tag)
    return ["s-nail", "-n", *f"-S v15-compat -S mta={door.sendmail} -s subject -b {blind} -r {USER} {to}".split()]


def _mutt(door: FrontDoor, tag: str) -> list[str]:
    to, blind = recipients(tag)
    sets = [f'set sendmail="{door.sendmail} -oem -oi"', "set copy=no", f"set from={USER}", "set use_envelope_from"]
    return [
        "mutt",
        "-n",
        "-F",
        "/dev/null",
        *(word for one in sets for word in ("-e", one)),
        "-s",
        "subject",
        "-b",
        blind,
        "--",
        to,
    ]


def _php(door: FrontDoor, tag: str) -> list[str]:
    to, blind = recipients(tag)
    call = f'mail("{to}", "subject", stream_get_contents(STDIN), "From: {USER}\\r\\nBcc: {blind}", "-f{USER}")'
    return ["php", "-n", "-d", f"sendmail_path={door.sendmail} -t -i", "-r", f"exit({call} ? 0 : 1);"]


@pytest.mark.parametrize("program", [_s_nail, _mutt, _php])
async def test_what_a_program_writes_reads_back_byte_for_byte(door: FrontDoor, program: Command) -> None:
    tag = f"{program.__name__.replace('_', '')}.2"
    command = program(door, tag)
    require(command[0])
    await ran(*command, stdin=BODY, folder=door.folder)
    taken = await door.taken(tag)
    given = with_crlf(door.copy)
    assert without_added(taken.content, given) == as_sent(given)
    assert list(taken.rcpt_tos) == recipients(tag)
    assert taken.mail_from == USER
    told = message_from_bytes(taken.content, policy=policy.default)
    assert (told["To"], told["Subject"], told["Bcc"]) == (recipients(tag)[0], "subject", None)
    assert text_of(told) == with_crlf(BODY).rstrip()


async def test_s_nail_by_smtp(door: FrontDoor) -> None:
    tag, name = "snail.3", require("s-nail")
    (to, blind), url = recipients(tag), f"smtp://{door.login}:{door.password}@127.0.0.1:{door.port}"
    sets = f"-S v15-compat -S mta={url} -S smtp-config=auth=login,-starttls -S smtp-auth=login"
    await ran(name, "-n", *sets.split(), "-s", "subject", "-b", blind, "-r", USER, to, stdin=BODY, folder=door.folder)
    told = message_from_bytes((await door.taken(tag)).content, policy=policy.default)
    assert text_of(told) == with_crlf(BODY).rstrip()


_CRON = """\
mount -t tmpfs none /run && mount -t tmpfs none /etc/cron.d && mount -t tmpfs none /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs && mount --bind /dev/null /etc/crontab
mount --bind "$SENDMAIL" /usr/sbin/sendmail
cat >/etc/cron.d/told <<END
MAILTO=$TO
* * * * * root echo Grüße; echo .; echo end
END
exec cron -f
"""


@pytest.mark.soak
async def test_cron_starts_us_as_the_sendmail_of_the_machine(world: World) -> None:
    require_root()
    unshare, _ = require("unshare"), require("cron")
    tag, host = "cron.9", os.uname().nodename
    with open_folder("cron") as folder:
        async with front_door(world, folder, senders=(f"root@{host}",)) as door:
            variables = {**os.environ, "SENDMAIL": str(door.sendmail), "TO": recipients(tag)[0]}
            # What is mounted is so for cron alone.
            cron = await asyncio.create_subprocess_exec(unshare, "--mount", "sh", "-ec", _CRON, env=variables)
            try:
                async with asyncio.timeout(200):
                    while not world.books.taken and cron.returncode is None:  # noqa: ASYNC110 -- cron's own clock
                        await asyncio.sleep(0.5)
                taken = await door.taken(tag)
            finally:
                cron.terminate()
                await cron.wait()
    assert (taken.mail_from, taken.rcpt_tos) == (f"root@{host}", (recipients(tag)[0],))
    told = message_from_bytes(taken.content, policy=policy.default)
    assert told["From"] == f"root@{host}"
    assert told["Subject"] == f"Cron <root@{host}> echo Grüße; echo .; echo end"
    assert text_of(told) == "Grüße\r\n.\r\nend".encode()
