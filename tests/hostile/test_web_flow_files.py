"""Names that lead out of the flows' folder, links in it that do, two who edit one flow, and files of strangers."""

import asyncio
import hashlib
import json
import smtplib
import subprocess
import sys
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest

from mailnode.flow.flow_files import FlowFiles

FLOW = "version: 1\nname: {}\nnodes:\n- {{id: a, type: say, settings: {{text: hi}}}}\n"
SECRET = "a secret of the machine"
NAMES = [
    "..", "../outside", "..%2foutside", "%2e%2e%2foutside", "%252e%252e%252foutside", "..%5coutside", "..\\outside",
    "%2fetc%2fpasswd", "outside%00", "%00", "a%00/../../outside", "con", "NUL", "aux.flow", "a:b", "a::$DATA",
    "C:outside", "%c0%ae%c0%ae%c0%afoutside", "..;", "~", "~root", "$HOME", "*", "?", "hello.flow.yaml", "hello.sample",
    "hello%0a", "HELLO", "h%C3%A9llo", "hello%20", "%20hello", "x" * 65, "x" * 5000, ".hello", "-rf%20",
    "hello/../outside",
]  # fmt: skip


@pytest.fixture
def around(site, home):
    """Put a flow on the flow files, and one beside its folder."""
    site.flow_files.create(FLOW.format("hello"))
    (home / "outside.flow.yaml").write_text(FLOW.format("outside") + f"# {SECRET}\n")
    (home / "outside.sample.json").write_text(f'{{"input": {{"a": "{SECRET}"}}, "context": {{}}}}')
    return home


def octets_of(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).digest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("mailnode.db")
    }


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name[:30]) for name in NAMES])
async def test_no_name_reads_writes_renames_or_deletes_another_file(api, around, name):
    before = octets_of(around)
    text = FLOW.format("hello")
    for method, path, said in (
        ("GET", "", None),
        ("GET", "/file", None),
        ("PUT", "", {"text": text, "revision": "x"}),
        ("PUT", "/sample", {"input": {}, "context": {}}),
        ("POST", "/runs", {}),
        ("DELETE", "", None),
    ):
        answer = await api.request(method, f"/api/flows/{name}{path}", json=said)
        assert answer.status_code in {307, 404, 405, 422}, (method, answer.status_code)
        assert SECRET not in answer.text
    assert (await api.get(f"/flows/{name}")).status_code in {200, 303, 307, 404}
    assert octets_of(around) == before


TEXT_NAMES = [
    "..",
    "../outside",
    "/etc/x",
    "a/../b",
    "files/b",
    "a/runs",
    "a\\b",
    "a\0b",
    "a\nb",
    "",
    " ",
    ".",
    "x" * 65,
    "é",
    "\ud800",
    "a.b",
]


@pytest.mark.parametrize("name", TEXT_NAMES, ids=[ascii(name[:30]) for name in TEXT_NAMES])
async def test_no_flow_takes_a_name_that_leads_out(api, site, around, name):
    before = octets_of(around)
    hello = site.flow_files.get("hello")
    document = {"version": 1, "name": name, "nodes": [{"id": "a", "type": "say", "settings": {"text": "hi"}}]}
    for method, path, said in (
        ("POST", "/api/flows", {"name": name}),
        ("POST", "/api/flows", {"name": name, "copyOf": "hello"}),
        ("POST", "/api/flows", {"name": "ok", "copyOf": name}),
        ("PUT", "/api/flows/hello", {"text": hello.text, "document": document, "revision": hello.revision}),
        ("POST", "/api/snapshots", {"name": name, "passphrase": "a long passphrase of ours"}),
        ("POST", "/api/snapshots", {"name": "ok", "passphrase": "a long passphrase of ours", "flows": [name]}),
    ):
        if path == "/api/snapshots" and said["name"] == name and name in {"x" * 65, "a.b", "é"}:
            continue  # a file of that name stays in its folder
        answer = await api.request(method, path, content=json.dumps(said), headers={"Content-Type": "application/json"})
        assert answer.status_code in {404, 409, 422}, (said, answer.text)
    assert octets_of(around) == before


async def test_a_link_that_leads_out_of_the_folder_is_not_followed(api, site, around):
    outside, sample = around / "outside.flow.yaml", around / "outside.sample.json"
    (site.flow_files.folder / "outside.flow.yaml").symlink_to(outside)
    (site.flow_files.folder / "hello.sample.json").symlink_to(sample)
    before = outside.read_bytes(), sample.read_bytes()
    revision = hashlib.sha256(before[0]).hexdigest()[:16]
    for method, path, said in (
        ("GET", "/outside", None),
        ("GET", "/outside/file", None),
        ("PUT", "/outside", {"text": FLOW.format("outside"), "revision": revision}),
        ("POST", "/outside/runs", {}),
        ("DELETE", "/outside", None),
        ("POST", "", {"name": "copy", "copyOf": "outside"}),
    ):
        answer = await api.request(method, f"/api/flows{path}", json=said)
        assert (answer.status_code, SECRET in answer.text) == (404, False), (method, path, answer.text)
        assert "outside the flows' folder" in answer.json()["error"]["message"]
    assert "outside" not in [flow["name"] for flow in (await api.get("/api/flows")).json()]
    assert site.flow_files.sample("hello") == {"input": {}, "context": {}}
    assert (await api.put("/api/flows/hello/sample", json={"input": {"b": 1}, "context": {}})).status_code == 200
    assert (await api.delete("/api/flows/hello")).status_code == 204
    assert (outside.read_bytes(), sample.read_bytes()) == before


async def test_a_link_to_a_file_of_the_folder_is_one_of_its_files(api, site):
    """As where a folder is mounted whose files are links into the present one of its versions."""
    (site.flow_files.folder / "v1").mkdir(parents=True)
    (site.flow_files.folder / "v1" / "linked.flow.yaml").write_text(FLOW.format("linked"))
    (site.flow_files.folder / "linked.flow.yaml").symlink_to("v1/linked.flow.yaml")
    assert (await api.get("/api/flows/linked")).status_code == 200


SAVES = """
import sys
from pathlib import Path
from mailnode.errors import SettingsError
from mailnode.flow.flow_files import FlowFiles

flow_files = FlowFiles(Path(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    revision, word = line.split()
    try:
        flow_files.save("hello", flow_files.get("hello").text.replace("hi", word), revision)
    except SettingsError:
        print("refused", flush=True)
    else:
        print("saved", flush=True)
"""


def test_of_two_processes_that_save_the_same_revision_one_does(tmp_path):
    """Each of a hundred times: two editors on one folder, as of two people."""
    flow_files = FlowFiles(tmp_path)
    flow_files.create(FLOW.format("hello"))
    command = [sys.executable, "-c", SAVES, str(tmp_path)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
    ):
        both = {"one": one, "other": other}
        pipes = {name: (process.stdin, process.stdout) for name, process in both.items()}
        for _, heard in pipes.values():
            assert heard
            assert heard.readline() == "ready\n"
        for number in range(100):
            revision = flow_files.get("hello").revision
            for name, (told, _) in pipes.items():
                assert told
                told.write(f"{revision} hi-{name}-{number}\n")
                told.flush()
            answers = {name: heard.readline().strip() for name, (_, heard) in pipes.items() if heard}
            assert sorted(answers.values()) == ["refused", "saved"], number
            winner = next(name for name, answer in answers.items() if answer == "saved")
            assert f"hi-{winner}-{number}" in flow_files.get("hello").text
        for told, _ in pipes.values():
            assert told
            told.close()


async def test_of_many_who_save_the_same_revision_one_does(api, site):
    there = site.flow_files.create(FLOW.format("hello"))
    texts = [there.text.replace("hi", f"hi {number}") for number in range(8)]
    answers = await asyncio.gather(
        *(api.put("/api/flows/hello", json={"text": text, "revision": there.revision}) for text in texts)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    saved = next(text for text, answer in zip(texts, answers, strict=True) if answer.status_code == 200)
    assert site.flow_files.get("hello").text == saved


async def test_of_many_who_take_the_same_name_one_does(api, site):
    answers = await asyncio.gather(*(api.post("/api/flows", json={"name": "new"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


FILENAMES = [
    'a"; filename="b.html', "a\r\nSet-Cookie: x=y", "a\r\n\r\n<script>", "../../etc/passwd", "..\\..\\x.exe",
    "a\0b.html", "\u202egpj.exe", "a;b=c", "a'b''c", "\ud800", "é" * 30, "x.html", "con", "", ".", "..", "a\u2028b",
]  # fmt: skip


@pytest.mark.parametrize("filename", FILENAMES, ids=[ascii(name[:20]) for name in FILENAMES])
async def test_a_file_of_a_stranger_is_a_download_and_nothing_else(api, site, filename):
    media_type = ("text/html", "image/svg+xml", "application/xhtml+xml")[len(filename) % 3]
    mail = EmailMessage()
    mail["Subject"] = "Hi"
    mail.set_content("Hi")
    mail.add_attachment(b"<script>alert(1)</script>", *media_type.split("/"), filename="NAME")
    quoted = "".join(f"%{octet:02X}" for octet in filename.encode("utf-8", "surrogatepass"))
    octets = mail.as_bytes(policy=SMTP).replace(b'filename="NAME"', b"filename*=utf-8''" + quoted.encode())
    await asyncio.to_thread(_put, site.inbox_port, octets)
    number = site.inbox.messages()[-1].number
    part = (await api.get(f"/api/inbox/{number}")).json()["root"]["parts"][-1]["number"]
    answer = await api.get(f"/api/inbox/{number}/parts/{part}")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    said = answer.headers["Content-Disposition"]
    value = said.removeprefix("attachment; filename*=UTF-8''")
    assert value != said
    assert set(value) <= set("%-._~") | set(map(chr, (*range(48, 58), *range(65, 91), *range(97, 123))))
    assert "%E2%80%AE" not in value  # which would turn the rest around
    assert not {"%2F", "%5C", "%0D", "%0A", "%00"} & {value[at : at + 3].upper() for at in range(len(value))}


def _put(port, octets):
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("shop@example.com", ["jane@example.org"], octets)


async def test_a_large_flow_keeps_nobody_waiting(api):
    nodes = "".join(f"  - {{id: n{number}, type: say, settings: {{text: hi}}}}\n" for number in range(1000))
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/api/flows", {"text": f"version: 1\nname: big\nnodes:\n{nodes}"}),
        ("GET", "/api/flows/big", None),
        ("POST", "/api/flows/big/runs", {"input": {}}),
    ]
    for method, path, body in asked:
        request = asyncio.create_task(api.request(method, path, json=body))
        answered = 0
        while not request.done():
            assert (await api.get("/health")).status_code in {200, 503}
            answered += 1
        assert request.result().status_code in {200, 201}, request.result().text
        assert answered > 3, path
