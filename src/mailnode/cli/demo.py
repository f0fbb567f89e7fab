"""`mailnode demo`: the example flow sends an email to an inbox on this machine; then the editor opens."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import platformdirs

from mailnode.cli.demo_home import FLOW, Example, put_example, take_home
from mailnode.cli.output import clean, say, show_json
from mailnode.cli.signals import run_long
from mailnode.environment import Environment
from mailnode.flow.run import Run
from mailnode.inbox.folder import InboxFolder
from mailnode.inbox.server import Inbox

if TYPE_CHECKING:
    from mailnode.web.serving import Serving

# The first that are free, so that the next start most likely finds the same ones.
_EDITOR_PORTS, _INBOX_PORTS, _INVOICE_PORTS = range(8025, 8035), range(1025, 1035), range(8035, 8045)


@click.command("demo")
@click.option("--once", is_flag=True, help="Exit when the email has arrived, without running the editor.")
def command(once: bool) -> int:
    """Run the example flow, show the email that arrives in a test inbox, and run the editor.

    The example goes to the inbox on this machine only. Flow and email are kept in MAILNODE_HOME, which must be an empty
    folder or the demo's own; the default is a folder for the demo alone. MAILNODE_DATABASE_URL is ignored.
    """
    environment = demo_environment(Environment.read())
    take_home(environment.home)
    if once:
        return asyncio.run(_once(environment))
    from mailnode.cli.serve import check_libraries

    check_libraries()
    return run_long(_serve(environment))


def demo_environment(environment: Environment) -> Environment:
    """Give the environment of the demo: never the database, nor unless it was named the home, of email that matters."""
    is_named = environment.home != platformdirs.user_data_path("mailnode")
    home = environment.home if is_named else platformdirs.user_data_path("mailnode-demo")
    return replace(environment, home=home, database_url=None, fetch_allow="127.0.0.1")


async def _once(environment: Environment) -> int:
    from mailnode.app import Mailnode

    async with (
        Inbox(environment.home / "inbox", port=_free(_INBOX_PORTS), any_login=True) as inbox,
        serve_invoice(invoice(), _free(_INVOICE_PORTS)) as invoice_url,
    ):
        example = put_example(environment.home, inbox.port, invoice_url)
        async with Mailnode.open(environment) as mailnode:
            run = await mailnode.run(example.flow, input=example.input)
        return _show(run, inbox, example)


async def _serve(environment: Environment) -> int:
    from mailnode.cli.serve import announce
    from mailnode.web.serving import Places, serve

    ended = 1

    async with serve_invoice(invoice(), _free(_INVOICE_PORTS)) as invoice_url:

        async def ready(serving: "Serving") -> None:
            nonlocal ended
            site = serving.site
            example = put_example(environment.home, site.inbox_port, invoice_url)
            ended = _show(await site.mailnode.run(example.flow, input=example.input), site.inbox, example)
            page = f"/flows/{example.name}"
            say("\nOpen this link within a minute; it logs you in, once:")
            say(f"  {serving.url}/login?next={page}#code={serving.codes.issue()}")
            say(f"\nLater open {serving.url}{page} and log in with this token:\n  {serving.token.text}\n")
            await announce(serving)

        await serve(environment, Places(port=_free(_EDITOR_PORTS), inbox_port=_free(_INBOX_PORTS)), ready)
    return ended


def _show(run: Run, inbox: InboxFolder, example: Example) -> int:
    """Show how the flow ended, and give the exit status."""
    kept = "" if example.name == FLOW else f"  ({FLOW}.flow.yaml differs from the example, and is left as it is)"
    say(f"flow       {example.flow}{kept}\n")
    if run.status != "done" or run.state.context["mail"]["shipped"]["status"] != "sent":
        show_json(run.to_json())
        return 1
    _show_mail(inbox)
    say("\nthe result, as the flow reads it (context.mail.shipped)")
    show_json(run.state.context["mail"]["shipped"])
    say("\n" + "\n".join(run.output))
    return 0


def _show_mail(inbox: InboxFolder) -> None:
    from mailnode.inbox.opened import OpenedMail

    received = inbox.messages()[-1]
    mail = OpenedMail(received.octets())
    fields = dict(mail.fields)
    say("the email as it arrived")
    say(f"  envelope from <{received.mail_from}> to {', '.join(received.rcpt_to)}")
    for name in ("From", "To", "Cc", "Reply-To", "Subject", "Importance"):
        click.echo(clean(f"  {name}: {fields.get(name)}"))
    if mail.text is not None:
        click.echo("\n" + clean("\n".join(f"  | {line}" for line in mail.text.splitlines())) + "\n")
    for part in mail.root.walk():
        if part.filename:
            click.echo(clean(f"  {part.filename}  {part.media_type}  {part.size} bytes"))


def _free(ports: range) -> int:
    """Give the first port that is not in use, or 0 for any other."""
    for port in ports:
        with socket.socket() as tried, suppress(OSError):
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(("127.0.0.1", port))
            return port
    return 0


def invoice() -> bytes:
    """Make a PDF with one page."""
    page = b"BT /F 24 Tf 72 720 Td (Invoice 2026-1047) Tj ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources <</Font <</F 5 0 R>> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    pdf, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return pdf + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, len(pdf))
    )


@asynccontextmanager
async def serve_invoice(pdf: bytes, port: int = 0) -> AsyncIterator[str]:
    """Serve the invoice on this machine, by default on any free port, and give its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: {len(pdf)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + pdf)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/invoice-2026-1047.pdf"
