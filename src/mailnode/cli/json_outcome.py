"""A command that prints a result as JSON for whatever ends it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from mailnode.cli.interrupt import EXIT_SIGNALLED
from mailnode.cli.output import show_json
from mailnode.delivery.result import result_of_error
from mailnode.errors import ErrorCode, MailnodeError, UsageError


class JsonOutcome(click.Command):
    """With --json a result stands on stdout also where no server was asked; stderr and exit status are as ever."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments."""
        with _told("--json" in args, {}):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _told(ctx.params["as_json"], ctx.params):
            return super().invoke(ctx)


@contextmanager
def _told(is_wanted: bool, params: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if is_wanted and (told := _as_ours(error)):
            names = {name: params.get(name) or "" for name in ("connection", "host")}
            show_json(result_of_error(told, **names))
        raise


def _as_ours(error: BaseException) -> MailnodeError | None:
    """Give an error as one of ours; nothing for the end of what has no result, such as a help text."""
    if isinstance(error, MailnodeError):
        return error
    if isinstance(error, click.UsageError):
        return UsageError(error.format_message(), hint="`mailnode send --help` lists the options")
    if isinstance(error, KeyboardInterrupt | click.Abort) or getattr(error, "exit_code", 0) > EXIT_SIGNALLED:
        return MailnodeError("it was stopped before the mail was handed over", code=ErrorCode.CANCELLED)
    if isinstance(error, OSError):
        words = f"the system refuses: {error.strerror or error}"
        return UsageError(words, hint="see that disk and files can be read and written")
    return None
