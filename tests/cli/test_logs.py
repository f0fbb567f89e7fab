"""The log of a long-running command: what a record names, and that it names no addresses."""

import json
import logging
from datetime import datetime

import pytest

from mailnode.app import Mailnode
from mailnode.cli import output
from mailnode.cli.logs import FORMAT, LEVEL, set_up_logs
from mailnode.cli.main import run
from mailnode.cli.output import say, show_error
from mailnode.cli.signals import Interrupt
from mailnode.log_ids import about

FLOW = """version: 1
name: hello
nodes:
- id: a
  type: sendSmtpEmail
  settings: {emailService: Other, smtp: {host: 127.0.0.1, port: %d, tlsOption: none},
             from: me@example.com, to: jane@example.org, subject: Hi, content: Hi}
"""


@pytest.fixture
def logs(monkeypatch):
    """Set up logs as a command does, and put everything back."""
    root, ours = logging.getLogger(), logging.getLogger("mailnode")
    before = root.handlers[:], root.level, ours.level
    for name in (FORMAT, LEVEL):
        monkeypatch.setenv(name, "")
    yield set_up_logs
    root.handlers[:], root.level = before[:2]
    ours.setLevel(before[2])
    output._records.enabled = False


async def run_hello(tmp_path, port):
    path = tmp_path / "hello.flow.yaml"
    path.write_text(FLOW % port)
    async with Mailnode.open() as opened:
        run = await opened.run(path, run_id="r-1")
    return run.nodes[0].result


async def test_each_record_names_its_run_and_its_delivery_and_no_address(logs, capsys, home, inbox, tmp_path):
    logs("json", "info")
    result = await run_hello(tmp_path, inbox.port)
    said = capsys.readouterr().err
    records = [json.loads(line) for line in said.splitlines()]
    delivery = next(one for one in records if one["message"].startswith("delivery"))
    assert (delivery["delivery"], delivery["run"], delivery["node"]) == (result["deliveryId"], "r-1", "a")
    assert delivery["message"] == f"delivery {result['deliveryId']}: sent"
    assert (delivery["level"], delivery["logger"]) == ("info", "mailnode.delivery.dispatcher")
    ended = next(one for one in records if one["message"] == "run r-1 of hello: done")
    assert (ended["run"], ended["flow"]) == ("r-1", "hello")
    assert datetime.fromisoformat(ended["time"]).tzinfo
    assert "example" not in said.replace("example.flow", "")


async def test_at_warning_nothing_is_said_of_what_goes_well(logs, capsys, home, inbox, tmp_path):
    logs("text", "warning")
    await run_hello(tmp_path, inbox.port)
    assert capsys.readouterr().err == ""


def test_as_text_a_record_has_its_time_level_and_ids(logs, capsys):
    logs("text", "info")
    with about(run="r-1", delivery=None):
        logging.getLogger("mailnode.x").warning("it fails", extra={"delivery": "d-1"})
    say("as it is")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("Z warning it fails [run=r-1 delivery=d-1]")
    assert lines[1] == "as it is"


def test_what_a_command_says_and_what_other_libraries_warn_of_are_records_too(logs, capsys):
    logs("json", "info")
    say("\nserving\n")
    say("")
    show_error("it fails\x1b[2J", "try again", "unknownApp")
    logging.getLogger("httpx2").info("GET https://example.org/?token=x")
    logging.getLogger("uvicorn.error").error("a defect", exc_info=ValueError("why"))
    serving, error, defect = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (serving["level"], serving["message"]) == ("info", "serving")
    assert (error["level"], error["message"], error["code"]) == ("error", "it fails?[2J", "unknownApp")
    assert error["hint"].startswith("try again; `mailnode apps list`")
    assert "ValueError: why" in defect["traceback"]


def test_a_worker_logs_as_it_is_told(logs, home, capsys, monkeypatch):
    assert run(Interrupt(["worker", "--drain", "--log-format", "json", "--log-level", "info"])) == 0
    messages = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert messages == ["sending queued email", "done: nothing sent"]
    monkeypatch.setenv(LEVEL, "error")
    assert run(Interrupt(["worker", "--drain"])) == 0
    assert capsys.readouterr().err == ""
