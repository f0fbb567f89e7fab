"""The node types: our own, and those of installed packages."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from mailnode.errors import ErrorCode, MailnodeError, SettingsError
from mailnode.node.node_api import NodeCall, NodeReturn

ENTRY_POINT_GROUP = "mailnode.nodes"


class Node(Protocol):
    """A node with its settings read, ready to be executed."""

    async def execute(self, call: NodeCall) -> NodeReturn:
        """Do the node's work; a MailnodeError halts the run."""
        ...


class NodeType(Protocol):
    """A node type, which reads the settings of its nodes."""

    def prepare(self, settings: Mapping[str, Any]) -> Node:
        """Read a node's settings; a SettingsError names the invalid one as its `key`."""
        ...


@runtime_checkable
class ValidatingNodeType(NodeType, Protocol):
    """A node type that can give the errors of all settings at once, for a form."""

    def errors(self, settings: Mapping[str, Any]) -> list[MailnodeError]:
        """Give all errors, of which `prepare` raises the first."""
        ...


class Registry:
    """The node types by name; a package can't replace our own."""

    def __init__(self, own: Mapping[str, NodeType]) -> None:
        """Use our own types; packages are searched only for other names."""
        self._own = own

    def find(self, name: str) -> NodeType:
        """Find a node type.

        Raises:
            SettingsError: the type is unknown, or its package can't be loaded.
        """
        if own := self._own.get(name):
            return own
        others = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
        if name not in others:
            known = [*self._own, *others]
            near = get_close_matches(name, known, n=1)
            raise SettingsError(
                f"unknown node type {name!r}",
                hint=f"did you mean {near[0]}?" if near else f"known types: {', '.join(known)}",
            ).locate(key="type")
        try:
            node_type: NodeType = others[name].load()
        except Exception as error:
            raise SettingsError(
                f"the package of node type {name!r} can't be loaded: {error}",
                code=ErrorCode.NODE_FAILED,
                hint=f"repair or remove the package that provides {others[name].value}",
            ).locate(key="type") from error
        return node_type
