"""`mailnode inbox`: a test inbox, that is an SMTP server that keeps all email, and its contents."""

import itertools
from contextlib import suppress

import click

from mailnode.cli.output import counted, say, show_json, show_table
from mailnode.cli.signals import run_long
from mailnode.environment import Environment
from mailnode.inbox.folder import InboxFolder
from mailnode.inbox.server import inbox_of


@click.group("inbox", invoke_without_command=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=1025,
    show_default=True,
    metavar="PORT",
    help="The port; 0 takes a free one.",
)
@click.pass_context
def command(context: click.Context, port: int) -> None:
    """Run a test inbox until Ctrl-C: an SMTP server on this machine that keeps all email."""
    if context.invoked_subcommand is None:
        with suppress(KeyboardInterrupt):  # it runs until it is stopped, so that is a good end
            run_long(_serve(port))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the emails in the test inbox."""
    caught = _folder().messages()
    if as_json:
        show_json([one.to_json() for one in caught])
        return
    rows = [(str(one.number), one.sender, ", ".join(one.rcpt_to), one.subject, str(one.size)) for one in caught]
    empty = "no emails yet; `mailnode inbox` listens on port 1025"
    show_table(("No.", "From", "To", "Subject", "Bytes"), rows, empty=empty)


@command.command("show")
@click.argument("number", type=int)
def show(number: int) -> None:
    """Print an email as it was received."""
    click.echo(_folder().get(number).octets(), nl=False)


@command.command("clear")
def clear() -> None:
    """Delete all emails in the test inbox."""
    say(f"{counted(_folder().clear(), 'email')} deleted")


def _folder() -> InboxFolder:
    return InboxFolder(Environment.read().home / "inbox")


async def _serve(port: int) -> None:
    async with inbox_of(Environment.read().home, port, "--port") as inbox:
        say(f"receiving email on 127.0.0.1:{inbox.port}; `mailnode inbox list` lists it, Ctrl-C stops")
        shown = max((one.number for one in inbox.messages()), default=0)
        for count in itertools.count(1):
            await inbox.wait_for(count)
            for caught in inbox.messages():
                if caught.number > shown:
                    say(f"{caught.number}  {caught.sender}  {caught.subject}")
                    shown = caught.number
