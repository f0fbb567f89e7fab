"""Attachments from the folder `files` beside the flow, and every way to leave that folder."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mailnode.app import Mailnode
from mailnode.errors import AttachmentError, ErrorCode
from mailnode.flow.document import parse_flow
from mailnode.node.spool import MEGABYTE
from mailnode.node.stored_file import check_stored_path, plain_name, read_stored
from support.flows import run, send, to_server, write_flow

DIGEST = "0123456789abcdef" * 2
LARGE = bytes(range(256)) * 6000  # more than stays in memory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path


def files(sent: Any) -> dict[str, tuple[str, bytes]]:
    parts = sent.message.iter_attachments()
    return {part.get_filename(): (part.get_content_type(), part.get_payload(decode=True)) for part in parts}


async def test_a_file_arrives_with_the_name_and_the_type_that_it_has_or_is_given(inbox: Any, folder: Path) -> None:
    (folder / "files" / f"{DIGEST}-Preise für 2026.pdf").write_bytes(LARGE)
    (folder / "files" / "empty.csv").write_bytes(b"")
    attachments = [
        {"type": "file", "path": f"files/{DIGEST}-Preise für 2026.pdf"},
        {"type": "file", "path": " files/empty.csv ", "filename": "{{ input.n }}.x", "contentType": "a/b", "cid": "c"},
    ]
    sent = await send(inbox, folder, {"n": 7}, attachments=attachments)
    assert files(sent) == {"Preise für 2026.pdf": ("application/pdf", LARGE), "7.x": ("a/b", b"")}
    assert "<c>" in {part["Content-ID"] for part in sent.message.iter_attachments()}


async def test_what_waits_in_the_queue_stays_what_it_was(inbox: Any, folder: Path) -> None:
    path = folder / "files" / "a.bin"
    path.write_bytes(LARGE)
    settings = to_server(inbox.port, attachments=[{"type": "file", "path": "files/a.bin"}], asynchronous=True)
    flow = write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
    await run(flow)
    path.write_bytes(b"another")
    path.unlink()
    async with Mailnode.open() as mailnode:
        await mailnode.work(drain=True)
    (received,) = inbox.messages()
    assert len(received.octets()) > len(LARGE)


@pytest.mark.parametrize(
    "path",
    [
        *("", "files", "files/", "a.pdf", "/etc/passwd", "files//a", "/files/a", "./files/a", "Files/a", "file:///a"),
        *("files/../secret.txt", "files/..", "files/.", "files/.hidden", "files/a/b", "files/a/../../secret.txt"),
        *("files\\a", "files/..\\secret.txt", "C:files/a", "files/C:a", "files/a:stream", "\\\\host\\files\\a"),
        *("files/a\n", "files/a\0b", "files/\u2028", "files/\ud800", "files/" + "ä" * 128, "files/a."),
        *("files/*", "files/a?", "files/%2e%2e/a\0", "files/<a>", "~/files/a", "files/a "[:-1] + ". "),
    ],
)
def test_a_path_that_could_leave_the_folder_is_an_error_of_the_setting(path: str) -> None:
    if path == "files/a\n":  # blanks and line ends around a setting are never meant
        assert check_stored_path(path) == "files/a"
        return
    with pytest.raises(AttachmentError) as caught:
        check_stored_path(path)
    assert caught.value.code == ErrorCode.BAD_SETTING
    assert "files/" in caught.value.hint
    assert str(caught.value).isprintable()


def test_dots_in_the_midst_of_a_name_are_a_name(folder: Path) -> None:
    (folder / "files" / "a..b").write_bytes(b"x")
    assert read_stored(folder, "files/a..b", MEGABYTE) == b"x"
    assert plain_name(f"files/{DIGEST}-a.pdf") == "a.pdf"
    assert plain_name("files/abc-a.pdf") == "abc-a.pdf"


@pytest.mark.parametrize(
    ("made", "code", "words"),
    [
        ("nothing", ErrorCode.UNKNOWN_FILE, "is not beside the flow"),
        ("link", ErrorCode.UNKNOWN_FILE, "it is a link"),
        ("link inside", ErrorCode.UNKNOWN_FILE, "it is a link"),
        ("folder", ErrorCode.UNKNOWN_FILE, "it is not a regular file"),
        ("pipe", ErrorCode.UNKNOWN_FILE, "it is not a regular file"),
        ("large", ErrorCode.ATTACHMENT_TOO_LARGE, "the limit is"),
        ("linked folder", ErrorCode.UNKNOWN_FILE, "it is a link"),
        ("no folder", ErrorCode.UNKNOWN_FILE, "is not beside the flow"),
    ],
)
def test_what_is_no_file_of_that_folder_is_not_read(folder: Path, made: str, code: ErrorCode, words: str) -> None:
    path = folder / "files" / "secret.txt"
    if made == "link":
        path.symlink_to(folder / "secret.txt")
    elif made == "link inside":
        (folder / "files" / "b").write_bytes(b"b")
        path.symlink_to("b")
    elif made == "folder":
        path.mkdir()
    elif made == "pipe":
        os.mkfifo(path)
    elif made == "large":
        path.write_bytes(bytes(MEGABYTE + 1))
    elif made in {"linked folder", "no folder"}:
        path.parent.rmdir()
        if made == "linked folder":
            path.parent.symlink_to(folder)
    with pytest.raises(AttachmentError) as caught:
        read_stored(folder, "files/secret.txt", MEGABYTE)
    assert (caught.value.code, words in caught.value.message) == (code, True)
    assert caught.value.hint


async def test_a_missing_file_ends_the_node_with_the_place_and_the_remedy(inbox: Any, folder: Path) -> None:
    settings = to_server(inbox.port, attachments=[{"type": "file", "path": "files/gone.pdf"}])
    flow = write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
    error = (await run(flow)).nodes[0].result["error"]
    assert error["code"] == "unknownFile"
    assert error["message"].startswith("node tell, attachments[0].path: ")
    assert error["hint"] == f"choose the file again, or put it into {folder / 'files'}"
    assert inbox.messages() == []


async def test_a_flow_of_no_folder_has_no_files(inbox: Any, folder: Path) -> None:
    settings = to_server(inbox.port, attachments=[{"type": "file", "path": "files/gone.pdf"}])
    node = {"id": "tell", "type": "sendSmtpEmail", "settings": settings}
    document = parse_flow(json.dumps({"version": 1, "name": "a", "nodes": [node]}), file="a.json", json=True)
    async with Mailnode.open() as mailnode:
        error = (await mailnode.run(document)).nodes[0].result["error"]
    assert error["code"] == "unknownFile"
    assert "attachments[0].path" in error["message"]
    assert "belongs to no folder" in error["message"]


@pytest.mark.parametrize("path", ["{{ input.file }}", "files/{{ input.file }}"])
async def test_a_path_takes_no_expression(folder: Path, inbox: Any, path: str) -> None:
    settings = to_server(inbox.port, attachments=[{"type": "file", "path": path}])
    flow = write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
    with pytest.raises(Exception, match="expressions are not allowed here"):
        await run(flow, input={"file": "files/a"})
