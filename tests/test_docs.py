"""What README and docs say holds: their flows run, their Python runs, their tables are whole."""

import ast
import asyncio
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from mailnode.cli.main import cli
from mailnode.connections.fields import COMMON, TYPE_FIELDS
from mailnode.delivery.result import Result
from mailnode.errors import ErrorCode
from mailnode.flow.run import Run
from mailnode.node.attachment_settings import ATTACHMENT_TYPES
from mailnode.node.settings import SendSmtpEmailSettings
from mailnode.web.application import create_app
from mailnode.web.panel import PANELS
from support.flows import run

ROOT = Path(__file__).parents[1]
# The changelog speaks of what was.
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted((ROOT / "docs").glob("*.md"))
# A media type, and what is made when it is needed.
NO_PATHS = {"message/rfc822", "tests/zoo/made"}
PRIVATE = re.compile(r"\b(?:octets?(?!-)|lanes?|errands?|courier|postman|ledger|desk)\b", re.IGNORECASE)


def section(heading):
    """What stands under a heading of the contract, up to the next one of its level."""
    page = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    level, text = re.split(rf"^(#+) {re.escape(heading)}$", page, maxsplit=1, flags=re.MULTILINE)[1:]
    return re.split(rf"^#{{1,{len(level)}}} ", text, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """The cells of each row of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def words_of(cell):
    return re.findall(r"`(\w+)", cell)


def words(text, column):
    """The names in one column of a table."""
    return {word for row in rows(text) for word in words_of(row[column])}


def anchor_of(heading):
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def blocks(language):
    """Every fenced block of a language, with the page it stands on."""
    found = []
    for page in PAGES:
        for number, text in enumerate(
            re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        ):
            found.append(pytest.param(text, id=f"{page.name}-{number}"))
    return found


@pytest.mark.parametrize("text", blocks("yaml"))
async def test_a_flow_in_the_docs_runs(text, inbox, tmp_path):
    flow = tmp_path / "flow.yaml"
    flow.write_text(text.replace("port: 1025", f"port: {inbox.port}"), encoding="utf-8")
    done = await run(flow, input={"email": "jane@example.org", "name": "Jane", "order": "7"})
    assert isinstance(done, Run)
    assert done.status == "done"
    assert done.nodes[0].result["status"] == "sent"
    assert len(inbox.messages()) == 1


@pytest.mark.parametrize("text", blocks("python"))
async def test_python_in_the_docs_runs(text, inbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flow = (ROOT / "docs/flow.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    (tmp_path / "order-shipped.flow.yaml").write_text(flow.replace("port: 1025", f"port: {inbox.port}"))
    if "Inbox(" not in text:  # one of its own
        monkeypatch.setattr("mailnode.smtp.client.tls_and_port", lambda *_given: ("none", inbox.port))
        monkeypatch.setattr("mailnode.smtp.client.ascii_host", lambda _host: "127.0.0.1")
    for login in (', login=Login("shop", "secret")', ', login=TokenLogin("jane@example.com", OwnTokens())'):
        text = text.replace(login, "")  # the inbox takes mail from everybody
    code = compile(text, "docs", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    # What is to be pasted into a file calls asyncio.run, which wants a thread without a loop.
    result = await asyncio.to_thread(eval, code, {})
    if asyncio.iscoroutine(result):
        await result


def test_the_page_of_errors_lists_every_code_and_no_other():
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8").split("## Codes")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {str(code) for code in ErrorCode}


class TestTheContract:
    """It names all that there is, and no more."""

    def test_settings(self):
        keys = words(section("Settings of `sendSmtpEmail`").split("### ")[0], column=1)
        assert keys == {field.alias for field in SendSmtpEmailSettings.model_fields.values()}

    def test_labels(self):
        labels = {word: row[0] for row in rows(section("Settings of `sendSmtpEmail`")) for word in words_of(row[1])}
        fields = [field for part in PANELS["sendSmtpEmail"] for field in part.fields if field.key in labels]
        assert len(fields) > 30
        assert {field.key: field.label for field in fields} == {field.key: labels[field.key] for field in fields}

    def test_attachments(self):
        for row in rows(section("Attachments")):
            known = {field.alias for field in ATTACHMENT_TYPES[row[0].strip("` ")].model_fields.values()}
            assert set(re.findall(r"`(\w+)\??`", row[2])) == known - {"type"}

    def test_fields_of_connections(self):
        found = {row[0].strip("` "): re.sub(r"\([^)]*\)", "", row[1]) for row in rows(section("Connections"))}
        named = {kind: set(re.findall(r"`(\w+)`", fields)) for kind, fields in found.items()}
        assert named == {kind: set(TYPE_FIELDS[kind].checks) for kind in TYPE_FIELDS} | {"all": set(COMMON)}

    def test_the_result(self):
        assert words(section("The result").split("### ")[0].split("| status |")[0], column=0) == set(
            Result.__annotations__
        )

    def test_the_environment(self):
        source = "".join(path.read_text("utf-8") for path in (ROOT / "src/mailnode").rglob("*.py"))
        known = set(re.findall(r"MAILNODE_[A-Z_]*[A-Z]\b", source)) | {
            f"MAILNODE_NOTIFICATION_{name}" for name in ("SERVICE", "HOST", "PORT", "TLS_OPTION", "CONNECTION", "FROM")
        }
        assert words(section("Environment"), column=0) == known

    def test_the_api(self):
        paths = set(re.findall(r"^\| `([^`]+)` \|", section("HTTP"), re.MULTILINE))
        nothing: Any = None
        assert paths == set(create_app(nothing, "0123456789abcdef").openapi()["paths"])


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", page.read_text(encoding="utf-8")):
            where = page.parent / target if target else page
            assert where.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", where.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in map(anchor_of, headings), f"{page.name}: {target}#{anchor}"


def test_paths_of_code_that_pages_name_are_there():
    houses = (ROOT / "src/mailnode", ROOT)
    for page in PAGES:
        for path in re.findall(r"`([a-z_]+/[a-z0-9_./-]*)`", page.read_text(encoding="utf-8")):
            if path in NO_PATHS or not any((house / path.partition("/")[0]).is_dir() for house in houses):
                continue
            places = [house / name for house in houses for name in (path, f"{path}.py")]
            assert any(place.exists() for place in places), f"{page.name}: {path}"


def commands():
    """Every command that a page shows, but for those that only say how one is written."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in () if language else re.findall(r"^(?:\$ |.*\| )?(mailnode .*)$", block, re.MULTILINE):
                if "[" not in line and "…" not in line:
                    yield f"{page.name}: {line}", [word for word in shlex.split(line, comments=True)[1:] if word != "&"]


def test_commands_that_pages_show_can_be_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").touch()
    shown = list(commands())
    assert len(shown) > 20
    for where, arguments in shown:
        command: click.Command = cli
        while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
            found = command.get_command(click.Context(command), arguments.pop(0))
            assert found, where
            command = found
        try:
            command.make_context("mailnode", list(arguments))
        except click.UsageError as error:
            pytest.fail(f"{where}: {error.format_message()}")


def test_pages_use_the_terms_of_mail():
    texts = {page.name: re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8")) for page in PAGES}
    found = {(name, word) for name, text in texts.items() for word in PRIVATE.findall(text)}
    assert not found


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110


def test_what_pages_call_a_button_is_written_on_one():
    web = ROOT / "src/mailnode/web"
    files = [*web.rglob("*.py"), *(web / "templates").rglob("*.html"), *(web / "frontend/src").rglob("*.ts")]
    editor = "".join(file.read_text(encoding="utf-8") for file in files if "node_modules" not in file.parts)
    for name in ("README.md", "docs/web.md", "docs/delivery.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for label in re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", text):
            assert label in editor, f"{name}: {label}"
