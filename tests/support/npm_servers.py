"""SMTP servers of npm: smtp-server (of Nodemailer's makers) and Haraka, each with a few lines of ours around it."""

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.daemon import free_ports, open_folder, running, until_settled
from support.require import absent, require
from support.tls import authority

_FOLDER = Path(__file__).parents[1] / "smtp_servers"
_MODULES = _FOLDER / "node_modules"
_HARAKA = {
    "me": "mail.haraka.example\n",
    # `limit` ends no session: from its 21st recipient on it says 450 to each.
    "plugins": "tls\nlimit\npeer\n",
    "limit.ini": "[main]\ntarpit_delay=0\n[recipients]\nenabled=true\nmax=20\n[concurrency]\nenabled=\n",
    "connection.ini": "[headers]\n[haproxy]\nenabled=false\n[max]\nbytes=1048576\n[message]\n[uuid]\nbanner_chars=6\n",
    "smtp.ini": "listen=127.0.0.1:{port},127.0.0.1:{tls_port}\nsmtps_port={tls_port}\nnodes=0\n",
    "tls.ini": "[main]\nkey=key.pem\ncert=certificate.pem\n",
    "log.ini": "[main]\nlevel=notice\n",
}


class NpmServer:
    """One that runs, on `port` with STARTTLS and on `tls_port`: it bears 2 sessions at once, and 20 mails in each."""

    def __init__(self, root: Path, ports: Mapping[str, int]) -> None:
        self._events = root / "log"
        self.port, self.tls_port = ports["port"], ports["tls_port"]
        self.ports = ports

    def log(self, start: int = 0) -> str:
        """What it logged, from a character on."""
        return self._events.read_text(encoding="utf-8")[start:] if self._events.exists() else ""

    def events(self, start: int = 0) -> list[dict[str, Any]]:
        """What it did, as objects."""
        events: list[dict[str, Any]] = [json.loads(line) for line in self.log(start).splitlines()]
        return events

    async def received(self, start: int, count: int) -> Counter[str]:
        """Wait until its log, from a character on, tells of `count` recipients, and give how often it tells of each."""
        return await until_settled(lambda: self._recipients(start), count)

    def connections(self, start: int) -> int:
        """How many connections it counted."""
        return self._count("connection", start)

    def excess(self, start: int) -> int:
        """How many of them were too many."""
        return self.connections(start) - self._count("session", start)

    async def idle(self) -> None:
        """Wait until nobody is connected: a session is over there when its QUIT is answered."""

    def _count(self, event: str, start: int) -> int:
        return [one["event"] for one in self.events(start)].count(event)

    def _recipients(self, start: int) -> Counter[str]:
        return Counter(address for one in self.events(start) if one["event"] == "mail" for address in one["to"])


@contextmanager
def running_smtp_server() -> Iterator[NpmServer]:
    """Run npm's smtp-server, or skip the test where it is not there.

    On `ports["hasty_port"]` it closes TLS behind each reply to a mail, and on `ports["small_port"]` it says 552 in the
    middle of a mail that is larger than 1 MB, and hangs up.
    """
    node = _node("smtp-server")
    with open_folder("smtp-server") as root:
        _write_certificate(root)
        command = (node, _FOLDER / "smtp_server.mjs", root / "key.pem", root / "certificate.pem", root / "log")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            try:
                yield NpmServer(root, json.loads(process.stdout.readline()))
            finally:
                process.terminate()


@contextmanager
def running_haraka() -> Iterator[NpmServer]:
    """Run Haraka, or skip the test where it is not there; it takes no mail that is larger than 1 MB."""
    node = _node("Haraka")
    with open_folder("haraka") as root:
        ports = dict(zip(("port", "tls_port"), free_ports(2), strict=True))
        for name in ("config", "plugins"):
            (root / name).mkdir()
        for name, text in _HARAKA.items():
            (root / "config" / name).write_text(text.format(**ports))
        _write_certificate(root / "config")
        shutil.copy(_FOLDER / "haraka_peer.js", root / "plugins" / "peer.js")
        program = str(_MODULES / "Haraka" / "haraka.js")
        environment = {**os.environ, "HARAKA": str(root)}
        with running(node, program, port=ports["port"], said=root / "said", environment=environment):
            yield NpmServer(root, ports)


def _node(package: str) -> str:
    node = require("node")
    if not (_MODULES / package).exists():
        absent(f"{package} is not installed: `make test` installs it where npm is")
    return node


def _write_certificate(folder: Path) -> None:
    certificate = authority().issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
