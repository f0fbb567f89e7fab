"""`mailnode preview`: the exact message that a node would send."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click

from mailnode.cli.arguments import json_object, state_options
from mailnode.cli.output import clean, say, show_json
from mailnode.errors import UsageError
from mailnode.message.tree import Part
from mailnode.node.send_email import Composition


@click.command("preview")
@click.argument("flow", type=click.Path())
@click.argument("node", required=False)
@state_options
@click.option("--eml", type=click.Path(dir_okay=False), help="Write the message to this file too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    flow: str, node: str | None, input_text: str | None, context_text: str | None, eml: str | None, as_json: bool
) -> None:
    """Show the message that a node would send, without sending it.

    By default NODE is the first one that sends email. Attachments from URLs are fetched.
    """
    from mailnode.app import Mailnode

    input_, context = json_object(input_text, "--input"), json_object(context_text, "--context")

    async def work() -> Composition:
        async with Mailnode.open() as mailnode:
            return await mailnode.dry_run(flow, node, input=input_, context=context).compose()

    made = asyncio.run(work())
    if eml:
        _write(made, Path(eml))
    if as_json:
        show_json(_to_json(made))
        return
    for line in _lines(made):
        click.echo(clean(line))
    for warning in made.warnings:
        say(f"warning: {warning}")


def _write(made: Composition, path: Path) -> None:
    try:
        with path.open("wb") as file:
            file.writelines(made.message.blocks())
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}", hint="give another path") from None


def _lines(made: Composition) -> Iterator[str]:
    message, server = made.message, made.route.server
    yield f"server      {server.address} ({server.tls_option})" + (
        f" as {made.route.connection}" if made.route.connection else ""
    )
    yield f"envelope    from <{message.envelope.reverse_path or ''}>"
    for path in message.envelope.forward_paths:
        yield f"            to <{path}> ({message.fields[path]})"
    yield ""
    yield from (f"{name}: {value}" for name, value in message.header_fields)
    yield ""
    yield from _tree(message.root, "")
    yield ""
    yield f"{message.size} bytes"


def _tree(part: Part, indent: str) -> Iterator[str]:
    about = [part.media_type, part.encoding, part.disposition, part.filename, f"cid:{part.cid}" if part.cid else ""]
    size = f"{part.size} bytes" if not part.parts else ""
    yield indent + "  ".join(word for word in (*about, size) if word)
    for inner in part.parts:
        yield from _tree(inner, indent + "  ")


def _to_json(made: Composition) -> dict[str, object]:
    message = made.message
    return {
        "host": made.route.server.host,
        "port": made.route.server.port,
        "tlsOption": made.route.server.tls_option,
        "connection": made.route.connection,
        "envelope": {"from": message.envelope.reverse_path, "to": list(message.envelope.forward_paths)},
        "headerFields": [list(field) for field in message.header_fields],
        "parts": message.root.to_json(),
        "size": message.size,
        "warnings": list(made.warnings),
    }
