"""`mailnode send`: one email from the command line."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import click

from mailnode.cli.arguments import NamesOptions, ServerOptions, read_text, server_options
from mailnode.cli.output import progress, say, show_error, show_json, show_table
from mailnode.cli.signals import EXIT_SIGNALLED, WAITING, run_stoppable
from mailnode.delivery.result import Result, result_of_error
from mailnode.errors import ErrorCode, MailnodeError, UsageError
from mailnode.message.email import Attachment, Email

MOST_FETCHED = 25 * 2**20
EXIT_STATUS = {"sent": 0, "failed": 1, "partial": 3, "unknown": 3}


class _WithJsonResult(NamesOptions):
    """Prints a result on stdout with --json even where no server was asked; stderr and exit status stay the same."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments."""
        with _json_result("--json" in args, {}):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _json_result(ctx.params["as_json"], ctx.params):
            return super().invoke(ctx)


@click.command("send", cls=_WithJsonResult)
@server_options
@click.option("--from", "sender", metavar="MAILBOX", help="The sender. [default: the connection's]")
@click.option(
    "--to",
    multiple=True,
    required=True,
    metavar="MAILBOXES",
    help="Recipients, separated by commas; may be repeated.",
)
@click.option("--cc", multiple=True, metavar="MAILBOXES", help="Cc recipients; may be repeated.")
@click.option("--bcc", multiple=True, metavar="MAILBOXES", help="Bcc recipients; may be repeated.")
@click.option("--reply-to", multiple=True, metavar="MAILBOXES", help="Where replies go; may be repeated.")
@click.option("--subject", default="", metavar="TEXT", help="The subject.")
@click.option("--text", metavar="TEXT|@FILE", help="The plain text; @- reads stdin.")
@click.option("--html", metavar="HTML|@FILE", help="The HTML; without --text the plain text is made from it.")
@click.option("--markdown", metavar="TEXT|@FILE", help="Markdown, from which HTML and plain text are made.")
@click.option("--attach", multiple=True, metavar="PATH|URL", help="A file or public URL to attach; may be repeated.")
@click.option(
    "--priority",
    type=click.Choice(["high", "normal", "low"]),
    default="normal",
    show_default=True,
    help="The priority.",
)
@click.option("--all-or-nothing", is_flag=True, help="Send to all recipients or to none.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, also after an error.")
def command(
    server: ServerOptions,
    connection: str | None,
    sender: str | None,
    to: tuple[str, ...],
    cc: tuple[str, ...],
    bcc: tuple[str, ...],
    reply_to: tuple[str, ...],
    subject: str,
    text: str | None,
    html: str | None,
    markdown: str | None,
    attach: tuple[str, ...],
    priority: Literal["high", "normal", "low"],
    all_or_nothing: bool,
    as_json: bool,
) -> int:
    """Send one email now.

    Exit status: 0 accepted for all recipients, 1 not sent, 2 wrong usage or settings, 3 partial or unknown.
    """
    from mailnode.environment import Environment
    from mailnode.send_once import send_once

    target = server.target()
    text, html = _bodies(text, html, markdown)
    with ExitStack() as files:
        email = Email(
            from_=sender or "",
            to=to,
            cc=cc,
            bcc=bcc,
            reply_to=reply_to,
            subject=subject,
            text=text,
            html=html,
            attachments=[_attachment(source, files) for source in attach],
            priority=priority,
        )
        with progress("sending") as watch:
            result = run_stoppable(
                send_once(
                    email,
                    target,
                    Environment.read(),
                    connection_name=connection,
                    partial_delivery="refuse" if all_or_nothing else "allow",
                    watch=watch,
                    on_waiting=lambda: say(WAITING),
                )
            )
    if as_json:
        show_json(result)
    else:
        _show(result)
    return EXIT_STATUS[result["status"]]


def _bodies(text: str | None, html: str | None, markdown: str | None) -> tuple[str | None, str | None]:
    text, html, markdown = (_read(given) for given in (text, html, markdown))
    if markdown is None:
        return text, html
    if html is not None:
        raise UsageError("--markdown and --html exclude each other", hint="give only one of them")
    from mailnode.node.html import markdown_to_html

    return text or markdown, markdown_to_html(markdown)


def _read(given: str | None) -> str | None:
    return read_text(given[1:]) if given and given.startswith("@") else given


def _attachment(source: str, files: ExitStack) -> Attachment:
    if source.lower().startswith(("http://", "https://")):
        return asyncio.run(_fetched(source))
    path = Path(source)
    try:
        file: BinaryIO = files.enter_context(path.open("rb"))
    except OSError as error:
        raise UsageError(
            f"--attach {source}: {error.strerror}", hint="check the path, and that you may read the file"
        ) from None
    return Attachment(content=file, filename=path.name)


async def _fetched(url: str) -> Attachment:
    from mailnode.environment import Environment
    from mailnode.node.address_guard import AddressGuard
    from mailnode.node.attachment import FilledAttachment, resolve

    guard = AddressGuard.from_text(Environment.read().fetch_allow)
    fetched = await resolve(FilledAttachment("url", url=url), limit=MOST_FETCHED, guard=guard)
    for warning in fetched.warnings:
        say(f"warning: --attach {url.partition('?')[0]}: {warning.removeprefix('url: ')}")
    assert isinstance(fetched.attachment, Attachment)
    return fetched.attachment


def _show(result: Result) -> None:
    rows = [
        (recipient["address"], recipient["status"], f"{recipient['replyCode'] or ''} {recipient['replyText']}".strip())
        for recipient in result["recipients"]
    ]
    show_table(("Recipient", "Status", "Reply"), rows, empty="no recipient")
    click.echo(f"{result['status']}: {result['host']}, {result['messageSize']} bytes, {result['messageId']}")
    for warning in result["warnings"]:
        say(f"warning: {warning}")
    if error := result["error"]:
        show_error(error["message"], error["hint"], error["code"])


@contextmanager
def _json_result(is_wanted: bool, params: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if is_wanted and (known := _as_mailnode_error(error)):
            names = {name: params.get(name) or "" for name in ("connection", "host")}
            show_json(result_of_error(known, **names))
        raise


def _as_mailnode_error(error: BaseException) -> MailnodeError | None:
    """Give an error as a MailnodeError; None for what has no result, such as a help text."""
    if isinstance(error, MailnodeError):
        return error
    if isinstance(error, click.UsageError):
        return UsageError(error.format_message(), hint="`mailnode send --help` lists the options")
    if isinstance(error, KeyboardInterrupt | click.Abort) or getattr(error, "exit_code", 0) > EXIT_SIGNALLED:
        return MailnodeError("stopped before the email was sent", code=ErrorCode.CANCELLED)
    if isinstance(error, OSError):
        words = f"system error: {error.strerror or error}"
        return UsageError(words, hint="check that the disk and the files can be read and written")
    return None
