"""A command loads what it needs and no more: who sends one mail must not wait for a database or a form's validation."""

import subprocess
import sys

import pytest

from mailnode.cli.main import COMMANDS

HEAVY = {
    *("alembic", "cryptography", "css_inline", "httpx2", "pydantic", "quickjs", "rich", "ruamel", "sqlalchemy"),
    "tinycss2",
}


def loaded(code, name="name.partition('.')[0]"):
    script = f"import sys\n{code}\nprint(*{{{name} for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import mailnode; dir(mailnode)", set()),
        ("from mailnode import SmtpClient, Email", set()),
        ("import mailnode.cli.main", set()),
        ("import mailnode.cli.send, mailnode.send_once", set()),
        ("import mailnode.cli.servers", set()),
        ("import mailnode.store.database, mailnode.connections.repository", {"sqlalchemy"}),
        ("import mailnode.app", {"sqlalchemy", "pydantic"}),
    ],
)
def test_only_this_much_is_loaded(code, allowed):
    assert loaded(code) & HEAVY <= allowed


def test_sqlite_is_opened_without_what_postgresql_needs(tmp_path):
    opening = "import pathlib, mailnode.connections.repository\nfrom mailnode.store.database import Database\n"
    opening += f"Database.open(pathlib.Path({str(tmp_path / 'mailnode.db')!r})).close()"
    loaded(opening)  # the first one makes it
    there = loaded(opening, "name")
    assert "sqlalchemy.dialects.sqlite" in there
    assert not there & {"sqlalchemy.dialects.postgresql", "psycopg", "alembic"}


def test_each_command_can_be_loaded_alone():
    """Elsewhere commands run in a process that has loaded them all."""
    crowd = [
        subprocess.Popen([sys.executable, "-m", "mailnode", command, "--help"], stdout=subprocess.PIPE, text=True)
        for command in COMMANDS
    ]
    for command, process in zip(COMMANDS, crowd, strict=True):
        said, _ = process.communicate()
        assert (command, process.returncode) == (command, 0)
        assert f"mailnode {command}" in said
