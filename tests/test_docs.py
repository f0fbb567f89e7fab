"""What README and docs say holds: their flows run, their Python runs, their tables are whole."""

import ast
import asyncio
import re
from pathlib import Path

import pytest

import mailnode
from mailnode.errors import ErrorCode
from mailnode.flow.run import Run
from mailnode.node.settings import SendSmtpEmailSettings
from support.flows import run

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


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


def test_the_page_of_the_node_names_every_setting_and_no_other():
    page = (ROOT / "docs/node.md").read_text(encoding="utf-8").split("## Attachments")[0]
    keys = {
        key for cell in re.findall(r"^\|[^|]*\|([^|]*)\|", page, re.MULTILINE) for key in re.findall(r"`(\w+)`", cell)
    }
    assert keys == {field.alias for field in SendSmtpEmailSettings.model_fields.values()}


def test_the_public_names_are_these():
    assert mailnode.__all__ == sorted(mailnode.__all__)
    for name in mailnode.__all__:
        assert getattr(mailnode, name) is not None
    with pytest.raises(AttributeError):
        _ = mailnode.nobody


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([\w./-]+\.md)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_reference_reads_the_public_names_without_an_import():
    import griffe

    source = griffe.load("mailnode", search_paths=[ROOT / "src"], submodules=False, allow_inspection=False)
    assert source.exports == mailnode.__all__
