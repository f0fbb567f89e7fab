import asyncio
import sys

from support.command import mailnode
from support.flows import to_server, write_flow
from support.scripted_smtp import ScriptedServer


def sends(port, **settings):
    return {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port, **settings)}


SAYS = {"id": "next", "type": "say", "settings": {"text": "hello {{ input.name }}"}}


class TestRun:
    async def test_it_prints_the_run_and_nothing_else_on_stdout(self, inbox, tmp_path):
        flow = write_flow(tmp_path, sends(inbox.port), SAYS)
        done = await mailnode("run", flow, "--input", '{"name": "Zoë"}', "--context", '{"a": 1}', "--run-id", "r1")
        assert (done.status, done.stderr) == (0, "")
        assert done.json["run"] == "r1"
        assert (done.json["status"], done.json["output"]) == ("done", ["hello Zoë"])
        assert (done.json["input"], done.json["context"]) == ({"name": "Zoë"}, {"a": 1})
        assert [node["status"] for node in done.json["nodes"]] == ["done", "done"]
        assert len(inbox.messages()) == 1

    async def test_input_from_a_file_and_from_stdin(self, tmp_path):
        flow = write_flow(tmp_path, SAYS)
        (tmp_path / "in.json").write_text('{"name": "file"}')
        assert (await mailnode("run", flow, "--input", f"@{tmp_path / 'in.json'}")).json["output"] == ["hello file"]
        assert (await mailnode("run", flow, "--input", "@-", stdin='{"name": "pipe"}')).json["output"] == ["hello pipe"]

    async def test_a_run_that_halts_is_exit_status_1_and_says_why(self, tmp_path):
        async with ScriptedServer({"RCPT": "550 5.1.1 nobody"}) as server:
            flow = write_flow(tmp_path, sends(server.port, stopOnError=True), SAYS)
            done = await mailnode("run", flow, "--input", '{"name": "x"}')
        assert (done.status, done.json["status"]) == (1, "halted")
        assert "550 5.1.1 nobody" in done.stderr
        assert "hint: " in done.stderr
        assert done.json["output"] == []

    async def test_without_stop_on_error_a_failed_mail_is_told_and_exit_status_0(self, tmp_path):
        async with ScriptedServer({"RCPT": "550 5.1.1 nobody"}) as server:
            flow = write_flow(tmp_path, sends(server.port), SAYS)
            done = await mailnode("run", flow, "--input", '{"name": "x"}')
        assert (done.status, done.json["output"]) == (0, ["hello x"])
        assert "node tell: the server refused 1 of 1 recipients" in done.stderr
        assert done.json["nodes"][0]["result"]["status"] == "failed"


class TestMisuse:
    """Nothing is tried: exit status 2, one message with its place and a hint, no traceback, no mail."""

    async def refused(self, *arguments, **options):
        done = await mailnode("run", *arguments, **options)
        assert (done.status, done.stdout) == (2, "")
        return done.stderr

    async def test_a_file_that_is_not_there(self, tmp_path):
        assert "the file does not exist" in await self.refused(tmp_path / "none.yaml")

    async def test_a_file_that_is_not_yaml(self, tmp_path):
        (tmp_path / "f.yaml").write_text("version: 1\nname: [\n")
        assert "f.yaml, line 3" in await self.refused(tmp_path / "f.yaml")

    async def test_input_that_is_no_object(self, tmp_path):
        flow = write_flow(tmp_path, SAYS)
        assert "--input is not valid JSON" in await self.refused(flow, "--input", "{")
        assert "--input must be a JSON object" in await self.refused(flow, "--input", "[1]")
        assert "can't be read" in await self.refused(flow, "--input", "@nowhere.json")
        assert "duplicate key 'a'" in await self.refused(flow, "--input", '{"a": 1, "b": {"a": 1}, "a": 2}')

    async def test_a_wrong_setting_names_file_line_node_and_key(self, inbox, tmp_path):
        said = await self.refused(write_flow(tmp_path, SAYS, sends(inbox.port, to="a@x.org, jane, b@x.org")))
        assert "flow.json, line 1, node tell, to: address 2 ('jane')" in said
        assert "hint: " in said
        assert inbox.messages() == []

    async def test_braces_in_the_host(self, tmp_path):
        smtp = {"host": "{{ input.host }}", "port": 25, "tlsOption": "none"}
        said = await self.refused(write_flow(tmp_path, sends(25, smtp=smtp)))
        assert "smtp.host: expressions are not allowed here" in said

    async def test_the_line_in_yaml_is_that_of_the_setting(self, tmp_path):
        flow = "version: 1\nname: f\nnodes:\n  - id: a\n    type: say\n    settings:\n      text: hi\n      txt: ho\n"
        (tmp_path / "f.yaml").write_text(flow)
        assert "f.yaml, line 8, node a, txt: there is no such setting" in await self.refused(tmp_path / "f.yaml")

    async def test_a_run_id_of_another_run(self, tmp_path):
        flow = write_flow(tmp_path, SAYS)
        assert (await mailnode("run", flow, "--input", '{"name": "a"}', "--run-id", "r")).status == 0
        assert "'r' was used for another flow or input" in await self.refused(
            flow, "--input", '{"name": "b"}', "--run-id", "r"
        )


class TestNotification:
    NODE = {  # noqa: RUF012 -- never changed
        "id": "alert",
        "type": "emailNotification",
        "settings": {"to": "ops@example.org", "subject": "Disk {{ input.disk }}", "content": "<p>full</p>"},
    }

    async def test_server_and_sender_come_from_the_environment(self, inbox, tmp_path):
        environment = {
            "MAILNODE_NOTIFICATION_HOST": "127.0.0.1",
            "MAILNODE_NOTIFICATION_PORT": str(inbox.port),
            "MAILNODE_NOTIFICATION_TLS_OPTION": "none",
            "MAILNODE_NOTIFICATION_FROM": "Alerts <alerts@example.com>",
        }
        done = await mailnode("run", write_flow(tmp_path, self.NODE), "--input", '{"disk": "sda"}', **environment)
        assert done.json["nodes"][0]["result"]["status"] == "sent"
        (received,) = inbox.messages()
        assert (received.sender, received.subject) == ("Alerts <alerts@example.com>", "Disk sda")

    async def test_without_it_the_error_names_the_variables(self, tmp_path):
        done = await mailnode("run", write_flow(tmp_path, self.NODE))
        assert done.status == 2
        assert "MAILNODE_NOTIFICATION_SERVICE or MAILNODE_NOTIFICATION_HOST" in done.stderr

    async def test_it_has_no_settings_but_its_own(self, tmp_path):
        node = {**self.NODE, "settings": {**self.NODE["settings"], "attachments": []}}  # type: ignore[dict-item]
        done = await mailnode("run", write_flow(tmp_path, node), MAILNODE_NOTIFICATION_SERVICE="Gmail")
        assert done.status == 2
        assert "attachments: there is no such setting" in done.stderr


async def test_help_names_every_command():
    done = await mailnode("--help")
    assert done.status == 0
    for name in ("run", "send", "preview", "connections", "services", "inbox", "demo"):
        assert f"  {name} " in done.stdout


async def test_an_unknown_command_is_bad_usage():
    done = await mailnode("sned")
    assert done.status == 2
    assert "sned" in done.stderr


async def test_a_home_that_can_not_be_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    done = await mailnode("run", write_flow(tmp_path, SAYS), MAILNODE_HOME=str(tmp_path / "file"))
    assert done.status == 2
    assert "MAILNODE_HOME" in done.stderr


class TestOddInput:
    """What JSON allows and people do not expect."""

    async def test_half_a_character_is_shown_as_json_escapes_it(self, tmp_path):
        done = await mailnode("run", write_flow(tmp_path, SAYS), "--input", '{"name": "x", "odd": "a\\ud800"}')
        assert done.status == 0
        assert done.json["input"]["odd"] == "a\ud800"

    async def test_a_number_beyond_all_numbers_is_no_json(self, tmp_path):
        done = await mailnode("run", write_flow(tmp_path, SAYS), "--input", '{"name": 1e999}')
        assert (done.status, done.stdout) == (2, "")
        assert "input: this is not valid JSON" in done.stderr

    async def test_a_run_id_that_can_not_be_typed_is_refused(self, tmp_path):
        flow = write_flow(tmp_path, SAYS)
        for run_id in ("a\nb", "x" * 201):
            done = await mailnode("run", flow, "--input", '{"name": "x"}', "--run-id", run_id)
            assert done.status == 2
            assert "run id" in done.stderr

    async def test_an_output_that_takes_no_more_is_said(self, tmp_path):
        flow = write_flow(tmp_path, SAYS)
        command = f'{sys.executable} -m mailnode run {flow} --input \'{{"name": "x"}}\' > /dev/full'
        process = await asyncio.create_subprocess_shell(command, stderr=asyncio.subprocess.PIPE)
        _, said = await process.communicate()
        assert process.returncode == 1
        assert b"system error: No space left on device" in said
        assert b"Traceback" not in said
