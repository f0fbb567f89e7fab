"""From nothing to an accepted mail: `mailnode send`, and scripts with Nodemailer and smtplib."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import peers
from benchmarks.measure import Measure, Taken
from benchmarks.process import ROOT, run

STARTS = 5


def scripts(folder: Path, port: int) -> dict[str, Measure]:
    """Give everybody's way to send one mail."""
    clients = {"mailnode": _mailnode(folder, port)}
    if path := peers.node():
        clients["Nodemailer"] = partial(_median_start, [path, "benchmarks/clients/one_mail.mjs", str(port)])
    clients["smtplib"] = partial(_median_start, [sys.executable, "benchmarks/clients/one_mail.py", str(port)])
    return clients


def with_connection(folder: Path, port: int) -> dict[str, Measure]:
    """Give ours with a login from the store."""
    environment = {**os.environ, **_installed(folder)}
    secrets = {"username": "shop", "password": "secret", "hosts": ["127.0.0.1"]}
    create = [_program(folder), "connections", "create", "shop", "--from-json", "-"]
    subprocess.run(create, env=environment, input=json.dumps(secrets), text=True, check=True, capture_output=True)
    return {"mailnode": _mailnode(folder, port, "--connection", "shop")}


def _mailnode(folder: Path, port: int, *options: str) -> Measure:
    mail = json.loads((Path(__file__).parent / "mail.json").read_text())
    words = [part for key in ("from", "to", "subject", "text", "html") for part in (f"--{key}", mail[key])]
    server = ["--host", "127.0.0.1", "--port", str(port), "--tls-option", "none"]
    return partial(_median_start, [_program(folder), "send", *server, *options, *words], _installed(folder))


def _program(folder: Path) -> str:
    return str(folder / "site" / "bin" / "mailnode")


def _installed(folder: Path) -> dict[str, str]:
    """Install as users do, so that all modules are compiled, which those of a checkout need not be."""
    site = folder / "site"
    if not site.exists():
        options = ["-qq", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--target", str(site)]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, str(ROOT)], check=True)
    return {"PYTHONPATH": str(site), "MAILNODE_HOME": str(folder / "home")}


def _median_start(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Taken:
    ends = [run(command, environment) for _ in range(STARTS)]
    wall = median(end.wall for end in ends)
    return Taken(1 / wall, median(end.cpu for end in ends), wall, median(end.peak for end in ends))
