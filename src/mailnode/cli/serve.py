"""`mailnode serve`: the editor in a browser, with its API, the queue worker and an inbox."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast

import click

from mailnode.cli.exposure import Exposed, exposure_options
from mailnode.cli.logs import log_options
from mailnode.cli.output import counted, say, says_records, show_not_stored
from mailnode.cli.signals import run_long
from mailnode.cli.submission import DoorOptions, door_options, doors_of
from mailnode.cli.worker import check_processes, processes_option
from mailnode.environment import Environment
from mailnode.errors import UsageError, install_hint

if TYPE_CHECKING:
    from mailnode.web.serving import Serving

_LIBRARIES = ("fastapi", "jinja2", "nh3", "python_multipart", "uvicorn")


class _Options(Exposed, DoorOptions):
    """Who can reach the editor, and where programs hand in email."""


@click.command("serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8025,
    show_default=True,
    envvar="MAILNODE_PORT",
    show_envvar=True,
    metavar="PORT",
    help="The port; 0 takes a free one.",
)
@click.option(
    "--inbox-port",
    type=click.IntRange(0, 65535),
    default=1025,
    show_default=True,
    metavar="PORT",
    help="The port of the test inbox; 0 takes a free one.",
)
@click.option(
    "--flows", type=click.Path(path_type=Path), help="The folder of flow files. [default: flows/ in the home]"
)
@processes_option
@exposure_options
@log_options
@door_options("submission-")
def command(port: int, inbox_port: int, flows: Path | None, processes: int, **options: Unpack[_Options]) -> int:
    """Run the editor, its API, a worker and a test inbox, until Ctrl-C; only this machine can connect.

    With --submission-port programs hand in email by SMTP, each with a login of its own: see `mailnode apps`.

    With --processes the first process has pages, API and inbox, and the others send what is queued.

    MAILNODE_TOKEN is the token to log in with; otherwise one is created in the home, readable by its owner only.

    Other machines can connect with --host, behind a proxy or with a certificate: see docs/operating.md.

    Exit status: 0 stopped, 1 a process of --processes had failed and not restarted, 4 an outcome could not be stored.
    """
    check_libraries()
    check_processes(processes)
    from mailnode.web.security.exposure import exposure_of
    from mailnode.web.serving import Places, serve

    exposure = exposure_of(**cast(Exposed, {name: options.get(name) for name in Exposed.__annotations__}))
    places = Places(
        port=port,
        inbox_port=inbox_port,
        flows=flows,
        processes=processes,
        exposure=exposure,
        doors=doors_of(options, certificate=(options["tls_cert"], options["tls_key"])),
    )
    report = run_long(serve(Environment.read(), places, announce))
    return show_not_stored(counted(report.lost, "outcome"), report.reason) if report.lost else report.exit_status


def check_libraries() -> None:
    """Check that the libraries of the editor are installed.

    Raises:
        UsageError: one is missing.
    """
    if missing := [name for name in _LIBRARIES if find_spec(name) is None]:
        raise UsageError(f"the editor needs {', '.join(missing)}", hint=install_hint("web"))


async def announce(serving: "Serving") -> None:
    """Print the addresses and how to log in; a new token is shown once, and never as part of an address."""
    from mailnode.web.page import is_built
    from mailnode.web.security.token import FILE_NAME

    if says_records():
        say(f"serving {serving.url} on {serving.address}")  # a token must not stay in a log
        for address in serving.submission:
            say(f"taking email by SMTP at {address}")
        return
    environment = serving.site.environment
    token = "the value of MAILNODE_TOKEN" if environment.token else f"in {environment.home / FILE_NAME}"
    if serving.token.is_new:
        token = f"{serving.token.text}  (stored {token})"
    elsewhere = "" if serving.url.endswith(serving.address) else f"listening  {serving.address}\n"
    say(f"editor     {serving.url}\n{elsewhere}token      {token}\nflows      {serving.site.flow_files.folder}")
    say(f"inbox      127.0.0.1:{serving.site.inbox_port}")
    for address in serving.submission:
        say(f"submission {address}")
    say("\nPress Ctrl-C to stop.")
    if not is_built():
        say(
            "\nThe editor's scripts are missing, because this checkout was installed without Node.js: the API works,"
            " the pages don't. Install Node.js and npm, then install mailnode again (in a checkout: make demo)."
        )
