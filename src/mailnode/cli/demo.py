"""`mailnode demo`: the example flow sends an email to an inbox on this machine; then the editor opens."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailnode.cli.output import clean, say, show_json
from mailnode.cli.signals import run_long
from mailnode.environment import Environment
from mailnode.flow.run import Run
from mailnode.inbox.folder import InboxFolder
from mailnode.inbox.server import Inbox

if TYPE_CHECKING:
    from mailnode.web.serving import Serving

FLOW = "order-shipped"

_PACKAGE = Path(__file__).parents[1]

# The wheel has the examples in the package, a checkout beside src.
EXAMPLES = next(path for path in (_PACKAGE / "examples", _PACKAGE.parents[1] / "examples") if path.exists())


@click.command("demo")
@click.option("--once", is_flag=True, help="Exit when the email has arrived, without running the editor.")
def command(once: bool) -> int:
    """Run the example flow, show the email that arrives in a test inbox, and run the editor.

    Nothing leaves this machine. The flow, its input and the email are kept in the home (MAILNODE_HOME).
    """
    environment = replace(Environment.read(), fetch_allow="127.0.0.1", redirect_all_to=None)
    if once:
        return asyncio.run(_once(environment))
    from mailnode.cli.serve import check_libraries

    check_libraries()
    return run_long(_serve(environment))


async def _once(environment: Environment) -> int:
    from mailnode.app import Mailnode

    async with Inbox(environment.home / "inbox") as inbox, serve_invoice(invoice()) as invoice_url:
        flow, input_ = _prepare(environment.home, inbox.port, invoice_url)
        async with Mailnode.open(environment) as mailnode:
            run = await mailnode.run(flow, input=input_)
        return _show(run, inbox, flow)


async def _serve(environment: Environment) -> int:
    from mailnode.cli.serve import announce
    from mailnode.web.serving import Places, serve

    ended = 1

    async with serve_invoice(invoice()) as invoice_url:

        async def ready(serving: "Serving") -> None:
            nonlocal ended
            site = serving.site
            flow, input_ = _prepare(environment.home, site.inbox_port, invoice_url)
            ended = _show(await site.mailnode.run(flow, input=input_), site.inbox, flow)
            say(f"\nOpen {serving.url}/flows/{FLOW} and log in with this token:\n  {serving.token.text}\n")
            await announce(serving)

        await serve(environment, Places(port=_free(8025), inbox_port=_free(1025)), ready)
    return ended


def _prepare(home: Path, inbox_port: int, invoice_url: str) -> tuple[Path, dict[str, Any]]:
    """Write the example into the home, with the present ports."""
    flow = home / "flows" / f"{FLOW}.flow.yaml"
    flow.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = (EXAMPLES / flow.name).read_text(encoding="utf-8")
    flow.write_text(text.replace("port: 1025", f"port: {inbox_port}"), encoding="utf-8")
    input_: dict[str, Any] = json.loads((EXAMPLES / f"{FLOW}.input.json").read_text(encoding="utf-8"))
    input_ |= {"invoiceUrl": invoice_url}
    # What the first node of the flow computes, for the preview of the second.
    total = sum(item["price"] * item["count"] for item in input_["items"])
    sample = {"input": input_, "context": {"order": {"total": total}}}
    (flow.parent / f"{FLOW}.sample.json").write_text(json.dumps(sample, indent=2), encoding="utf-8")
    return flow, input_


def _show(run: Run, inbox: InboxFolder, flow: Path) -> int:
    """Show how the flow ended, and give the exit status."""
    say(f"flow       {flow}\n")
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


def _free(port: int) -> int:
    """Give this port, or 0 for any free one if it is in use."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


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
async def serve_invoice(pdf: bytes) -> AsyncIterator[str]:
    """Serve the invoice on a free port of this machine, and give its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: {len(pdf)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + pdf)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/invoice-2026-1047.pdf"
