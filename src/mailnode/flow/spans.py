"""The spans of a run and of its nodes."""

from typing import TYPE_CHECKING, Any, Protocol

from mailnode.tracing import Attributes, traced

if TYPE_CHECKING:
    from mailnode.flow.document import FlowNode
    from mailnode.node.node_api import NodeReturn


class _Run(Protocol):
    id: str
    flow: str
    status: str


class _Node(Protocol):
    source: "FlowNode"


def _run(_runner: object, _loaded: object, run: _Run) -> Attributes:
    return {"mailnode.run.id": run.id, "mailnode.flow": run.flow}


def _ran(_runner: object, run: _Run) -> Attributes:
    return {"mailnode.run.status": run.status, "error.type": "halted" if run.status == "halted" else None}


def _node(prepared: _Node, *_: Any) -> Attributes:
    return {"mailnode.node.id": prepared.source.id, "mailnode.node.type": prepared.source.type}


def _reached(_prepared: _Node, returned: "NodeReturn | None") -> Attributes:
    status = returned.status if returned else "skipped"
    code = returned.error["code"] if returned and returned.error else "failed"
    return {"mailnode.node.status": status, "error.type": code if status == "failed" else None}


run_span = traced("mailnode.run", _run, _ran)
node_span = traced("mailnode.node", _node, _reached)
