"""Node-RED and n8n: each with the flow of `benchmarks.clients.flow` behind a POST, in a home of its own."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmarks import peers
from benchmarks.clients.flow import FROM, SUBJECT, TEMPLATE, TO
from benchmarks.process import PATIENCE_SECONDS, free_port, started

PATH = "whole-node"
LOOK_SECONDS = 0.2
# Nothing that n8n tells its makers, or asks of them.
_SILENT = {
    "N8N_DIAGNOSTICS_ENABLED": "false",
    "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
    "N8N_TEMPLATES_ENABLED": "false",
    "N8N_PERSONALIZATION_ENABLED": "false",
    "N8N_DISABLED_MODULES": "mcp-registry",
    "EXTERNAL_FRONTEND_HOOKS_URLS": "",
}


class Sink(Protocol):
    """Where they send to, on this machine."""

    @property
    def port(self) -> int: ...
    def taken(self) -> int:
        """Give how many messages have come."""


class Login(NamedTuple):
    """What a server asks for that knows who sends."""

    user: str
    password: str


class Asked(NamedTuple):
    """A server that is asked: its port, the process whose CPU is told, and the path that is posted to."""

    port: int
    pid: int
    path: str


@contextmanager
def node_red(folder: Path, sink: Sink, login: Login | None = None) -> Iterator[Asked]:
    """Run Node-RED with a flow of http in, function, template and e-mail; it answers when the e-mail node is done."""
    home = folder / "node-red"
    home.mkdir()
    port = free_port()
    settings = {
        "uiHost": "127.0.0.1",
        "uiPort": port,
        "userDir": str(home),
        "flowFile": "flows.json",
        "credentialSecret": False,
        "telemetry": {"enabled": False, "updateNotification": False},
    }
    (home / "settings.js").write_text(f"module.exports = {json.dumps(settings)};")
    (home / "flows.json").write_text(json.dumps(_node_red_flow(sink.port, "BASIC" if login else "NONE")))
    if login:
        (home / "flows_cred.json").write_text(json.dumps({"tell": {"userid": login.user, "password": login.password}}))
    program = peers.NODE_RED / "node_modules/node-red/red.js"
    command = [str(peers.node24()), str(program), "--settings", str(home / "settings.js")]
    with started(command, said=home / "log") as process:
        server = Asked(port, process.pid, f"/{PATH}")
        _wait_for_mail(process, server, sink, home / "log")
        yield server


def _node_red_flow(port: int, authtype: str) -> list[dict[str, Any]]:
    words = (
        f"msg.from = {json.dumps(FROM)}; msg.to = {json.dumps(TO)}; msg.topic = {json.dumps(SUBJECT)};"
        " msg.euros = (msg.payload.input.cents / 100).toFixed(2); return msg;"
    )
    template = TEMPLATE.replace("{{ input.order }}", "{{payload.input.order}}")
    template = template.replace("{{ (input.cents / 100).toFixed(2) }}", "{{euros}}")
    nodes: list[dict[str, Any]] = [
        {"id": "asked", "type": "http in", "method": "post", "url": f"/{PATH}", "wires": [["words"]]},
        {"id": "words", "type": "function", "func": words, "outputs": 1, "wires": [["template"]]},
        {
            "id": "template",
            "type": "template",
            "field": "payload",
            "fieldType": "msg",
            "format": "html",
            "syntax": "mustache",
            "template": template,
            "output": "str",
            "wires": [["tell"]],
        },
        {"id": "tell", "type": "e-mail", "server": "127.0.0.1", "port": str(port), "authtype": authtype, "name": ""},
        {"id": "done", "type": "complete", "scope": ["tell"], "wires": [["answer"]]},
        {"id": "answer", "type": "http response", "statusCode": "200", "wires": []},
        {"id": "failed", "type": "catch", "scope": None, "wires": [["refuse"]]},
        {"id": "refuse", "type": "http response", "statusCode": "500", "wires": []},
    ]
    # What has no place on the page counts as configuration.
    placed = ({**node, "z": "flow", "x": 200 * number, "y": 100} for number, node in enumerate(nodes))
    return [{"id": "flow", "type": "tab", "label": PATH}, *placed]


@contextmanager
def n8n(folder: Path, sink: Sink, login: Login | None = None) -> Iterator[Asked]:
    """Run n8n in production mode on SQLite, with a workflow of Webhook and Send Email; its last node's end answers."""
    home = folder / "n8n"
    home.mkdir()
    port = free_port()
    environment = {
        **_SILENT,
        "NODE_ENV": "production",
        "DB_TYPE": "sqlite",
        "N8N_USER_FOLDER": str(home),
        "N8N_ENCRYPTION_KEY": "benchmark",
        "N8N_LISTEN_ADDRESS": "127.0.0.1",
        "N8N_PORT": str(port),
        "N8N_RUNNERS_BROKER_PORT": str(free_port()),
        "PATH": os.pathsep.join((str(Path(str(peers.node24())).parent), os.environ.get("PATH", ""))),
    }
    (home / "credentials.json").write_text(json.dumps([_n8n_credential(sink.port, login or Login("", ""))]))
    (home / "workflow.json").write_text(json.dumps([_n8n_workflow()]))
    program = [str(peers.node24()), str(peers.N8N / "node_modules/n8n/bin/n8n")]
    for command in (
        ["import:credentials", f"--input={home / 'credentials.json'}"],
        ["import:workflow", f"--input={home / 'workflow.json'}"],
        ["publish:workflow", f"--id={PATH}"],
    ):
        _prepare([*program, *command], environment)
    with started([*program, "start"], environment, said=home / "log") as process:
        server = Asked(port, process.pid, f"/webhook/{PATH}")
        _wait_for_mail(process, server, sink, home / "log")
        yield server


def _n8n_credential(port: int, login: Login) -> dict[str, Any]:
    server = {"host": "127.0.0.1", "port": port, "secure": False, "disableStartTls": True, **login._asdict()}
    return {"id": "sink", "name": "sink", "type": "smtp", "data": server}


def _n8n_workflow() -> dict[str, Any]:
    template = TEMPLATE.replace("input.", "$json.body.input.")
    webhook = {"httpMethod": "POST", "path": PATH, "responseMode": "lastNode", "options": {}}
    mail = {
        "resource": "email",
        "operation": "send",
        "fromEmail": FROM,
        "toEmail": TO,
        "subject": SUBJECT,
        "emailFormat": "html",
        "html": f"={template}",
        "options": {"appendAttribution": False},
    }
    nodes: list[tuple[str, str, float, dict[str, Any], dict[str, Any]]] = [
        ("asked", "n8n-nodes-base.webhook", 2, webhook, {"webhookId": PATH}),
        ("tell", "n8n-nodes-base.emailSend", 2.1, mail, {"credentials": {"smtp": {"id": "sink", "name": "sink"}}}),
    ]
    return {
        "id": PATH,
        "name": PATH,
        "active": False,
        "settings": {"executionOrder": "v1"},
        "nodes": [
            {"id": name, "name": name, "type": type_, "typeVersion": version, "parameters": parameters, **more}
            | {"position": [200 * number, 0]}
            for number, (name, type_, version, parameters, more) in enumerate(nodes)
        ],
        "connections": {"asked": {"main": [[{"node": "tell", "type": "main", "index": 0}]]}},
    }


def _prepare(command: list[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"ended with {done.returncode}: {' '.join(command)}\n{done.stdout}{done.stderr}")


def _wait_for_mail(process: subprocess.Popen[bytes], server: Asked, sink: Sink, log: Path) -> None:
    """Wait until a request brings a mail: n8n answers that it is well long before."""
    body = json.dumps({"input": {"order": 0, "cents": 0}}).encode()
    url = f"http://127.0.0.1:{server.port}{server.path}"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    before, end = sink.taken(), time.monotonic() + 2 * PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):
            if sink.taken() > before:
                return
        time.sleep(LOOK_SECONDS)
    raise SystemExit(f"no mail comes of {process.args!r}\n{log.read_text()[-2000:]}")
