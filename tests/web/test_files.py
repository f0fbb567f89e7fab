"""Files beside a flow over HTTP: stored as they come, checked, shown to who is logged in, and to nobody else."""

import asyncio
import base64
import hashlib

import pytest

from mailnode.connections.snapshot import sealed_file
from mailnode.connections.snapshot.sealed_file import Kdf
from mailnode.web import site as site_module
from mailnode.web.security.guard import MAX_UPLOAD_OCTETS
from support.web import TOKEN

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
RAW = {"Content-Type": "application/octet-stream"}


@pytest.fixture
async def flow(api):
    return (await api.post("/api/flows", json={"name": "hello", "sender": "me@example.com"})).json()


def stored(site):
    folder = site.flow_files.folder / "files"
    return sorted(path.name for path in folder.iterdir() if path.name != ".swept") if folder.exists() else []


async def upload(api, content, name="logo.png", digest=None, **params):
    said = {} if digest is None else {"Content-Digest": digest}
    params = {"filename": name, **params}
    return await api.post("/api/flows/hello/files", content=content, params=params, headers={**RAW, **said})


def digest_of(content):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


async def test_a_file_is_stored_and_shown_again_and_sent_by_its_path(api, flow, site):
    answer = await upload(api, PNG, digest=digest_of(PNG))
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert (file["filename"], file["contentType"], file["size"]) == ("logo.png", "image/png", len(PNG))
    assert stored(site) == [file["path"].removeprefix("files/")]
    shown = await api.get(f"/api/flows/hello/{file['path']}")
    assert (shown.content, shown.headers["Content-Type"]) == (PNG, "image/png")
    assert shown.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Disposition"] == "attachment"
    document = flow["document"]
    settings = document["nodes"][0]["settings"]
    settings["attachments"] = [{"type": "file", "path": file["path"], "cid": "logo"}]
    settings["content"] = '<p><img src="cid:logo" alt="us"></p>'
    made = (await api.post("/api/preview", json={"text": flow["text"], "document": document})).json()
    assert made["errors"] == []
    frame = (await api.get(made["preview"]["html"])).text
    assert base64.b64encode(PNG).decode() in frame


async def test_a_flow_is_exported_with_its_files_and_imported_again(api, flow, site):
    assert (await api.get("/api/flows/hello/export")).text == flow["text"]
    path = (await upload(api, PNG)).json()["path"]
    document = flow["document"]
    document["nodes"][0]["settings"]["attachments"] = [{"type": "file", "path": path}]
    said = {"text": flow["text"], "document": document, "revision": flow["revision"]}
    saved = (await api.put("/api/flows/hello", json=said)).json()
    answer = await api.get("/api/flows/hello/export")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="hello.zip"'
    again = await api.post("/api/flows/import", content=answer.content, headers=RAW)
    assert again.status_code == 409
    await api.delete("/api/flows/hello")
    (site.flow_files.folder / path).unlink()
    made = (await api.post("/api/flows/import", content=answer.content, headers=RAW)).json()
    assert made["text"] == saved["text"]
    assert (site.flow_files.folder / path).read_bytes() == PNG
    bad = await api.post("/api/flows/import", content=b"x" * 100, headers=RAW)
    assert bad.status_code == 422
    assert "not a .zip" in bad.json()["error"]["message"]


async def test_a_snapshot_carries_the_files_of_its_flows(api, flow, site, home, monkeypatch):
    monkeypatch.setattr(sealed_file, "KDF", Kdf(2**4, 8, 1))  # a passphrase that costs nothing
    secret = {"name": "before", "passphrase": "correct horse battery staple"}
    path = (await upload(api, PNG)).json()["path"]
    document = flow["document"]
    document["nodes"][0]["settings"]["attachments"] = [{"type": "file", "path": path}]
    said = {"text": flow["text"], "document": document, "revision": flow["revision"]}
    assert (await api.put("/api/flows/hello", json=said)).status_code == 200
    made = (await api.post("/api/snapshots", json=secret)).json()
    assert made["files"] == [path]
    # A reader of the first format would lose them without a word.
    assert (home / "snapshots" / "before.mailnode-snapshot").read_bytes().startswith(b"mailnode snapshot 2\n")
    stored_file = site.flow_files.folder / path
    stored_file.write_bytes(b"another")
    opening = {"passphrase": secret["passphrase"]}
    planned = (await api.post("/api/snapshots/before/plan", json=opening)).json()
    assert (planned["flows"], planned["files"]) == ({"hello.flow.yaml": "same"}, {path: "changed"})
    refused = await api.post("/api/snapshots/before/restore", json=opening)
    assert path in refused.json()["error"]["message"]
    stored_file.unlink()
    assert (await api.post("/api/snapshots/before/restore", json=opening)).status_code == 200
    assert stored_file.read_bytes() == PNG
    stored_file.unlink()
    stored_file.parent.joinpath(".swept").unlink(missing_ok=True)
    stored_file.parent.rmdir()
    stored_file.parent.symlink_to(home)
    assert "is a link" in (await api.post("/api/snapshots/before/plan", json=opening)).json()["error"]["message"]


async def test_what_is_no_picture_is_only_downloaded(api, flow):
    for name in ("page.html", "page.svgz", "a.pdf", "a"):
        path = (await upload(api, b"<script>alert(1)</script>", name)).json()["path"]
        assert (await api.get(f"/api/flows/hello/{path}")).headers["Content-Type"] == "application/octet-stream"
    path = (await upload(api, b"<svg/>", "a.svg")).json()["path"]
    shown = await api.get(f"/api/flows/hello/{path}")
    assert "sandbox" in shown.headers["Content-Security-Policy"]


REFUSED = [
    (b"", {}, "is empty"),
    (bytes(2**20 + 1), {"maxAttachmentMB": "1"}, "the limit is 1 MB"),
    (PNG, {"maxAttachmentMB": "0"}, "more than 0"),
    (PNG, {"maxAttachmentMB": "1e9"}, "at most 1024"),
    (PNG, {"digest": digest_of(b"another")}, "did not arrive as it was sent"),
    (PNG, {"digest": "md5=:AAAA:"}, "no SHA-256"),
    (PNG, {"digest": "sha-256=:" + "=" * 44 + ":"}, "no SHA-256"),
    (PNG, {"name": "a\r\nb"}, "control character"),
    (PNG, {"name": "x" * 1001}, "1000"),
]


async def test_what_is_refused_leaves_nothing(api, flow, site):
    for content, rules, words in REFUSED:
        answer = await upload(api, content, **rules)
        assert answer.status_code == 422, answer.text
        error = answer.json()["error"]
        assert words in error["message"]
        assert error["hint"]
    assert stored(site) == []


async def test_a_name_that_is_a_path_stays_in_the_folder(api, flow, site):
    for name in ("../../evil.png", "/etc/cron.d/evil.png", "..\\evil.png", "C:\\evil.png", "files/evil.png"):
        assert (await upload(api, PNG, name)).json()["path"].endswith("-evil.png")
    assert len(stored(site)) == 1
    assert not list(site.flow_files.folder.parent.glob("evil*"))


async def test_no_path_shows_what_lies_elsewhere(api, flow, site):
    await upload(api, PNG)
    paths = [
        "..%2fhello.flow.yaml",
        "%2e%2e",
        "..%5chello.flow.yaml",
        ".swept",
        "nothing.png",
        "a%00b",
        "%2fetc%2fpasswd",
    ]
    for path in paths:
        answer = await api.get(f"/api/flows/hello/files/{path}")
        assert answer.status_code in {404, 422}, path
        assert "version: 1" not in answer.text


async def test_only_who_is_logged_in_stores_and_sees_files(api, stranger, flow, site):
    path = (await upload(api, PNG)).json()["path"]
    assert (await upload(stranger, PNG + b"2")).status_code == 401
    assert (await stranger.get(f"/api/flows/hello/{path}")).status_code == 401
    assert len(stored(site)) == 1
    answer = await api.post("/api/flows/nobody/files", content=PNG, params={"filename": "a"}, headers=RAW)
    assert answer.status_code == 404


async def test_an_upload_may_be_larger_than_other_requests_but_not_endless(api, flow):
    said = {**RAW, "Content-Length": str(MAX_UPLOAD_OCTETS + 1)}
    answer = await api.post("/api/flows/hello/files", content=b"x", params={"filename": "a"}, headers=said)
    assert answer.status_code == 413


async def test_who_goes_away_midway_leaves_nothing_and_is_no_defect(app, flow, site, caplog):
    """By ASGI itself, as a server tells it."""
    there = asyncio.Event()
    pieces = [{"type": "http.request", "body": bytes(70_000), "more_body": True}]

    async def receive():
        if pieces:
            return pieces.pop()
        assert len(stored(site)) == 1
        there.set()
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/flows/hello/files",
        "raw_path": b"/api/flows/hello/files",
        "query_string": b"filename=a",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    assert caplog.records == []
    assert there.is_set()
    assert stored(site) == []


async def test_the_server_sweeps_the_folder_that_it_serves(site, monkeypatch):
    loop, swept = asyncio.get_running_loop(), asyncio.Queue[object]()
    monkeypatch.setattr(site_module, "sweep_below", lambda folder: loop.call_soon_threadsafe(swept.put_nowait, folder))
    async with site.working():
        assert await swept.get() == site.flow_files.folder
