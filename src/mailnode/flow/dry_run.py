"""A flow read without a run: its errors, the email of a node, a test email, and the route that a node gives by now."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailnode.delivery.delivery import Origin
from mailnode.delivery.reroute import CurrentRoute
from mailnode.delivery.result import Result
from mailnode.delivery.route import Router
from mailnode.errors import MailnodeError, SettingsError
from mailnode.flow.document import FlowDocument, FlowNode, load_flow
from mailnode.flow.registry import Registry, ValidatingNodeType
from mailnode.flow.run import PreparedNode, check_layout, prepare_node, prepare_nodes
from mailnode.flow.run_plan import RunPlan, plan_run
from mailnode.flow.run_start import new_run
from mailnode.node.node_api import NodeCall
from mailnode.node.send_email import Composition, RouteSettings, SendSmtpEmail
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.outcome import Outcome
from mailnode.smtp.server import ServerSettings

if TYPE_CHECKING:
    from mailnode.smtp.doctor.finding import Diagnosis
    from mailnode.smtp.doctor.reachability import PortOption


class DryRun:
    """A flow that is tried out: what is wrong with it, the email of one of its nodes, and that email as a test.

    No run is stored. The node is the first one that sends email, unless another one is named.
    """

    def __init__(
        self,
        registry: Registry,
        flow: str | Path | FlowDocument,
        node_id: str | None,
        input: Mapping[str, Any],  # noqa: A002 -- the editor's word
        context: Mapping[str, Any],
    ) -> None:
        """Try out a flow, from its file or read already, with the node types of `registry`."""
        self._registry = registry
        self._flow = flow
        self._node_id = node_id
        self._input = input
        self._context = context

    def errors(self) -> list[MailnodeError]:
        """Give everything that is wrong with the nodes of the flow, each with node, key and line.

        Raises:
            SettingsError: the file can't be read, or holds no flow.
        """
        document = self._document()
        return [error for node in document.nodes for error in self._errors(document, node)]

    async def compose(self) -> Composition:
        """Compose the email of the node, fetching its attachments, and send nothing.

        Raises:
            SettingsError: the flow can't be read, there is no such node, or its settings make no email.
            MailnodeError: another one of the tree says what else is wrong, as a connection that is not there.
        """
        document, prepared, node = await asyncio.to_thread(self._find)
        try:
            return await node.compose(self._call(document, prepared))
        except MailnodeError as error:
            raise document.locate(error, prepared.source.id) from None

    async def send_to_port(self, port: int) -> Outcome:
        """Compose the email of the node and send it to a server on this machine, as an Inbox, and to no other.

        Raises:
            MailnodeError: as `compose` does, or that server does not accept it.
        """
        message = (await self.compose()).message
        async with SmtpClient("127.0.0.1", port, tls_option="none") as client:
            return await client.send(message)

    async def send_to(self, address: str) -> Result:
        """Send the email of the node to one address alone, by the server and login that its settings name.

        Raises:
            MailnodeError: as `compose` does, or the connection may not send to that address; what the server said is
                in the result.
        """
        document, prepared, node = await asyncio.to_thread(self._find)
        result: Result = (await node.try_out(self._call(document, prepared), address)).result
        return result

    async def plan(self) -> RunPlan:
        """Say which emails a run with this input and context would send, and to whom; nothing is sent.

        Raises:
            SettingsError: the flow can't be read, a setting is invalid, or the state is not JSON.
        """
        document = await asyncio.to_thread(self._document)
        run = new_run(document, f"plan-{uuid.uuid4().hex}", dict(self._input), dict(self._context))
        nodes = await asyncio.to_thread(prepare_nodes, document, self._registry)
        plan = await plan_run(nodes, run)
        for error in [plan.error, *(email.error for email in plan.emails)]:
            if error:
                document.locate(error, error.node)
        return plan

    async def send_all_to_port(self, port: int) -> RunPlan:
        """Send the emails of `plan` to a server on this machine, as an Inbox, and to no other; gives the plan.

        Raises:
            MailnodeError: as `plan` does, or that server does not accept one.
        """
        plan = await self.plan()
        async with SmtpClient("127.0.0.1", port, tls_option="none") as client:
            for email in plan.emails:
                if email.message:
                    await client.send(email.message)
        return plan

    async def examine(self, others: "Sequence[PortOption]" = ()) -> "tuple[ServerSettings, Diagnosis]":
        """Examine the server of the node step by step, with its login; gives it and the findings. No email is sent.

        Where it fails, the usual ports and TLS modes of its host are tried, and `others`.

        Raises:
            MailnodeError: the flow can't be read, there is no such node, or its settings name no server.
        """
        document, prepared, node = await asyncio.to_thread(self._find)
        try:
            route = await node.route()
        except MailnodeError as error:
            raise document.locate(error, prepared.source.id) from None
        # Who only sends has no use for it.
        from mailnode.smtp.doctor.diagnose import DOCTOR_DEADLINES, examine
        from mailnode.smtp.doctor.reachability import USUAL_PORTS

        server = replace(route.server, deadlines=DOCTOR_DEADLINES)
        return server, await examine(server, usual=(*USUAL_PORTS, *others))

    def _document(self) -> FlowDocument:
        return self._flow if isinstance(self._flow, FlowDocument) else load_flow(Path(self._flow))

    def _errors(self, document: FlowDocument, node: FlowNode) -> list[MailnodeError]:
        try:
            check_layout(document, prepare_node(document, node, self._registry))
        except MailnodeError as error:
            first = error
        else:
            return []
        node_type = self._registry.find(node.type) if first.key != "type" else None
        if not isinstance(node_type, ValidatingNodeType) or first.key == "when":
            return [first]
        found = [document.locate(error, node.id) for error in node_type.errors(node.settings)]
        return found or [first]

    def _find(self) -> tuple[FlowDocument, PreparedNode, SendSmtpEmail]:
        document, node_id = self._document(), self._node_id
        for source in document.nodes:
            if node_id not in {None, source.id}:
                continue
            prepared = prepare_node(document, source, self._registry)
            if isinstance(prepared.node, SendSmtpEmail):
                return document, prepared, prepared.node
        raise SettingsError(
            f"there is no node {node_id!r} that sends email" if node_id else "the flow has no node that sends email",
            hint=f"nodes: {', '.join(f'{node.id} ({node.type})' for node in document.nodes)}",
        ).locate(file=document.file)

    def _call(self, document: FlowDocument, prepared: PreparedNode) -> NodeCall:
        run_id = f"test-{uuid.uuid4().hex}"
        node_id = prepared.source.id
        return NodeCall(document.name, run_id, node_id, self._input, self._context, folder=document.folder)


class CurrentRoutes:
    """Reads routes from flow files as they are now."""

    def __init__(self, registry: Registry, router: Router) -> None:
        """Read settings with the node types of `registry`, and find routes with `router`."""
        self._registry = registry
        self._router = router

    async def find(self, origin: Origin) -> CurrentRoute:
        """Find the route that the node of a delivery would use now.

        Raises:
            MailnodeError: the flow file can't be read, is another flow, has no such node or one with other content, or
                the route can't be used.
        """
        settings = await asyncio.to_thread(self._read, origin)
        try:
            route = await self._router.find(settings.destination)
        except MailnodeError as error:
            raise error.locate(file=origin.file, node=origin.node) from None
        return CurrentRoute(settings.destination, route, settings.retry_hours)

    def _read(self, origin: Origin) -> RouteSettings:
        document = load_flow(Path(origin.file))
        source = next((node for node in document.nodes if node.id == origin.node), None)
        if document.name != origin.flow:
            raise _another(origin, f"the file now contains another flow, {document.name}")
        if source is None:
            raise _another(origin, "the flow no longer has this node")
        node = prepare_node(document, source, self._registry).node
        if not isinstance(node, SendSmtpEmail) or node.content_digest != origin.content:
            raise _another(origin, "the node's type, or its settings for recipients or content, were changed")
        return node.route_settings


def _another(origin: Origin, why: str) -> SettingsError:
    hint = "only server, connection, ehloName and retryHours may differ; run the flow again for a new email"
    return SettingsError(why, hint=hint).locate(file=origin.file, node=origin.node)
