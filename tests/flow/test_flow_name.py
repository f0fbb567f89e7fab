"""Names of flows, with folders: they lead nowhere but to a flow file."""

from pathlib import Path

import pytest

from mailnode.flow.flow_name import folders_of_flows, is_flow_name, top_of

NAMES = [
    "a",
    "A-b_9",
    "files",
    "runs",
    "marketing/welcome",
    "a/b/c/d/e",
    "x" * 64,
    f"{'x' * 64}/{'y' * 64}",
    "a/layout",
]
NO_NAMES = [
    "", "/", "a/", "/a", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a\\b", "a\n", "a/b\n", "a b",
    "é", "a.b", "x" * 65, f"{'x' * 65}/a", "a/b/c/d/e/f", "files/a", "Files/a", "a/layouts/b",
    "a/file", "a/files", "a/sample", "a/runs", "a/rename", "a/export", "a/import", "a/check", "~/a", "a\0/b",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one(name):
    assert is_flow_name(name)


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_what_leads_elsewhere_is_none(name):
    assert not is_flow_name(name)


@pytest.mark.parametrize(
    ("path", "name", "top"),
    [
        ("/f/a.flow.yaml", "a", "/f"),
        ("/f/other.yaml", "a", "/f"),
        ("/f/m/a.flow.yaml", "m/a", "/f"),
        ("/f/m/renamed.yaml", "m/a", "/f"),
        ("/f/n/m/a.flow.yaml", "n/m/a", "/f"),
        ("/f/m/a.flow.yaml", "a", "/f/m"),
        ("/f/x/a.flow.yaml", "m/a", "/f/x"),
        ("a.flow.yaml", "m/a", "."),
        ("m/a.flow.yaml", "m/a", "."),
        ("/a.flow.yaml", "m/a", "/"),
    ],
)
def test_the_top_is_where_the_name_begins(path, name, top):
    assert top_of(Path(path), name) == Path(top)


def test_folders_are_looked_into_only_where_flows_can_be(tmp_path):
    for folder in ("m/n", "files", "m/layouts", ".git", "no name", "1/2/3/4/5"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "linked").symlink_to(tmp_path / "m")
    found = {folder for folder, _ in folders_of_flows(tmp_path)}
    assert found == {"", "m/", "m/n/", "1/", "1/2/", "1/2/3/", "1/2/3/4/"}
    assert list(folders_of_flows(tmp_path / "nowhere")) == []
