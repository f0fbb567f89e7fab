"""`mailnode demo`: the example flow, from its settings to a mail in an inbox, on this machine alone."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mailnode.cli.output import clean, say, show_json
from mailnode.cli.samples import EXAMPLES, invoice, serve_invoice
from mailnode.environment import Environment
from mailnode.inbox.server import Inbox


@click.command("demo")
@click.option("--once", is_flag=True, help="Leave after the mail has arrived; else the inbox stays open.")
def command(once: bool) -> int:
    """Send the example flow's mail to an inbox of its own and show what arrived.

    Nothing leaves this machine. Flow, input and mail are kept in the home (MAILNODE_HOME).
    """
    return asyncio.run(_demo(Environment.read(), once=once))


async def _demo(environment: Environment, *, once: bool) -> int:
    from mailnode.app import Mailnode

    environment = replace(environment, fetch_allow="127.0.0.1", redirect_all_to=None)
    async with Inbox(environment.home / "inbox") as inbox, serve_invoice(invoice()) as invoice_url:
        flow, input_ = _prepare(environment.home, inbox.port, invoice_url)
        say(f"inbox      127.0.0.1:{inbox.port}, kept in {environment.home / 'inbox'}\nflow       {flow}\n")
        async with Mailnode.open(environment) as mailnode:
            run = await mailnode.run(flow, input=input_)
        if run.status != "done" or run.state.context["mail"]["shipped"]["status"] != "sent":
            show_json(run.to_json())
            return 1
        await inbox.wait_for(1)
        _show_mail(inbox)
        say("\nthe result, where the flow reads it (context.mail.shipped)")
        show_json(run.state.context["mail"]["shipped"])
        say("\n" + "\n".join(run.output))
        if not once:
            say(f"\nThe inbox stays open until Ctrl-C. Send it another mail:\n  {_another(inbox.port)}")
            await asyncio.Event().wait()
    return 0


def _prepare(home: Path, inbox_port: int, invoice_url: str) -> tuple[Path, dict[str, Any]]:
    """Put the example into the home, with the ports that are in use now."""
    flow = home / "order-shipped.flow.yaml"
    text = (EXAMPLES / flow.name).read_text(encoding="utf-8")
    flow.write_text(text.replace("port: 1025", f"port: {inbox_port}"), encoding="utf-8")
    input_: dict[str, Any] = json.loads((EXAMPLES / "order-shipped.input.json").read_text(encoding="utf-8"))
    return flow, input_ | {"invoiceUrl": invoice_url}


def _show_mail(inbox: Inbox) -> None:
    from email import message_from_bytes, policy

    received = inbox.messages()[-1]
    message = message_from_bytes(received.octets(), policy=policy.default)
    say("the mail, as it arrived")
    say(f"  envelope from <{received.mail_from}> to {', '.join(received.rcpt_to)}")
    for name in ("From", "To", "Cc", "Reply-To", "Subject", "Importance"):
        click.echo(clean(f"  {name}: {message[name]}"))
    text = message.get_body(("plain",))
    if text is not None:
        click.echo("\n" + clean("\n".join(f"  | {line}" for line in text.get_content().splitlines())) + "\n")
    for part in message.walk():
        if part.get_filename():
            size = len(part.get_payload(decode=True) or b"")
            click.echo(clean(f"  {part.get_filename()}  {part.get_content_type()}  {size} octets"))


def _another(port: int) -> str:
    server = f"--host 127.0.0.1 --port {port} --tls-option none"
    return f"mailnode send {server} --from me@example.com --to you@example.org --subject Hi --text Hi"
