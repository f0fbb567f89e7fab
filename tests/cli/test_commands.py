import asyncio
import json
import re

import pytest

from mailnode.cli.demo import demo_environment
from mailnode.environment import Environment
from mailnode.inbox.folder import InboxFolder
from support.command import mailnode
from support.flows import to_server, write_flow
from support.forked_python import python


class TestPreview:
    FLOW_SETTINGS = {  # noqa: RUF012 -- never changed
        "cc": "chef@example.org",
        "bcc": "secret@example.org",
        "subject": "Grüße, {{ input.name }}",
        "attachments": [{"type": "text", "content": "x", "filename": "a.txt"}],
    }

    def flow(self, folder):
        node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(1, **self.FLOW_SETTINGS)}
        return write_flow(folder, {"id": "s", "type": "say", "settings": {"text": "hi"}}, node)

    async def test_it_shows_envelope_header_fields_and_parts_and_sends_nothing(self, tmp_path):
        done = await mailnode("preview", self.flow(tmp_path), "--input", '{"name": "Zoë"}')
        assert done.status == 0
        for line in (
            "server      127.0.0.1:1 (none)",
            "            to <secret@example.org> (bcc)",
            "Subject: Grüße, Zoë",
            "multipart/mixed",
            "  multipart/alternative",
            "    text/html  7bit  14 bytes",
            "  text/plain  base64  attachment  a.txt  6 bytes",
        ):
            assert line in done.stdout.splitlines(), done.stdout

    async def test_the_eml_is_the_message_octet_for_octet(self, tmp_path):
        eml = tmp_path / "m.eml"
        done = await mailnode(
            "preview", self.flow(tmp_path), "tell", "--input", '{"name": "Z"}', "--eml", eml, "--json"
        )
        assert done.json["size"] == len(eml.read_bytes())
        assert ["Subject", "Grüße, Z"] in done.json["headerFields"]
        assert b"secret@" not in eml.read_bytes()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [(("nobody",), "there is no node 'nobody' that sends email"), (("tell",), "{{ input.name }}")],
    )
    async def test_what_can_not_be_shown_is_exit_status_2(self, tmp_path, arguments, words):
        done = await mailnode("preview", self.flow(tmp_path), *arguments)
        assert (done.status, done.stdout) == (2, "")
        assert words in done.stderr


class TestConnections:
    FIELDS = '{"service": "Gmail", "username": "me@gmail.com", "password": "s3cr3t-canary"}'

    async def test_create_list_show_update_delete(self):
        assert (await mailnode("connections", "create", "shop", "--from-json", "-", stdin=self.FIELDS)).status == 0
        assert "me@gmail.com" in (await mailnode("connections", "list")).stdout
        shown = (await mailnode("connections", "show", "shop")).json
        assert (shown["service"], shown["username"], shown["secrets"]) == ("Gmail", "me@gmail.com", ["password"])
        changed = await mailnode(
            "connections", "update", "shop", "--from-json", "-", stdin='{"from": "Me <me@gmail.com>"}'
        )
        assert changed.status == 0
        assert (await mailnode("connections", "show", "shop")).json["from"] == "Me <me@gmail.com>"
        unanswered = await mailnode("connections", "delete", "shop")
        assert unanswered.status == 2
        assert (
            "the question was not answered, so nothing was done\n  hint: give the answer on stdin, or use --yes\n"
            in unanswered.stderr
        )
        assert (await mailnode("connections", "delete", "shop", "--yes")).status == 0
        assert (await mailnode("connections", "list", "--json")).json == []

    async def test_no_secret_is_ever_shown_or_stored_readable(self, home):
        said = await mailnode("connections", "create", "shop", "--from-json", "-", stdin=self.FIELDS)
        for command in (("list",), ("list", "--json"), ("show", "shop")):
            shown = await mailnode("connections", *command)
            assert "canary" not in shown.stdout + shown.stderr + said.stderr
        stored = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
        assert b"shop" in stored
        assert b"canary" not in stored

    async def test_the_password_is_asked_for(self):
        made = await mailnode("connections", "create", "a", "--host", "mail.x.org", "--username", "u", stdin="pw\n")
        assert made.status == 0
        assert (await mailnode("connections", "show", "a")).json["hosts"] == ["mail.x.org"]

    @pytest.mark.parametrize(
        ("arguments", "stdin", "words"),
        [
            (("create", "a", "--from-json", "-"), "{", "is not valid JSON"),
            (("create", "a", "--from-json", "-"), "[]", "must contain a JSON object"),
            (("create", "a", "--from-json", "-"), '{"username": "u", "password": "p"}', "neither service nor hosts"),
            (("create", "a", "--from-json", "-"), '{"usrname": "u"}', "did you mean username?"),
            (("create", "a b\n", "--from-json", "-"), FIELDS, "name"),
            (("create", "a", "--host", "mail.x.org", "--username", "u"), "", "no password was given"),
            (("show", "nobody"), "", "there is no connection"),
            (("delete", "nobody", "--yes"), "", "there is no connection"),
        ],
    )
    async def test_misuse_is_exit_status_2(self, arguments, stdin, words):
        done = await mailnode("connections", *arguments, stdin=stdin)
        assert (done.status, done.stdout) == (2, "")
        assert words in done.stderr

    async def test_a_wrong_secret_key_is_refused(self):
        await mailnode("connections", "create", "shop", "--from-json", "-", stdin=self.FIELDS)
        other = "A" * 43 + "="
        done = await mailnode(
            "connections", "update", "shop", "--from-json", "-", stdin="{}", MAILNODE_SECRET_KEY=other
        )
        assert done.status == 2
        assert "MAILNODE_SECRET_KEY" in done.stderr


class TestServices:
    async def test_one_by_any_name_with_what_it_wants(self):
        done = await mailnode("services", "office365")
        assert "smtp.office365.com" in done.stdout
        assert done.stderr.strip()

    async def test_all_as_json(self):
        every = (await mailnode("services", "--json")).json
        assert len(every) > 80
        assert {"name", "host", "ports", "aliases", "domains", "note", "dead"} == set(every[0])

    async def test_an_unknown_one_suggests_the_near_ones(self):
        done = await mailnode("services", "Gmial")
        assert done.status == 2
        assert "Gmail" in done.stderr


class TestInbox:
    async def test_it_catches_lists_shows_and_clears(self, home):
        inbox = await python(*("-m", "mailnode", "inbox", "--port", "0"), stderr=asyncio.subprocess.PIPE)
        assert inbox.stderr
        try:
            port = re.search(rb"127\.0\.0\.1:(\d+)", await inbox.stderr.readline())
            assert port
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port[1]))
            writer.write(b"\x1b[2J\x16\x03\x01\r\n")  # not a line of SMTP, and nothing for the terminal
            assert [(await reader.readline())[:3] for _ in range(2)] == [b"220", b"500"]
            writer.close()
            await mailnode(
                *("send", "--host", "127.0.0.1", "--port", port[1].decode(), "--tls-option", "none"),
                *("--from", "a@x.org", "--to", "b@x.org", "--subject", "Caught", "--text", "x"),
            )
            assert b"Caught" in await inbox.stderr.readline()
        finally:
            inbox.terminate()
            await inbox.communicate()
        assert "Caught" in (await mailnode("inbox", "list")).stdout
        (one,) = (await mailnode("inbox", "list", "--json")).json
        assert one["rcptTo"] == ["b@x.org"]
        shown = await mailnode("inbox", "show", str(one["number"]))
        assert "Subject: Caught" in shown.stdout
        assert (await mailnode("inbox", "clear")).status == 0
        assert InboxFolder(home / "inbox").messages() == []

    async def test_one_that_is_not_there(self):
        done = await mailnode("inbox", "show", "7")
        assert done.status == 2
        assert "7" in done.stderr


async def test_the_demo_ends_with_the_mail_in_the_inbox_and_its_result_on_the_screen(home):
    done = await mailnode("demo", "--once")
    assert done.status == 0
    assert '"status": "sent"' in done.stdout
    assert "Subject: Order 2026-1047 has shipped" in done.stdout
    (received,) = InboxFolder(home / "inbox").messages()
    assert received.rcpt_to == ("zoe@example.org", "orders@example.com", "archive@example.com")


DEMO = ("demo", "--once")


async def test_the_demo_ends_where_it_began_and_keeps_what_was_changed(home):
    flows = home / "flows"
    assert (await mailnode(*DEMO)).status == 0
    flow, sample = flows / "order-shipped.flow.yaml", flows / "order-shipped.sample.json"
    changed = flow.read_text().replace("It is on its way", "Mine")
    flow.write_text(changed)
    sample.write_text("{}")
    for _ in range(2):
        done = await mailnode(*DEMO)
        assert (done.status, "order-shipped.flow.yaml differs from the example" in done.stderr) == (0, True)
    assert (flow.read_text(), sample.read_text()) == (changed, "{}")
    assert "name: order-shipped-" in (flows / "order-shipped-2.flow.yaml").read_text()


@pytest.mark.parametrize("name", ["mailnode.db", ".note"])
async def test_the_demo_uses_no_folder_that_is_somebody_elses(home, name):
    home.mkdir()
    (home / name).touch()
    done = await mailnode(*DEMO)
    assert done.status == 2
    assert str(home) in done.stderr
    assert "MAILNODE_HOME" in done.stderr
    assert [path.name for path in home.iterdir()] == [name]


async def test_the_demo_keeps_to_its_own_database_and_lifts_no_redirect(home):
    database = home.parent / "shop.db"
    said = {"MAILNODE_DATABASE_URL": f"sqlite:///{database}", "MAILNODE_REDIRECT_ALL_TO": "test@example.net"}
    assert (await mailnode(*DEMO, **said)).status == 0
    assert not database.exists()
    (received,) = InboxFolder(home / "inbox").messages()
    assert received.rcpt_to == ("test@example.net",)


def test_without_a_home_the_demo_has_one_of_its_own():
    environment = Environment.read({})
    assert demo_environment(environment).home == environment.home.with_name("mailnode-demo")


async def test_what_turns_the_direction_of_a_text_is_not_shown_to_a_terminal():
    fields = json.dumps({"pass\u202eword\u2066": "x"})
    ended = await mailnode("connections", "create", "shop", "--from-json", "-", stdin=fields)
    assert ended.status == 2
    assert r"pass\u202eword\u2066" in ended.stderr
    assert not set("\u202e\u2066") & set(ended.stderr)
