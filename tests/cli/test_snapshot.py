import json
import stat

import pytest

from mailnode.cli.main import main
from support.command import ended
from support.command import mailnode as full_price

# A passphrase costs half a second of work and 128 MB, on purpose; one test pays that.
CHEAP = """
from mailnode.connections.snapshot import sealed_file
sealed_file.KDF = sealed_file.Kdf(2**4, 8, 1)
from mailnode.cli.main import main
main()
"""

FLOW = "version: 1\nname: hello\nnodes:\n- {id: hi, type: say, settings: {text: Grüße}}\n"
BASIC = {"service": "Gmail", "username": "me@gmail.com", "password": "canary-password"}
OAUTH2 = {
    "hosts": ["127.0.0.1"],
    "user": "me@example.org",
    "clientId": "client",
    "refreshToken": "canary-refresh",
    "accessToken": "canary-access",
    # Nobody listens there: the tokens can't be renewed.
    "accessUrl": "http://127.0.0.1:9/token",
}


def mailnode(*arguments, stdin="", **environment):
    return ended(("-c", CHEAP), arguments, stdin, environment)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder to work in, and a passphrase."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MAILNODE_SNAPSHOT_PASSPHRASE", "canary phrase")
    (folder / "hello.flow.yaml").write_text(FLOW)
    return folder


async def fill():
    fields = json.dumps(BASIC)
    assert (await mailnode("connections", "create", "shop", "--from-json", "-", stdin=fields)).status == 0


async def fill_token():
    fields = json.dumps(OAUTH2)
    done = await mailnode("connections", "create", "token", "--type", "oauth2", "--from-json", "-", stdin=fields)
    assert done.status == 0, done.stderr


async def test_it_is_created_listed_shown_and_restored_elsewhere(home, tmp_path):
    await fill()
    done = await full_price("snapshot", "create", "monday", "hello.flow.yaml")
    assert done.status == 0, done.stderr
    assert "1 flow, 1 connection" in done.stderr
    file = home / "snapshots/monday.mailnode-snapshot"
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert b"canary" not in file.read_bytes()

    (listed,) = (await full_price("snapshot", "list", "--json", MAILNODE_SNAPSHOT_PASSPHRASE="")).json
    assert listed == {"name": "monday", "createdAt": listed["createdAt"], "size": file.stat().st_size}
    assert "monday" in (await full_price("snapshot", "list")).stdout

    shown = await full_price("snapshot", "show", "monday", "--json")
    assert shown.json["flows"] == ["hello.flow.yaml"]
    assert shown.json["connections"] == [
        {"name": "shop", "type": "basic", "user": "me@gmail.com", "for": "Gmail", "handedOver": False}
    ]
    table = await full_price("snapshot", "show", "monday")
    assert "me@gmail.com" in table.stdout
    assert "canary" not in f"{shown}{table}"

    other = {"MAILNODE_HOME": str(tmp_path / "other")}
    done = await full_price(
        "snapshot", "restore", file, "--flows-to", tmp_path / "flows", "--dry-run", "--json", **other
    )
    assert done.json["connections"] == [{"name": "shop", "type": "basic", "change": "new", "tokens": "none"}]
    assert not (tmp_path / "flows").exists()
    done = await full_price("snapshot", "restore", file, "--flows-to", tmp_path / "flows", stdin="y\n", **other)
    assert done.status == 0, done.stderr
    assert (tmp_path / "flows/hello.flow.yaml").read_text() == FLOW
    assert [path.name for path in (tmp_path / "flows").iterdir()] == ["hello.flow.yaml"]
    assert "me@gmail.com" in (await full_price("connections", "show", "shop", **other)).stdout


async def test_nothing_happens_without_a_yes(tmp_path):
    await fill()
    await mailnode("snapshot", "create", "--to", "a.snap")
    other = {"MAILNODE_HOME": str(tmp_path / "other")}
    done = await mailnode("snapshot", "restore", "a.snap", stdin="n\n", **other)
    assert done.status == 130
    assert (await mailnode("connections", "list", "--json", **other)).json == []


async def test_flow_files_that_differ_are_named_and_stay(here):
    await mailnode("snapshot", "create", "--to", "a.snap", "hello.flow.yaml")
    (here / "hello.flow.yaml").write_text("mine")
    done = await mailnode("snapshot", "restore", "a.snap", "--yes")
    assert done.status == 2
    assert "hello.flow.yaml" in done.stderr
    assert "--overwrite-flows" in done.stderr
    assert (here / "hello.flow.yaml").read_text() == "mine"
    assert (await mailnode("snapshot", "restore", "a.snap", "--yes", "--overwrite-flows")).status == 0
    assert (here / "hello.flow.yaml").read_text() == FLOW
    assert sorted(path.name for path in here.iterdir()) == ["a.snap", "hello.flow.yaml"]


async def test_flows_that_can_not_be_written_leave_the_connections_as_they_are(here, tmp_path):
    await fill()
    await mailnode("snapshot", "create", "--to", "a.snap", "hello.flow.yaml")
    (here / "file").write_text("")
    other = {"MAILNODE_HOME": str(tmp_path / "other")}
    done = await mailnode("snapshot", "restore", "a.snap", "--yes", "--flows-to", "file", **other)
    assert done.status == 2
    assert "choose a folder" in done.stderr
    assert (await mailnode("connections", "list", "--json", **other)).json == []


async def test_a_connection_that_can_not_be_restored_leaves_no_flow(here, tmp_path):
    await fill()
    await mailnode("snapshot", "create", "--to", "a.snap", "hello.flow.yaml")
    other = {"MAILNODE_HOME": str(tmp_path / "other")}
    await mailnode("connections", "create", "shop", "--from-json", "-", stdin=json.dumps(BASIC), **other)
    done = await mailnode("snapshot", "restore", "a.snap", "--yes", "--flows-to", "new", **other)
    assert done.status == 2
    assert "another connection named 'shop'" in done.stderr
    assert not (here / "new").exists()
    done = await mailnode(
        "snapshot", "restore", "a.snap", "--yes", "--flows-to", "new", "--rename", "shop=shop2", **other
    )
    assert done.status == 0
    assert [one["name"] for one in (await mailnode("connections", "list", "--json", **other)).json] == ["shop", "shop2"]


async def test_tokens_that_can_not_be_renewed_are_a_warning(tmp_path):
    await fill_token()
    done = await mailnode("snapshot", "create", "--to", "a.snap")
    assert done.status == 0
    assert "warning: " in done.stderr
    other = {"MAILNODE_HOME": str(tmp_path / "other")}
    done = await mailnode("snapshot", "restore", "a.snap", "--yes", **other)
    assert "mailnode connections authorize token" in done.stderr
    assert (await mailnode("connections", "show", "token", **other)).json["state"] == "needsConsent"


async def test_a_connection_is_handed_over(tmp_path):
    await fill()
    await fill_token()
    done = await mailnode("snapshot", "create", "--to", "a.snap", "--hand-over", "token", stdin="y\n")
    assert done.status == 0, done.stderr
    assert [one["name"] for one in (await mailnode("connections", "list", "--json")).json] == ["shop"]
    other = {"MAILNODE_HOME": str(tmp_path / "other")}
    assert "handed over" in (await mailnode("snapshot", "show", "a.snap", **other)).stdout
    assert (await mailnode("snapshot", "restore", "a.snap", "--yes", **other)).status == 0
    assert "refreshToken" in (await mailnode("connections", "show", "token", **other)).json["secrets"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x", "x y", "/tmp/x", "ä", "a" * 65])
async def test_a_name_with_a_path_in_it_is_refused(name, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["snapshot", "create", name])
    assert ended.value.code == 2
    assert "not a valid snapshot name" in capsys.readouterr().err
    assert list(tmp_path.rglob("*.mailnode-snapshot")) == []


async def test_a_name_is_given_once(home):
    assert (await mailnode("snapshot", "create", "monday")).status == 0
    before = (home / "snapshots/monday.mailnode-snapshot").read_bytes()
    done = await mailnode("snapshot", "create", "monday")
    assert done.status == 2
    assert "never overwritten" in done.stderr
    assert (home / "snapshots/monday.mailnode-snapshot").read_bytes() == before


async def test_the_passphrase_comes_from_a_file_stdin_or_two_prompts(here):
    (here / "phrase").write_text("canary phrase\n")
    none = {"MAILNODE_SNAPSHOT_PASSPHRASE": ""}
    assert (await mailnode("snapshot", "create", "a", "--passphrase-file", "phrase", **none)).status == 0
    done = await mailnode("snapshot", "show", "a", "--passphrase-file", "-", "--json", stdin="canary phrase", **none)
    assert done.json["flows"] == []
    done = await mailnode("snapshot", "create", "b", stdin="one\none\n", **none)
    assert done.status == 0, done.stderr
    assert (await mailnode("snapshot", "show", "b", stdin="one\n", **none)).status == 0
    done = await mailnode("snapshot", "show", "b")
    assert done.status == 2
    assert "the passphrase is wrong" in done.stderr
    done = await mailnode("snapshot", "create", "c", "--passphrase-file", "-", **none)
    assert done.status == 2
    assert "empty" in done.stderr
    done = await mailnode("snapshot", "create", "c", **none)
    assert done.status == 2
    assert "mailnode: no passphrase was given\n  hint: type it, or give it with --passphrase-file" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create",), "no name"),
        (("create", "a", "missing.yaml"), "can't be read"),
        (("create", "a", "no.flow.txt"), "file name without a path"),
        (("create", "a", "bad.yaml"), "bad.yaml"),
        (("create", "a", "hello.flow.yaml", "sub/hello.flow.yaml"), "same name"),
        (("create", "a", "--connection", "nobody"), "no connection 'nobody'"),
        (("show", "nothing"), "no snapshot 'nothing'"),
        (("show", "hello.flow.yaml"), "not a mailnode snapshot"),
        (("restore", "nothing", "--rename", "x"), "OLD=NEW"),
    ],
)
async def test_what_can_not_be_is_one_clear_error(here, home, arguments, words):
    (here / "bad.yaml").write_text("version: 1\n")
    (here / "no.flow.txt").write_text(FLOW)
    (here / "sub").mkdir()
    (here / "sub/hello.flow.yaml").write_text(FLOW)
    done = await mailnode("snapshot", *arguments)
    assert done.status == 2
    assert words in done.stderr
    assert "hint: " in done.stderr
    assert list((home / "snapshots").glob("*")) == []


async def test_a_damaged_one_is_listed_as_such(home):
    assert (await mailnode("snapshot", "list")).status == 0
    (home / "snapshots").mkdir(parents=True)
    (home / "snapshots/a.mailnode-snapshot").write_bytes(b"mailnode snap")
    assert (await mailnode("snapshot", "list", "--json")).json == [
        {"name": "a", "trouble": "the snapshot is incomplete"}
    ]
    assert "incomplete" in (await mailnode("snapshot", "list")).stdout


async def test_a_key_is_changed_on_the_command_line(home):
    await fill()
    before = (home / "secret.key").read_bytes()
    done = await mailnode("connections", "rekey")
    assert done.status == 0, done.stderr
    assert "1 connection " in done.stderr
    assert (home / "secret.key").read_bytes() != before
    assert (await mailnode("snapshot", "create", "a")).status == 0
    shown = await mailnode("connections", "show", "shop")
    assert shown.json["revision"] == 1
