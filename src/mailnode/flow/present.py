"""The route that a flow gives its mail by now, for a person who has mended it and sends a mail again."""

import asyncio
from pathlib import Path

from mailnode.delivery.origin import Origin, PresentRoute
from mailnode.delivery.route import Router
from mailnode.errors import MailnodeError, SettingsError
from mailnode.flow.document import load_flow
from mailnode.flow.registry import Registry
from mailnode.flow.run import prepare_node
from mailnode.node.send_email import RouteSettings, SendSmtpEmail


class PresentRoutes:
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
