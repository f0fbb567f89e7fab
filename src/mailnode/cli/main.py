"""The command `mailnode`: commands are loaded when they are used, and errors become messages and exit statuses here."""

import pkgutil
import sys
from typing import Any

import click

from mailnode.cli.output import show_error
from mailnode.cli.signals import Interrupt
from mailnode.errors import MailnodeError, SmtpError, TokenError

COMMANDS = {
    "run": "mailnode.cli.run:command",
    "send": "mailnode.cli.send:command",
    "preview": "mailnode.cli.preview:command",
    "verify": "mailnode.cli.servers:verify",
    "connections": "mailnode.cli.connections:command",
    "apps": "mailnode.cli.apps:command",
    "tokens": "mailnode.cli.tokens:command",
    "audit": "mailnode.cli.tokens:audit",
    "worker": "mailnode.cli.worker:command",
    "services": "mailnode.cli.servers:services",
    "deliveries": "mailnode.cli.deliveries:command",
    "webhooks": "mailnode.cli.webhooks:command",
    "snapshot": "mailnode.cli.snapshot:command",
    "inbox": "mailnode.cli.inbox:command",
    "serve": "mailnode.cli.serve:command",
    "submission": "mailnode.cli.submission:command",
    "demo": "mailnode.cli.demo:command",
}

EXIT_FAILED = 1
EXIT_MISUSED = 2


class LazyGroup(click.Group):
    """Imports a command only when it is used: `send` must not wait for the editor's libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- as click calls it
        """Name the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- as click calls it
        """Load a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = pkgutil.resolve_name(COMMANDS[cmd_name])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their first sentence."""
        rows = [(name, command.get_short_help_str(90)) for name in COMMANDS if (command := self.get_command(ctx, name))]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="mailnode")
def cli() -> None:
    """Send email with flows or directly, and see what became of every message."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status: 0 done, 1 failed, 2 wrong usage, 3 partial or unknown (send)."""
    interrupt = Interrupt(sys.argv[1:] if arguments is None else arguments)
    with interrupt.handled():
        sys.exit(run(interrupt))


def run(interrupt: Interrupt) -> int:
    """Run the command line with the arguments of `interrupt`, and give its exit status."""
    try:
        status: Any = cli.main(interrupt.arguments, prog_name="mailnode", standalone_mode=False)
    except click.exceptions.Abort:
        return interrupt.exit_status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        return interrupt.exit_status
    except BrokenPipeError:
        # The reader of our output has gone.
        sys.stderr.close()
        return EXIT_FAILED
    except MailnodeError as error:
        for one in (error, *error.others):
            show_error(str(one), one.hint, one.code)
        return EXIT_FAILED if isinstance(error, SmtpError | TokenError) else EXIT_MISUSED
    except OSError as error:
        show_error(f"system error: {error.strerror or error}", "check that the disk and the output can be written to")
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 -- a bug must not show a traceback to a person
        what = f"this is a bug in mailnode: {type(error).__name__}: {error}"
        show_error(what, "please report it, with the command that you ran")
        return EXIT_FAILED
    return status if isinstance(status, int) else 0
