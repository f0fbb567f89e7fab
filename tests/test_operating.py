"""What the page on operating it says is done here as it says it: backup and restore, and how closed the service is."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mailnode.app import Mailnode
from mailnode.message.email import Email
from mailnode.smtp.sasl import Login
from support.nginx import DOCS
from support.require import require

ROOT = Path(__file__).parents[1]
LIMIT = 120


def commands() -> list[str]:
    """Give the blocks of the page's part on backups: of SQLite backup and restore, then of PostgreSQL."""
    part = DOCS.read_text().split("## Backup and restore")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", part, re.DOTALL)


def shell(commands: str, path: str, **variables: str | Path) -> None:
    environment = {**os.environ, "PATH": path, **{name: str(value) for name, value in variables.items()}}
    done = subprocess.run(
        ["sh", "-euc", commands], env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stderr


async def test_a_backup_of_a_running_database_is_restored(
    database_kind: str, home: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    sqlite_backup, sqlite_restore, postgres_backup, postgres_restore = commands()
    backup, path = tmp_path / "backup", os.environ["PATH"]
    backup.mkdir()
    if is_postgres := database_kind == "postgres":
        server = request.getfixturevalue("postgres").server
        path = f"{server.bin}{os.pathsep}{path}" if server else path
    email = Email(from_="me@example.com", to="jane@example.org", subject="Hi", text="Hi")
    where = {"BACKUP": backup, "MAILNODE_HOME": home}
    async with Mailnode.open() as mailnode:
        (home / "flows").mkdir(parents=True, exist_ok=True)
        (home / "flows" / "a.flow.yaml").write_text("version: 1\nname: a\nnodes: []\n")
        fields = {"hosts": ["127.0.0.1"], "username": "u", "password": "kept"}
        await mailnode.connections.create("shop", "basic", fields)
        kept = await mailnode.send(email, connection="shop", wait=False)
        shell(postgres_backup if is_postgres else sqlite_backup, path, **where)
        await mailnode.send(email, connection="shop", wait=False)
        await mailnode.connections.delete("shop")
    if is_postgres:
        shell(postgres_restore, path, **where)
    else:
        shutil.rmtree(home)
        shell('mkdir -m 700 "$MAILNODE_HOME"', path, **where)
        shell(sqlite_restore, path, **where)
    async with Mailnode.open() as mailnode:
        (queued,) = await mailnode.deliveries.list(states=["queued"])
        assert queued["deliveryId"] == kept["deliveryId"]
        login = (await mailnode.connections.get("shop")).login
        assert isinstance(login, Login)
        assert login.password == "kept"
    assert (home / "flows" / "a.flow.yaml").exists()


def test_the_service_is_closed_as_far_as_it_may_be() -> None:
    unit = ROOT / "deploy" / "mailnode.service"
    done = subprocess.run(
        [require("systemd-analyze"), "security", "--offline=yes", "--threshold=30", "--no-pager", str(unit)],
        capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("name", ["mailnode.service", "Containerfile"])
def test_what_is_deployed_sets_what_there_is_to_set(name: str) -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src/mailnode").rglob("*.py"))
    used = set(re.findall(r"\bMAILNODE_[A-Z_]+", (ROOT / "deploy" / name).read_text()))
    assert {"MAILNODE_HOME", "MAILNODE_LOG_FORMAT"} <= used
    assert {one for one in used if one not in source} == set()
