"""Output: results on stdout, everything else on stderr, without control characters."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import click

from mailnode.errors import ErrorCode, MailnodeError, SmtpError
from mailnode.json_text import json_of
from mailnode.printable import CONTROL_BUT_TAB_AND_LF, DIRECTION, SURROGATE

EXIT_NOT_STORED = 4
# An email that a person cancelled has not failed; a partial delivery has, for some recipients.
FAILED = frozenset({"failed", "unknown", "held", "partial"})
# Less is gone before a person would look.
WATCHED_OCTETS = 2**20
UNFOLDED = 10_000
NAME_WIDTH = 8
TIME_WIDTH = 8
MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "skipped": ("-", "dim")}

# Also those that turn the direction of what follows, and so show another text than there is.
_UNSHOWABLE = re.compile(f"[{CONTROL_BUT_TAB_AND_LF}{DIRECTION}{SURROGATE}]")


# What the command line adds to the remedies of errors, which all readers get.
_COMMANDS: dict[str, str] = {
    ErrorCode.UNKNOWN_SERVICE: "`mailnode services` lists the services",
    ErrorCode.UNKNOWN_CONNECTION: "`mailnode connections list` lists the connections",
    ErrorCode.CONNECTION_CONFLICT: "`mailnode connections update NAME` changes it",
    ErrorCode.CONSENT_NEEDED: "`mailnode connections authorize NAME` does so",
}


def clean(text: str) -> str:
    """Make text that came from elsewhere harmless to a terminal: control characters are shown as `?`."""
    return _UNSHOWABLE.sub("?", text)


def show_json(value: Any) -> None:
    """Print a result as JSON, for people and for pipes."""
    click.echo(json_of(value, indent=2))


def show_error(message: str, hint: str, code: str = "") -> None:
    """Say on stderr what is wrong, where, and what to do about it; some codes have a command that helps."""
    say(f"mailnode: {message}")
    if remedy := "; ".join(filter(None, (hint, _COMMANDS.get(code, "")))):
        say(f"  hint: {remedy}")


def show_not_stored(what: str, reason: str) -> int:
    """Say on stderr that an outcome could not be stored, and give the exit status for it."""
    show_error(
        f"{what} could not be stored: {reason}",
        "don't run the flow again under a new run id: a server may have accepted the email. `mailnode deliveries list"
        " --state interrupted` lists what is in doubt; the next worker or the same run id sends it again, marked as a"
        " second copy, unless `mailnode deliveries cancel ID` prevents that",
    )
    return EXIT_NOT_STORED


def counted(lost: int) -> str:
    """Say how many outcomes."""
    return "1 outcome" if lost == 1 else f"{lost} outcomes"


def tell_route(route_key: str, error: MailnodeError | None) -> None:
    """Say that email for a login at a server waits, and why, or that it is sent again."""
    name = route_key.removeprefix("@")
    if error is None:
        say(f"email through {name} is sent again")
    else:
        # A permanent error of the server ends this email; a connection that was deleted may come back.
        is_final = isinstance(error, SmtpError) and not error.transient
        what = "fails; the next one is tried later" if is_final else "waits and is retried"
        show_error(f"email through {name} {what}: {error.message}", error.hint, error.code)


def say(text: str) -> None:
    """Say something on stderr."""
    click.echo(clean(text), err=True)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Print a table, or what to do when there is nothing in it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    if table.row_count:
        Console(highlight=False).print(table)
    else:
        say(empty)


@contextmanager
def progress(words: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while a large thing goes out, where a person watches; give what the bar wants to be told."""
    if not sys.stderr.isatty():
        yield lambda _gone, _size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, visible=False)

        def watch(gone: int, size: int) -> None:
            bar.update(task, completed=gone, total=size, visible=size >= WATCHED_OCTETS)

        yield watch


@contextmanager
def counting(words: str, count: int) -> Iterator[Callable[[int], None]]:
    """Show a bar of things to be done, where a person watches; give what wants to be told how many are."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=count)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def waiting(words: str) -> Iterator[Callable[[str], None]]:
    """Show that something is under way, where a person watches; give what changes the words."""
    if not sys.stderr.isatty():
        yield lambda _words: None
        return
    from rich.console import Console

    with Console(stderr=True).status(words) as status:
        yield status.update


@contextmanager
def stepwise(words: str) -> Iterator[Callable[[str, str, str, str, str], None]]:
    """Show steps as they come, with a sign of life in between where a person watches.

    Give what prints one: its status, its name, how long it took, what came of it, and a hint for the next line.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_watched = sys.stdout.isatty()
    # A pipe gets whole lines, for whoever searches in them.
    console = Console(highlight=False, width=None if is_watched else UNFOLDED)

    def row(*cells: Text) -> None:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=1)
        grid.add_column(width=NAME_WIDTH)
        grid.add_column(width=TIME_WIDTH, justify="right")
        grid.add_column(overflow="fold")
        grid.add_row(*cells)
        console.print(grid)

    def show(status: str, name: str, time: str, found: str, hint: str) -> None:
        mark, style = MARKS[status]
        if not console.encoding.lower().startswith("utf"):
            mark = status[0]
        row(Text(mark, style), Text(name), Text(time, "dim"), Text(clean(found)))
        if hint:
            row(Text(), Text(), Text(), Text(clean(f"hint: {hint}"), "bold"))

    with console.status(words) if is_watched else nullcontext():
        yield show
