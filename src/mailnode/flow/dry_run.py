"""A flow before it is run in earnest: what is wrong with it, the mail of a node, and that mail as a test."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailnode.delivery.outbound import Outbound
from mailnode.errors import MailnodeError, SettingsError
from mailnode.flow.document import FlowDocument, FlowNode
from mailnode.flow.registry import Registry, ThoroughNodeType
from mailnode.flow.run import Prepared, prepare_node
from mailnode.node.node_api import NodeCall, NodeReturn
from mailnode.node.send_email import Composition, SendSmtpEmail
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Scene:
    """Which node is reached, the first that sends mail if none is named, and with what state."""

    node_id: str | None
    input: Mapping[str, Any]
    context: Mapping[str, Any]


class DryRun:
    """Flows that are tried out; nothing is journalled, and nothing is stored but the deliveries of tests."""

    def __init__(self, registry: Registry) -> None:
        """Know the node types of `registry`."""
        self._registry = registry

    def errors(self, document: FlowDocument) -> list[MailnodeError]:
        """Give everything that is wrong with the nodes of a flow, each with node, key and line."""
        return [error for node in document.nodes for error in self._errors(document, node)]

    async def compose(self, document: FlowDocument, scene: Scene) -> Composition:
        """Compose the mail of a node, and send nothing.

        Raises:
            SettingsError: and others of ours: the mail can't be made, or there is no such node.
        """
        prepared, node = self._find(document, scene.node_id)
        try:
            return await node.compose(_call(document, prepared, scene))
        except MailnodeError as error:
            raise document.locate(error, prepared.source.id) from None

    async def hand_to(self, document: FlowDocument, scene: Scene, port: int) -> Outcome:
        """Compose the mail of a node and hand it to a server on this machine, whatever server the settings name.

        Raises:
            MailnodeError: as `compose` does, or that server does not take it.
        """
        message = (await self.compose(document, scene)).mail.message
        async with SmtpClient("127.0.0.1", port, tls_option="none") as client:
            return await client.send(Outbound(message.envelope, message))

    async def try_out(self, document: FlowDocument, scene: Scene, address: str) -> NodeReturn:
        """Send the mail of a node to one address alone, by the server that the settings name.

        Raises:
            MailnodeError: there is no such node, or that address can't be used; what came of the sending is the
                step's result.
        """
        prepared, node = self._find(document, scene.node_id)
        return await node.try_out(_call(document, prepared, scene), address)

    def _errors(self, document: FlowDocument, node: FlowNode) -> list[MailnodeError]:
        try:
            prepare_node(document, node, self._registry)
        except MailnodeError as error:
            first = error
        else:
            return []
        node_type = self._registry.find(node.type) if first.key != "type" else None
        if not isinstance(node_type, ThoroughNodeType) or first.key == "when":
            return [first]
        found = [document.locate(error, node.id) for error in node_type.errors(node.settings)]
        return found or [first]

    def _find(self, document: FlowDocument, node_id: str | None) -> tuple[Prepared, SendSmtpEmail]:
        for source in document.nodes:
            if node_id not in {None, source.id}:
                continue
            prepared = prepare_node(document, source, self._registry)
            if isinstance(prepared.node, SendSmtpEmail):
                return prepared, prepared.node
        raise SettingsError(
            f"there is no node {node_id!r} that sends mail" if node_id else "the flow has no node that sends mail",
            hint=f"nodes: {', '.join(f'{node.id} ({node.type})' for node in document.nodes)}",
        ).locate(file=document.file)


def _call(document: FlowDocument, prepared: Prepared, scene: Scene) -> NodeCall:
    return NodeCall(document.name, f"test-{uuid.uuid4().hex}", prepared.source.id, scene.input, scene.context)
