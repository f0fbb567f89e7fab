import asyncio
import json
import sys
from email import message_from_bytes, policy

import pytest

from support.aiosmtp import submission
from support.command import mailnode
from support.scripted_smtp import DROP, ScriptedServer
from support.tls import ca_pem, server_context

WHO = ("--from", "Shop <shop@example.com>", "--to", "jane@example.org")


def to(port):
    return ("--host", "127.0.0.1", "--port", str(port), "--tls-option", "none", *WHO)


def read(inbox):
    return message_from_bytes(inbox.messages()[-1].octets(), policy=policy.default)


class TestSend:
    async def test_a_mail_is_accepted_and_the_recipients_told(self, inbox):
        done = await mailnode("send", *to(inbox.port), "--cc", "c@x.org", "--subject", "Hi", "--text", "Hello")
        assert done.status == 0
        assert "jane@example.org" in done.stdout
        assert "sent: 127.0.0.1" in done.stdout
        assert read(inbox)["Subject"] == "Hi"
        assert read(inbox).get_content().strip() == "Hello"

    async def test_json_is_the_result_of_a_node(self, inbox):
        done = await mailnode("send", *to(inbox.port), "--text", "x", "--json")
        assert (done.json["status"], done.json["accepted"]) == ("sent", ["jane@example.org"])
        assert done.stderr == ""

    async def test_markdown_becomes_html_and_text(self, inbox):
        await mailnode("send", *to(inbox.port), "--markdown", "# Hi\n\n*there*")
        html = read(inbox).get_body(("html",)).get_content()
        assert "<h1>Hi</h1>" in html
        assert "<em>there</em>" in html
        assert "there" in read(inbox).get_body(("plain",)).get_content()

    async def test_html_from_a_file_and_text_from_stdin(self, inbox, tmp_path):
        (tmp_path / "m.html").write_text("<p>Grüße</p>", encoding="utf-8")
        await mailnode("send", *to(inbox.port), "--html", f"@{tmp_path / 'm.html'}", "--text", "@-", stdin="from stdin")
        assert read(inbox).get_body(("html",)).get_content().strip() == "<p>Grüße</p>"
        assert read(inbox).get_body(("plain",)).get_content().strip() == "from stdin"

    async def test_files_are_attached_octet_for_octet(self, inbox, tmp_path):
        octets = bytes(range(256)) * 1000
        (tmp_path / "büro.pdf").write_bytes(octets)
        (tmp_path / "log").write_bytes(b"\r\n.\r\nx")
        await mailnode(
            "send", *to(inbox.port), "--text", "x", "--attach", tmp_path / "büro.pdf", "--attach", tmp_path / "log"
        )
        first, second = read(inbox).iter_attachments()
        assert (first.get_filename(), first.get_content_type(), first.get_content()) == (
            "büro.pdf",
            "application/pdf",
            octets,
        )
        assert second.get_content() == b"\r\n.\r\nx"

    async def test_a_stored_connection_logs_in_and_names_the_sender(self, tmp_path):
        (tmp_path / "ca.pem").write_text(ca_pem())
        fields = '{"hosts": ["localhost"], "username": "user", "password": "pencil", "from": "Me <me@example.com>"}'
        assert (await mailnode("connections", "create", "shop", "--from-json", "-", stdin=fields)).status == 0
        async with submission(tls=server_context()) as server:
            options = ("--host", "localhost", "--port", str(server.port), "--tls-option", "starttls")
            done = await mailnode(
                *("send", *options, "--ca", tmp_path / "ca.pem", "--connection", "shop"),
                *("--to", "j@x.org", "--text", "hi", "--json"),
            )
        assert (done.status, done.json["authMechanism"]) == (0, "SCRAM-SHA-256")
        assert server.envelopes[0].mail_from == "me@example.com"
        assert "pencil" not in done.stdout + done.stderr


class TestExitStatus:
    @pytest.mark.parametrize(
        ("script", "status", "said"),
        [
            ({"RCPT TO:<no@": "550 5.1.1 nobody"}, 3, "partial"),
            ({"dot": DROP}, 3, "unknown"),
            ({"RCPT": "550 5.1.1 nobody"}, 1, "failed"),
            ({"dot": "554 5.7.1 spam"}, 1, "failed"),
        ],
    )
    async def test_by_what_the_server_said(self, script, status, said):
        async with ScriptedServer(script) as server:
            done = await mailnode("send", *to(server.port), "--to", "no@example.org", "--text", "x")
        assert done.status == status
        assert done.stdout.splitlines()[-1].startswith(f"{said}: ")
        assert "mailnode: " in done.stderr

    async def test_all_or_nothing_sends_to_nobody(self):
        async with ScriptedServer({"RCPT TO:<no@": "550 nobody"}) as server:
            done = await mailnode("send", *to(server.port), "--to", "no@x.org", "--text", "x", "--all-or-nothing")
        assert (done.status, server.accepted) == (1, [])

    async def test_a_server_that_is_down_is_1_with_a_hint(self):
        async with ScriptedServer() as server:
            port = server.port
        done = await mailnode("send", *to(port), "--text", "x")
        assert (done.status, done.stdout) == (1, "")
        assert "could not connect" in done.stderr
        assert "hint: " in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--text", "x", "--to", "a@x.org"), "give either --service or --host"),
            (("--service", "gmial", "--to", "a@x.org"), "gmial"),
            (("--host", "x", "--to", "jane", "--from", "b@x.org"), "--to: the address ('jane') has no @"),
            (("--host", "x", "--to", "a@x.org"), "--from: the email has no sender\n  hint: give --from"),
            (("--host", "x", "--to", "a@x.org", "--from", "b@x.org", "--attach", "/nowhere"), "--attach /nowhere"),
            (
                ("--host", "x", "--to", "a@x.org", "--from", "b@x.org", "--subject", "a\nBcc: e@x.org"),
                "control character",
            ),
            (("--host", "x", "--to", "a@x.org", "--connection", "none"), "there is no connection"),
            (("--service", "Gmail", "--port", "25", "--to", "a@x.org"), "go with --host"),
            (("--host", "x", "--markdown", "a", "--html", "b", "--to", "a@x.org"), "exclude each other"),
        ],
    )
    async def test_misuse_is_2(self, arguments, words):
        done = await mailnode("send", *arguments)
        assert (done.status, done.stdout) == (2, "")
        assert words in done.stderr


class TestJsonOfWhatReachedNoServer:
    async def told(self, *options, status, **environment):
        done = await mailnode("send", *options, "--json", **environment)
        assert done.status == status, done
        assert (done.json["status"], done.json["accepted"], bool(done.stderr)) == ("failed", [], True)
        return done.json["error"]

    async def test_arguments_that_are_wrong(self):
        error = await self.told("--text", "x", status=2)
        assert (error["code"], "Missing option '--to'" in error["message"]) == ("badUsage", True)
        assert (await self.told("--to", "j@x.org", "--port", "many", status=2))["code"] == "badUsage"
        assert "--service or --host" in (await self.told("--to", "j@x.org", status=2))["message"]
        absent = await self.told(*to(25), "--attach", "/absent", status=2)
        assert "/absent" in absent["message"]

    async def test_settings_that_are_wrong(self):
        error = await self.told(*to(25), "--text", "x", status=2, MAILNODE_EHLO_NAME="a b")
        assert "MAILNODE_EHLO_NAME" in error["message"]
        assert (await self.told(*to(25), "--connection", "none", status=2))["code"] == "unknownConnection"

    async def test_a_server_that_is_not_there(self, closed_port):
        error = await self.told(*to(closed_port), "--text", "x", status=1)
        assert (error["code"], error["phase"], error["hint"] != "") == ("connectFailed", "connect", True)

    async def test_a_signal(self):
        async with ScriptedServer({"EHLO": ""}) as server:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mailnode", "send", *to(server.port), "--text", "x", "--json"),
                stdout=asyncio.subprocess.PIPE,
            )
            await server.reached("EHLO")
            process.terminate()
            stdout, _ = await process.communicate()
        assert (process.returncode, json.loads(stdout)["error"]["code"]) == (143, "cancelled")

    async def test_help_is_no_outcome(self):
        assert (await mailnode("send", "--json", "--help")).stdout.startswith("Usage")
