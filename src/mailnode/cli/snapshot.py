"""`mailnode snapshot`: flows and connections in one encrypted file. The passphrase is never on the command line."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailnode.cli.arguments import read_text
from mailnode.cli.output import answered, confirm, counted, say, show_json, show_table, time_of, waiting
from mailnode.errors import SnapshotError, UsageError

if TYPE_CHECKING:
    from mailnode.connections.snapshot.contents import Snapshot
    from mailnode.snapshots import RestorePlan

_TOKENS = {
    "none": "",
    "kept": "keep those here",
    "restored": "take those of the snapshot",
    "needsConsent": "needs consent",
}

_passphrase_file = click.option(
    "--passphrase-file",
    metavar="FILE|-",
    help="A file that holds the passphrase. [default: MAILNODE_SNAPSHOT_PASSPHRASE, or a prompt]",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("snapshot")
def command() -> None:
    """Save flows and connections in one encrypted file, and restore them here or elsewhere."""


@command.command("create")
@click.argument("name", required=False)
@click.argument("flows", nargs=-1, type=click.Path(path_type=Path))
@click.option("--to", "file", type=click.Path(path_type=Path), help="Write this file instead of NAME in the home.")
@click.option("--connection", "names", multiple=True, metavar="NAME", help="Only this connection; may be repeated.")
@click.option(
    "--hand-over", multiple=True, metavar="NAME", help="Move this connection with its tokens: it is deleted here."
)
@_passphrase_file
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def create(
    name: str | None,
    flows: tuple[Path, ...],
    file: Path | None,
    names: tuple[str, ...],
    hand_over: tuple[str, ...],
    passphrase_file: str | None,
    yes: bool,
) -> None:
    """Write a snapshot of flow files and connections; their tokens are renewed first.

    With --to, all arguments are flow files.
    """
    from mailnode import snapshots
    from mailnode.environment import Environment

    environment = Environment.read()
    if file is not None:
        flows = (Path(name), *flows) if name else flows
    elif name is None:
        raise UsageError("the snapshot has no name", hint="give a NAME, or --to FILE")
    path = file or snapshots.named_path(environment.home, name or "")
    passphrase = _passphrase(passphrase_file, twice=True)
    if hand_over and not yes:
        confirm(f"Delete {', '.join(hand_over)} here once the snapshot is written?")
    with waiting("renewing tokens and writing the snapshot"):
        snapshot, errors = asyncio.run(snapshots.create(environment, path, passphrase, flows, names, hand_over))
    for error in errors:
        say(f"warning: {error}")
    counts = [counted(len(snapshot.flows), "flow"), counted(len(snapshot.connections), "connection")]
    if snapshot.beside:
        counts.insert(1, counted(len(snapshot.beside), "file"))
    say(f"{path}: {', '.join(counts)}")
    for one in hand_over:
        say(f"connection {one} was handed over and deleted here")


@command.command("list")
@_json
def list_(as_json: bool) -> None:
    """List the snapshots in the home; no passphrase is needed."""
    from mailnode.environment import Environment
    from mailnode.snapshots import listed

    found = listed(Environment.read().home)
    if as_json:
        show_json(found)
        return
    rows = [
        (one["name"], one["trouble"], "")
        if "trouble" in one
        else (one["name"], time_of(one["createdAt"]), str(one["size"]))
        for one in found
    ]
    empty = "no snapshots yet; create one with `mailnode snapshot create NAME FLOW...`"
    show_table(("Snapshot", "Created", "Bytes"), rows, empty=empty)


@command.command("show")
@click.argument("source", metavar="NAME|FILE")
@_passphrase_file
@_json
def show(source: str, passphrase_file: str | None, as_json: bool) -> None:
    """Show the contents of a snapshot, without its secrets."""
    snapshot = _open(source, passphrase_file)
    connections = [one.shown() for one in snapshot.connections]
    if as_json:
        flows = [flow.name for flow in snapshot.flows]
        files = [one.path for one in snapshot.beside]
        said = {"createdAt": snapshot.created_at, "flows": flows, "files": files, "connections": connections}
        show_json(said)
        return
    say(f"created {time_of(snapshot.created_at)}")
    show_table(("Flow",), [(flow.name,) for flow in snapshot.flows], empty="no flows")
    if snapshot.beside:
        show_table(("File", "Bytes"), [(one.path, str(len(one.content))) for one in snapshot.beside], empty="")
    rows = [(one["name"], one["type"], one["user"], one["for"], _handed(one)) for one in connections]
    show_table(("Connection", "Type", "User", "For", "Tokens"), rows, empty="no connections")


@command.command("restore")
@click.argument("source", metavar="NAME|FILE")
@click.option(
    "--flows-to",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The folder for the flow files. [default: this one]",
)
@click.option("--overwrite-flows", is_flag=True, help="Replace flow files that differ.")
@click.option(
    "--rename",
    "renames",
    multiple=True,
    metavar="OLD=NEW",
    help="Restore a connection under another name; may be repeated.",
)
@_passphrase_file
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@_json
def restore(
    source: str,
    flows_to: Path,
    overwrite_flows: bool,
    renames: tuple[str, ...],
    passphrase_file: str | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Restore the flows and connections of a snapshot, all of them or none."""
    rename = _renames(renames)
    snapshot = _open(source, passphrase_file)
    from mailnode import snapshots
    from mailnode.environment import Environment

    environment = Environment.read()
    planned = asyncio.run(snapshots.plan_restore(environment, snapshot, flows_to, rename))
    _show_plan(planned, as_json=as_json)
    try:
        snapshots.check_overwrite(planned, overwrite=overwrite_flows)
    except SnapshotError as error:
        error.hint = "give --overwrite-flows to replace them, or --flows-to another folder; nothing was changed"
        raise
    if dry_run:
        say("nothing was changed")
        return
    if not yes:
        confirm("Restore this?")
    asyncio.run(snapshots.restore_snapshot(environment, snapshot, planned, rename, overwrite=overwrite_flows))
    say("restored")
    for step in planned.connections:
        if step.tokens == "needsConsent":
            say(f"  next: run `mailnode connections authorize {step.name}` to give consent")


def _open(source: str, passphrase_file: str | None) -> "Snapshot":
    from mailnode.environment import Environment
    from mailnode.snapshots import find_path, open_snapshot

    path = find_path(Environment.read().home, source)
    return open_snapshot(path, _passphrase(passphrase_file))


def _passphrase(source: str | None, *, twice: bool = False) -> str:
    if source is not None:
        passphrase = read_text(source).removesuffix("\n").removesuffix("\r")
    elif given := os.environ.get("MAILNODE_SNAPSHOT_PASSPHRASE"):
        passphrase = given
    else:
        is_terminal = sys.stdin.isatty()
        hint = "type it, or give it with --passphrase-file or MAILNODE_SNAPSHOT_PASSPHRASE"
        with answered("no passphrase was given", hint):
            passphrase = click.prompt("Passphrase", hide_input=is_terminal, confirmation_prompt=twice, err=True)
    if not passphrase:
        raise UsageError(
            "the passphrase is empty", hint="choose one that is hard to guess, and keep it: it can't be recovered"
        )
    return passphrase


def _renames(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for old, _, new in pairs:
        if not old or not new:
            raise UsageError("--rename must be OLD=NEW", hint="write --rename shop=shop2")
    return {old: new for old, _, new in pairs}


def _show_plan(planned: "RestorePlan", *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "flows": [{"file": str(step.path), "change": step.change} for step in planned.flows],
                "files": [{"file": str(step.path), "change": step.change} for step in planned.beside],
                "connections": [
                    {"name": step.name, "type": step.type, "change": step.change, "tokens": step.tokens}
                    for step in planned.connections
                ],
            }
        )
        return
    rows = [("flow", str(step.path), step.change, "") for step in planned.flows]
    rows += [("file", str(step.path), step.change, "") for step in planned.beside]
    rows += [("connection", step.name, step.change, _TOKENS[step.tokens]) for step in planned.connections]
    show_table(("What", "Name", "Change", "Tokens"), rows, empty="the snapshot is empty")


def _handed(one: dict[str, Any]) -> str:
    return "handed over" if one["handedOver"] else ""
