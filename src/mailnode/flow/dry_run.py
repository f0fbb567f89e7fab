"""A flow read without a run: its errors, the email of a node, a test email, and the route that a node gives by now."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailnode.delivery.delivery import Origin
from mailnode.delivery.reroute import PresentRoute
from mailnode.delivery.route import Router
from mailnode.errors import MailnodeError, SettingsError
from mailnode.flow.document import FlowDocument, FlowNode, load_flow
from mailnode.flow.registry import Registry, ValidatingNodeType
from mailnode.flow.run import PreparedNode, prepare_node
from mailnode.node.node_api import NodeCall, NodeReturn
from mailnode.node.send_email import Composition, RouteSettings, SendSmtpEmail
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.outcome import Outcome


@dataclass(frozen=True, slots=True)
class NodeInput:
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

    async def compose(self, document: FlowDocument, node_input: NodeInput) -> Composition:
        """Compose the mail of a node, and send nothing.

        Raises:
            SettingsError: and others of ours: the mail can't be made, or there is no such node.
        """
        prepared, node = self._find(document, node_input.node_id)
        try:
            return await node.compose(_call(document, prepared, node_input))
        except MailnodeError as error:
            raise document.locate(error, prepared.source.id) from None

    async def hand_to(self, document: FlowDocument, node_input: NodeInput, port: int) -> Outcome:
        """Compose the mail of a node and hand it to a server on this machine, whatever server the settings name.

        Raises:
            MailnodeError: as `compose` does, or that server does not take it.
        """
        message = (await self.compose(document, node_input)).message
        async with SmtpClient("127.0.0.1", port, tls_option="none") as client:
            return await client.send(message)

    async def try_out(self, document: FlowDocument, node_input: NodeInput, address: str) -> NodeReturn:
        """Send the mail of a node to one address alone, by the server that the settings name.

        Raises:
            MailnodeError: there is no such node, or that address can't be used; what came of the sending is the
                step's result.
        """
        prepared, node = self._find(document, node_input.node_id)
        return await node.try_out(_call(document, prepared, node_input), address)

    def _errors(self, document: FlowDocument, node: FlowNode) -> list[MailnodeError]:
        try:
            prepare_node(document, node, self._registry)
        except MailnodeError as error:
            first = error
        else:
            return []
        node_type = self._registry.find(node.type) if first.key != "type" else None
        if not isinstance(node_type, ValidatingNodeType) or first.key == "when":
            return [first]
        found = [document.locate(error, node.id) for error in node_type.errors(node.settings)]
        return found or [first]

    def _find(self, document: FlowDocument, node_id: str | None) -> tuple[PreparedNode, SendSmtpEmail]:
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


def _call(document: FlowDocument, prepared: PreparedNode, node_input: NodeInput) -> NodeCall:
    return NodeCall(document.name, f"test-{uuid.uuid4().hex}", prepared.source.id, node_input.input, node_input.context)


class CurrentRoutes:
    """Reads flow files anew; one that is another flow by now tells nothing."""

    def __init__(self, registry: Registry, router: Router) -> None:
        """Read settings with the node types of `registry`, and make routes by `router`."""
        self._registry = registry
        self._router = router

    async def find(self, origin: Origin) -> PresentRoute:
        """Find the route that the node of a delivery gives its mail by now.

        Raises:
            MailnodeError: the flow file can't be read, is another flow, has no such node or one with other content, or
                the route can't be used.
        """
        said = await asyncio.to_thread(self._read, origin)
        try:
            route = await self._router.find(said.destination)
        except MailnodeError as error:
            raise error.locate(file=origin.file, node=origin.node) from None
        return PresentRoute(said.destination, route, said.retry_hours)

    def _read(self, origin: Origin) -> RouteSettings:
        document = load_flow(Path(origin.file))
        source = next((node for node in document.nodes if node.id == origin.node), None)
        if document.name != origin.flow:
            raise _another(origin, f"this file holds another flow by now, {document.name}")
        if source is None:
            raise _another(origin, "the flow has no such node any more")
        node = prepare_node(document, source, self._registry).node
        if not isinstance(node, SendSmtpEmail) or node.content_digest != origin.content:
            raise _another(origin, "the node's type, or its settings for recipients or content, were changed")
        return node.route_settings


def _another(origin: Origin, why: str) -> SettingsError:
    hint = "only server, connection, ehloName and retryHours may differ; run the flow again for a new mail"
    return SettingsError(why, hint=hint).locate(file=origin.file, node=origin.node)
