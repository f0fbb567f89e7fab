"""Flows run by the whole of mailnode against a real server, and what that server received."""

import json
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from mailnode.app import Mailnode
from mailnode.delivery.result import Result
from mailnode.environment import Environment
from mailnode.flow.run import Run
from mailnode.inbox.folder import Received
from mailnode.inbox.server import Inbox


@dataclass
class Sent:
    """One node's run and the mail that the inbox has of it."""

    run: Run
    received: Received

    @property
    def report(self) -> Result:
        """The node's result."""
        report: Result = self.run.nodes[0].result
        return report

    @property
    def message(self) -> EmailMessage:
        """The mail as the standard library reads it."""
        message = message_from_bytes(self.received.octets(), policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message

    def body(self, kind: str) -> str:
        """The text of the plain or html body."""
        part = self.message.get_body((kind,))
        assert part is not None
        text: str = part.get_content()
        return text


def write_flow(folder: Path, *nodes: dict[str, Any], name: str = "flow.json") -> Path:
    """Write a flow file."""
    path = folder / name
    path.write_text(json.dumps({"version": 1, "name": "test", "nodes": list(nodes)}), encoding="utf-8")
    return path


def to_server(port: int, **settings: Any) -> dict[str, Any]:
    """Give settings that send a small mail to a server on this port; a setting of None is left out."""
    server = {"host": "127.0.0.1", "port": port, "tlsOption": "none"}
    small = {
        "emailService": "other",
        "smtp": server,
        "from": "shop@example.com",
        "to": "jane@example.org",
        "subject": "Hi",
        "content": "<p>Hello</p>",
    }
    return {key: value for key, value in (small | settings).items() if value is not None}


async def run(
    flow: Path,
    *,
    input: dict[str, Any] | None = None,  # noqa: A002 -- the flow's word
    context: dict[str, Any] | None = None,
    run_id: str | None = None,
    **environment: Any,
) -> Run:
    """Run a flow in the home of this test."""
    from dataclasses import replace

    async with Mailnode.open(replace(Environment.read(), **environment)) as mailnode:
        return await mailnode.run(flow, input=input, context=context, run_id=run_id)


async def send(inbox: Inbox, folder: Path, state: dict[str, Any] | None = None, **settings: Any) -> Sent:
    """Run one Send SMTP Email node against an inbox; `state` is its input."""
    node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(inbox.port, **settings)}
    ran = await run(write_flow(folder, node), input=state or {})
    assert ran.nodes[0].result["status"] == "sent", ran.nodes[0].result["error"]
    return Sent(ran, inbox.messages()[-1])
