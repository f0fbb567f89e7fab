"""A Send SMTP Email node without connections and without a server, for attacks on its settings."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from mailnode.delivery.prepare import PreparedMail
from mailnode.delivery.result import ResultError
from mailnode.delivery.route import Router
from mailnode.node.address_guard import AddressGuard
from mailnode.node.node_api import NodeCall
from mailnode.node.send_email import MailServices, SendSmtpEmailType
from support.flows import to_server


class _Made(Exception):
    """A mail that would be sent now."""


class _Dispatcher:
    async def deliver(self, mail: PreparedMail, _end_run: object) -> None:
        raise _Made(b"".join(mail.message.blocks()))


_NOBODY: Any = None
_DISPATCHER: Any = _Dispatcher()
_NODE: Any = SendSmtpEmailType(MailServices(router=Router(_NOBODY), dispatcher=_DISPATCHER, guard=AddressGuard()))


async def made(state: dict[str, Any] | None = None, **settings: Any) -> EmailMessage | ResultError:
    """Give the mail that would be sent, or the error in the result."""
    node = _NODE.prepare(to_server(25, **settings))
    try:
        step = await node.execute(NodeCall("flow", "run", "tell", state or {}, {}))
    except _Made as mail:
        message = message_from_bytes(mail.args[0], policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message
    assert step.result["status"] == "failed"
    error: ResultError = step.result["error"]
    return error


def is_clear(error: EmailMessage | ResultError, key: str, code: str | None = None) -> None:
    """See that it is one error, on one line, which names the node, the setting, and the remedy."""
    assert not isinstance(error, EmailMessage)
    assert error["message"].startswith(f"node tell, {key}: "), error
    assert error["message"].isprintable(), error
    assert len(error["message"]) < 300, error
    assert error["hint"], error
    assert code is None or error["code"] == code, error


async def all_is_well() -> None:
    """See that expressions do what they always did."""
    mail = await made(subject="{{ [1, 'a'].map(x => x + 1) }}", content="{{ JSON.stringify({a: [1]}) }}")
    assert isinstance(mail, EmailMessage), mail
    assert mail["Subject"] == "2, a1"
    html = mail.get_body(("html",))
    assert html
    assert html.get_content().strip() == "{&quot;a&quot;:[1]}"
