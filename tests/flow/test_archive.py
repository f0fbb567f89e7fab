"""A flow with its files and layouts as one .zip, and back; and what is no such .zip."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mailnode.errors import MailnodeError
from mailnode.flow import archive as archives
from mailnode.flow.archive import read_archive, write_archive
from mailnode.flow.beside import paths_beside
from mailnode.flow.document import parse_flow
from mailnode.flow.flow_files import FlowFiles

NAME = "0123456789abcdef" * 2 + "-terms.pdf"
ATTACHMENTS = [{"type": "file", "path": f"files/{NAME}"}, {"type": "file", "path": "files/logo.png", "cid": "logo"}]
SETTINGS = {"layout": "plain", "attachments": ATTACHMENTS}
FILES = {
    f"files/{NAME}": bytes(range(256)) * 5000,
    "files/logo.png": b"logo",
    "layouts/plain.html": b"<p data-content>",
}


def flow_text(name: str = "hello", **settings: Any) -> str:
    node = {"id": "tell", "type": "sendSmtpEmail", "settings": {**SETTINGS, **settings}}
    return "# Grüße\n" + json.dumps({"version": 1, "name": name, "nodes": [node]})


@pytest.fixture
def here(tmp_path: Path) -> FlowFiles:
    """A folder with one flow that uses all there is."""
    flows = FlowFiles(tmp_path / "here")
    flows.create(flow_text())
    flows.store_sample("hello", {"input": {"a": 1}, "context": {}})
    for path, content in FILES.items():
        (flows.folder / path).parent.mkdir(exist_ok=True)
        (flows.folder / path).write_bytes(content)
    return flows


@pytest.fixture
def elsewhere(tmp_path: Path) -> FlowFiles:
    return FlowFiles(tmp_path / "elsewhere")


def exported(flows: FlowFiles, name: str = "hello") -> io.BytesIO:
    packed = io.BytesIO()
    assert write_archive(flows, name, packed)
    return packed


def packed(**members: bytes) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made


def there(flows: FlowFiles) -> dict[str, bytes]:
    found = (path for path in flows.folder.rglob("*") if path.is_file() and path.name != ".flows.lock")
    return {str(path.relative_to(flows.folder)): path.read_bytes() for path in found}


def test_a_flow_goes_with_all_that_it_uses_and_comes_back_as_it_was(here: FlowFiles, elsewhere: FlowFiles) -> None:
    (here.folder / "files" / "another.pdf").write_bytes(b"of another flow")
    made = read_archive(elsewhere, exported(here))
    assert made.text == flow_text()
    assert elsewhere.sample("hello") == {"input": {"a": 1}, "context": {}}
    assert {path: content for path, content in there(elsewhere).items() if "/" in path} == FILES


def test_a_flow_that_uses_nothing_needs_no_archive_and_what_is_missing_is_missing(here: FlowFiles) -> None:
    here.create(flow_text("bare", layout=None, attachments=[]))
    assert not write_archive(here, "bare", io.BytesIO())
    (here.folder / "files" / "logo.png").unlink()
    (here.folder / "files" / "logo.png").symlink_to("/etc/passwd")
    assert "files/logo.png" not in zipfile.ZipFile(exported(here)).namelist()


def test_what_is_here_already_is_kept_and_what_differs_is_a_conflict(here: FlowFiles, elsewhere: FlowFiles) -> None:
    archive = exported(here)
    before = there(here)
    with pytest.raises(MailnodeError, match="a flow named 'hello' already exists"):
        read_archive(here, archive)
    assert there(here) == before
    (elsewhere.folder / "layouts").mkdir(parents=True)
    (elsewhere.folder / "layouts" / "plain.html").write_bytes(b"<p data-content>other")
    with pytest.raises(MailnodeError, match=r"there is another file layouts/plain\.html here"):
        read_archive(elsewhere, archive)
    assert there(elsewhere) == {"layouts/plain.html": b"<p data-content>other"}
    (elsewhere.folder / "layouts" / "plain.html").write_bytes(FILES["layouts/plain.html"])
    assert read_archive(elsewhere, archive).name == "hello"


def test_a_person_who_packs_it_anew_may_have_a_folder_around(elsewhere: FlowFiles) -> None:
    members = {f"hello/{path}": content for path, content in FILES.items()}
    archive = packed(**members, **{"hello/hello.flow.json": flow_text().partition("\n")[2].encode(), "__MACOSX/x": b""})
    assert read_archive(elsewhere, archive).is_json
    assert there(elsewhere).keys() >= FILES.keys()


@pytest.mark.parametrize(
    "path",
    ["files/../../evil", "/etc/evil", "..\\evil", "files/.evil", "layouts/../evil.html"],
)
def test_nothing_is_written_elsewhere(tmp_path: Path, elsewhere: FlowFiles, path: str) -> None:
    text = flow_text(layout="../evil", attachments=[{"type": "file", "path": path}])
    read_archive(elsewhere, packed(**{"hello.flow.yaml": text.encode(), path: b"evil"}))
    assert [found.name for found in tmp_path.rglob("*evil*")] == []


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (io.BytesIO(b""), "this is not a .zip"),
        (io.BytesIO(b"PK\x03\x04" * 500), "this is not a .zip"),
        (packed(), "holds 0 flows"),
        (packed(**{"a.flow.yaml": flow_text("a").encode(), "b.flow.yaml": flow_text("b").encode()}), "holds 2 flows"),
        (packed(**{"a.flow.yaml": b"\xff"}), "is not UTF-8"),
        (packed(**{"a.flow.yaml": b"no: flow"}), "version"),
        (packed(**{"hello.flow.yaml": flow_text().encode(), "hello.sample.json": b"{"}), "JSON"),
        (packed(**{f"{number:0200}": b"" for number in range(5000)}), "too many files"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_such_archive_is_told_and_leaves_nothing(
    elsewhere: FlowFiles, archive: io.BytesIO, words: str
) -> None:
    with pytest.raises(MailnodeError, match=words) as caught:
        read_archive(elsewhere, archive)
    assert caught.value.hint
    assert not elsewhere.folder.exists() or there(elsewhere) == {}


def test_damage_and_what_unpacks_without_end_leave_nothing(
    here: FlowFiles, elsewhere: FlowFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = bytearray(exported(here).getvalue())
    place = octets.index(b"logo.png") + 10
    octets[place] ^= 1
    with pytest.raises(MailnodeError, match="can't be unpacked"):
        read_archive(elsewhere, io.BytesIO(octets))
    assert there(elsewhere) == {}
    monkeypatch.setattr(archives, "MOST_BYTES", 100_000)
    with pytest.raises(MailnodeError, match="is too large"):
        read_archive(elsewhere, exported(here))
    assert there(elsewhere) == {}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_damage_is_a_defect(elsewhere: FlowFiles, method: int) -> None:
    """Each byte about the files in an archive in turn, and the length of the directory, which moves all of it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr("hello.flow.yaml", "no: flow, é")
        archive.writestr("é", "")
    octets = made.getvalue()
    directory = octets.index(b"PK\x01\x02")
    for place in [*range(80), *range(directory, len(octets))]:
        for other in (0, 0xFF, octets[place] ^ 4):
            damaged = bytearray(octets)
            damaged[place] = other
            with pytest.raises(MailnodeError):
                read_archive(elsewhere, io.BytesIO(damaged))
    assert not elsewhere.folder.exists()


def test_settings_that_are_wrong_name_nothing() -> None:
    given: list[Any] = [
        7,
        {"type": "file"},
        {"type": "file", "path": 3},
        {"type": "file", "path": "../a"},
        *ATTACHMENTS,
    ]
    assert paths_beside(parse_flow(flow_text(layout=["a"], attachments=given), file="")) == tuple(FILES)[:2]
    assert paths_beside(parse_flow(flow_text(layout="a/b", attachments="x"), file="")) == ()
