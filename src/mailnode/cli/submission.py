"""`mailnode submission`: the SMTP server for programs, and the worker that sends what they hand in."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

import click

from mailnode.cli.logs import log_options
from mailnode.cli.output import counted, say, says_records, show_not_stored, tell_route
from mailnode.cli.signals import EXIT_SIGNALLED, run_long
from mailnode.cli.worker import STOP_SECONDS, STOPPING, check_processes, processes_option
from mailnode.errors import UsageError
from mailnode.worker_report import WorkerReport

if TYPE_CHECKING:
    from mailnode.submission.doors import Doors

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_PORT = 1587
_PORT = click.IntRange(0, 65535)
_FILE = click.Path(path_type=Path)
_OPTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "port",
        "MAILNODE_SUBMISSION_PORT",
        {"type": _PORT, "metavar": "PORT", "help": "The port of the SMTP server for programs, with STARTTLS."},
    ),
    (
        "tls-port",
        "MAILNODE_SUBMISSION_TLS_PORT",
        {"type": _PORT, "metavar": "PORT", "help": "Its port that speaks TLS from the start."},
    ),
    (
        "socket",
        "MAILNODE_SUBMISSION_SOCKET",
        {"type": _FILE, "help": "Its Unix socket, for `mailnode-sendmail` of all users."},
    ),
    (
        "host",
        "MAILNODE_SUBMISSION_HOST",
        {"default": "127.0.0.1", "show_default": True, "metavar": "ADDRESS", "help": "The address of these ports."},
    ),
    (
        "cert",
        "MAILNODE_SUBMISSION_CERT",
        {"type": _FILE, "help": "The certificate of these ports, with its chain (PEM)."},
    ),
    ("key", "MAILNODE_SUBMISSION_KEY", {"type": _FILE, "help": "The private key of this certificate (PEM)."}),
)


class DoorOptions(TypedDict):
    """What the options say."""

    submission_port: int | None
    submission_tls_port: int | None
    submission_socket: Path | None
    submission_host: str
    submission_cert: Path | None
    submission_key: Path | None


def door_options(prefix: str = "") -> Callable[[F], F]:
    """Add the options to a command, with this before their names; each is a variable too."""

    def add(command: F) -> F:
        for name, variable, settings in reversed(_OPTIONS):
            word = f"submission_{name.replace('-', '_')}"
            command = click.option(f"--{prefix}{name}", word, envvar=variable, show_envvar=True, **settings)(command)
        return command

    return add


def doors_of(
    options: DoorOptions, *, certificate: tuple[Path | None, Path | None] = (None, None), port: int | None = None
) -> "Doors":
    """Give the places that the options name: `certificate` and its key are used where they name none, as is `port`.

    Raises:
        UsageError: they can't be used.
    """
    from mailnode.submission.certificate import ServerCertificate
    from mailnode.submission.doors import Doors, check_doors

    chain, key = options["submission_cert"], options["submission_key"]
    if (chain is None) != (key is None):
        raise UsageError("a certificate and its key belong together", hint="give both, or neither")
    if chain is None:
        chain, key = certificate
    doors = Doors(
        host=options["submission_host"],
        port=options["submission_port"],
        tls_port=options["submission_tls_port"],
        socket=options["submission_socket"],
        certificate=ServerCertificate(chain, key) if chain and key else None,
    )
    if port is not None and not doors.is_open:
        doors = doors.with_port(port)
    return check_doors(doors)


@click.command("submission")
@door_options()
@processes_option
@log_options
def command(processes: int, **options: Unpack[DoorOptions]) -> int:
    """Take email from programs by SMTP, and send it, until Ctrl-C or SIGTERM.

    Each program has a login of its own: see `mailnode apps`. Without an option it listens on port 1587, and only this
    machine can connect; others can with --host, --cert and --key.

    With --processes the first process takes email, and the others send it.

    Exit status: 0 stopped, 1 a process of --processes had failed and not restarted, 4 an outcome could not be stored.
    """
    check_processes(processes)
    doors = doors_of(options, port=DEFAULT_PORT)
    report = run_long(_serve(doors, processes))
    return show_not_stored(counted(report.lost, "outcome"), report.reason) if report.lost else report.exit_status


async def _serve(doors: "Doors", processes: int) -> WorkerReport:
    from mailnode.app import Mailnode
    from mailnode.environment import Environment
    from mailnode.submission.received import own_name
    from mailnode.submission.server import SubmissionServer
    from mailnode.worker_processes import WorkerProcesses
    from mailnode.worker_report import total

    stopped = asyncio.Event()
    workers = WorkerProcesses(processes - 1, is_proven=True) if processes > 1 else None

    def stop(number: int) -> None:
        if stopped.is_set():
            if workers:
                workers.kill()
            os._exit(EXIT_SIGNALLED + number)
        say(STOPPING)
        stopped.set()

    environment = Environment.read()
    async with Mailnode.open(environment) as mailnode:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        async with SubmissionServer(mailnode.gate, doors, name=own_name(environment.ehlo_name)) as server:
            mailnode.on_route_trouble(tell_route)
            for address in server.addresses:
                say(f"taking email by SMTP at {address}" if says_records() else f"submission {address}")
            if not says_records():
                say("\nPress Ctrl-C to stop.")
            work = asyncio.create_task(workers.run() if workers else mailnode.work())
            stopping = asyncio.create_task(stopped.wait())
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            await server.stop()
        if workers:
            workers.stop()
        else:
            await mailnode.stop(STOP_SECONDS)
        await work
        return total([mailnode.report, workers.report]) if workers else mailnode.report
