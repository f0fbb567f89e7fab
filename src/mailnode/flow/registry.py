"""Which types of node there are: our own, and those that installed packages bring."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from mailnode.errors import ErrorCode, MailnodeError, SettingsError
from mailnode.node.node_api import NodeCall, NodeReturn

ENTRY_POINT_GROUP = "mailnode.nodes"


class Node(Protocol):
    """A node with its settings read, ready to be reached."""

    async def execute(self, call: NodeCall) -> NodeReturn:
        """Do the node's work; a MailnodeError that leaves here halts the run."""
        ...


class NodeType(Protocol):
    """A type of node: it reads settings."""

    def prepare(self, settings: Mapping[str, Any]) -> Node:
        """Read a node's settings; a SettingsError says with `key` which one is wrong."""
        ...


@runtime_checkable
class ValidatingNodeType(NodeType, Protocol):
    """A type of node that can name all wrong settings at once, for who fills in a form."""

    def errors(self, settings: Mapping[str, Any]) -> list[MailnodeError]:
        """Give what `prepare` would raise, and the rest beside it."""
        ...


class Registry:
    """The node types by name; a name of ours can't be taken by a package."""

    def __init__(self, own: Mapping[str, NodeType]) -> None:
        """Begin with our own types; packages are looked through only for a name that is not among them."""
        self._own = own

    def find(self, name: str) -> NodeType:
        """Find a node type.

        Raises:
            SettingsError: nobody brings this type, or its package can't be loaded.
        """
        if own := self._own.get(name):
            return own
        others = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
        if name not in others:
            known = [*self._own, *others]
            near = get_close_matches(name, known, n=1)
            raise SettingsError(
                f"there is no node type {name!r}",
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
