"""Output: results on stdout, everything else on stderr, without control characters."""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import click

from mailnode.errors import ErrorCode, MailnodeError, SmtpError, UsageError
from mailnode.json_text import json_of
from mailnode.printable import CONTROL_BUT_TAB_AND_LF, DIRECTION, SURROGATE
from mailnode.store.clock import utc

_log = logging.getLogger("mailnode.cli")
_records = SimpleNamespace(enabled=False)

EXIT_NOT_STORED = 4
# An email that a person cancelled has not failed; a partial delivery has, for some recipients.
FAILED = frozenset({"failed", "unknown", "held", "partial"})
# A smaller message is sent before a person would look.
WATCHED_BYTES = 2**20
UNFOLDED = 10_000
NAME_WIDTH = 8
TIME_WIDTH = 8
MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "skipped": ("-", "dim")}

# Also characters that change the direction of writing, and so show another text than there is.
_UNSHOWABLE = re.compile(f"[{CONTROL_BUT_TAB_AND_LF}{DIRECTION}{SURROGATE}]")


# What the command line adds to the remedies of errors, which all readers get.
_COMMANDS: dict[str, str] = {
    ErrorCode.UNKNOWN_SERVICE: "`mailnode services` lists the known services",
    ErrorCode.UNKNOWN_CONNECTION: "`mailnode connections list` lists them",
    ErrorCode.UNKNOWN_MAIL: "`mailnode inbox list` lists them",
    ErrorCode.UNKNOWN_APP: "`mailnode apps list` lists them",
    ErrorCode.APP_CONFLICT: "`mailnode apps update NAME` changes it",
    ErrorCode.UNKNOWN_DELIVERY: "`mailnode deliveries list` lists them",
    ErrorCode.UNKNOWN_WEBHOOK: "`mailnode webhooks list` lists them",
    ErrorCode.CONNECTION_CONFLICT: "`mailnode connections update NAME` changes it",
    ErrorCode.CONSENT_NEEDED: "`mailnode connections authorize NAME` does so",
}


def clean(text: str) -> str:
    """Replace control characters, which could control the terminal, by `?`."""
    return _UNSHOWABLE.sub("?", text)


def show_json(value: Any) -> None:
    """Print a result as JSON, for people and for pipes."""
    click.echo(json_of(value, indent=2))


def show_error(message: str, hint: str, code: str = "") -> None:
    """Print an error and its remedy on stderr; for some codes a command that helps is added."""
    remedy = (" " if hint.endswith("?") else "; ").join(filter(None, (hint, _COMMANDS.get(code, ""))))
    if _records.enabled:
        _log.error("%s", clean(message), extra={"hint": clean(remedy), "code": str(code)})
        return
    say(f"mailnode: {message}")
    if remedy:
        say(f"  hint: {remedy}")


def confirm(question: str) -> None:
    """Ask before something that can't be undone; whoever says no ends the command.

    Raises:
        UsageError: there was no answer.
    """
    with answered("the question was not answered, so nothing was done", "give the answer on stdin, or use --yes"):
        click.confirm(question, abort=True, err=True)


@contextmanager
def answered(what: str, hint: str) -> Iterator[None]:
    """Raise UsageError where the questions asked in it find the end of their input."""
    try:
        yield
    except click.Abort as abort:
        if not isinstance(abort.__context__, EOFError):
            raise
        say("")  # the question has no end of its line
        raise UsageError(what, hint=hint) from None


def show_not_stored(what: str, reason: str) -> int:
    """Print on stderr that an outcome could not be stored, and give the exit status for it."""
    show_error(
        f"{what} could not be stored: {reason}",
        "don't run the flow again under a new run id: a server may have accepted the email. `mailnode deliveries list"
        " --state interrupted` lists what is in doubt; the next worker or the same run id sends it again, marked as a"
        " second copy, unless `mailnode deliveries cancel ID` prevents that",
    )
    return EXIT_NOT_STORED


def counted(count: int, noun: str) -> str:
    """Give a number with its noun: `1 email`, `2 emails`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def time_of(unix_ms: int) -> str:
    """Give a time as people read it: `2026-11-29 14:05:09 UTC`."""
    return f"{utc(unix_ms):%Y-%m-%d %H:%M:%S} UTC"


def tell_route(route_key: str, error: MailnodeError | None) -> None:
    """Print that email for a login at a server waits, and why, or that it is sent again."""
    name = route_key.removeprefix("@")
    if error is None:
        say(f"email through {name} is sent again")
    else:
        # A permanent error of the server ends this email; a connection that was deleted may come back.
        is_final = isinstance(error, SmtpError) and not error.transient
        what = "fails; the next one is tried later" if is_final else "waits and is retried"
        show_error(f"email through {name} {what}: {error.message}", error.hint, error.code)


def say(text: str) -> None:
    """Print a line on stderr; where all that stands there are records, as one of them."""
    if not _records.enabled:
        click.echo(clean(text), err=True)
    elif words := clean(text).strip():
        _log.info("%s", words)


def say_as_records() -> None:
    """Have what is said on stderr be records of the log from now on, for who reads that as JSON."""
    _records.enabled = True


def says_records() -> bool:
    """Whether what is said on stderr are records of the log."""
    return bool(_records.enabled)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Print a table, or the text `empty` if it has no rows."""
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
    """Show a progress bar for a large message at a terminal; gives the function to report bytes sent and size."""
    if not sys.stderr.isatty():
        yield lambda _gone, _size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, visible=False)

        def watch(sent: int, size: int) -> None:
            bar.update(task, completed=sent, total=size, visible=size >= WATCHED_BYTES)

        yield watch


@contextmanager
def counting(words: str, count: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar of `count` steps at a terminal; gives the function to report how many are done."""
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
    """Show a status line at a terminal; gives the function that changes its words."""
    if not sys.stderr.isatty():
        yield lambda _words: None
        return
    from rich.console import Console

    with Console(stderr=True).status(words) as status:
        yield status.update


@contextmanager
def stepwise(words: str) -> Iterator[Callable[[str, str, str, str, str], None]]:
    """Print steps as they come, with a status line in between at a terminal.

    Gives the function that prints one: its status, name, duration, finding, and hint.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_watched = sys.stdout.isatty()
    # Lines in a pipe are not folded, so that they can be searched.
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
