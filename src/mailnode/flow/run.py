"""A run of a flow: its nodes one after the other, their results, and how it ended."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from mailnode.delivery.recovery import RunEnd
from mailnode.delivery.result import NOT_STORED, ResultError, Status, describe, worst_of
from mailnode.errors import (
    ErrorCode,
    ExpressionError,
    InternalError,
    MailnodeError,
    SettingsError,
    StoreError,
)
from mailnode.flow.document import FlowDocument, FlowNode
from mailnode.flow.registry import Node, Registry
from mailnode.flow.spans import node_span
from mailnode.flow.state import State, queued_in, unstored_in
from mailnode.json_text import is_deeper
from mailnode.node.expression import Evaluator
from mailnode.node.node_api import NodeCall, NodeReturn, Write
from mailnode.node.send_email import SendSmtpEmail
from mailnode.node.template import Expression, parse_template
from mailnode.printable import quoted
from mailnode.supervision import is_defect

# What is stored must be readable by programs whose own frames count too.
MAX_LEVELS = 500
_OURS = "mailnode."
_log = logging.getLogger(__name__)

RunStatus = Literal["done", "halted", "interrupted"]


@dataclass(frozen=True, slots=True)
class PreparedNode:
    """A node whose settings and condition have been read."""

    source: FlowNode
    node: Node
    when: Expression | None


@dataclass(slots=True)
class NodeResult:
    """The status of one node in a run, with its result or error."""

    id: str
    type: str
    label: str
    status: Literal["done", "failed", "skipped", "notReached"] = "notReached"
    result: Any = None
    error: ResultError | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON, without what does not apply."""
        stored = {"result": self.result, "error": self.error}
        given = {name: value for name, value in stored.items() if value is not None}
        return {"id": self.id, "type": self.type, "label": self.label, "status": self.status, **given}


@dataclass(slots=True)
class Run:
    """One execution of a flow.

    `file` is the path of the flow while it runs, `folder` where the files are that it names. `not_stored` says why its
    end could not be stored, "" if it was. `ended_by` is the result of a node with which the end was given away, and
    `is_end_stored` whether it is stored.
    """

    id: str
    flow: str
    state: State
    nodes: list[NodeResult]
    status: RunStatus = "done"
    output: list[str] = field(default_factory=list)
    is_repeat: bool = False
    file: str = ""
    folder: Path | None = None
    not_stored: str = ""
    ended_by: Any = field(default=None, repr=False)
    is_end_stored: bool = False
    is_abandoned: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give the run as the command line prints it; `duplicate` means that an earlier run was not repeated."""
        return self._json({"mail": self.mail})

    def _json(self, more: dict[str, Any]) -> dict[str, Any]:
        return {
            **({"duplicate": True} if self.is_repeat else {}),
            **({NOT_STORED: self.not_stored} if self.not_stored else {}),
            "run": self.id,
            "flow": self.flow,
            "status": self.status,
            **more,
            "input": self.state.input,
            "context": self.state.context,
            "output": self.output,
            "nodes": [node.to_json() for node in self.nodes],
        }

    def stored(self) -> dict[str, Any]:
        """Give the run as it is stored: with what its nodes replaced, so that it can be run again."""
        replaced = {"replaced": self.state.replaced} if self.state.replaced else {}
        return {**self._json({}), **replaced}  # `mail` follows the outcomes of the nodes

    @property
    def mail(self) -> Status | None:
        """The worst status of its email, None where it has none."""
        return worst_of(node.result for node in self.nodes)

    @property
    def pending(self) -> list[str]:
        """The ids of queued deliveries whose outcome the run does not have yet."""
        return queued_in(node.result for node in self.nodes)

    @property
    def is_stored(self) -> bool:
        """Whether the database has the end of the run and all outcomes."""
        return not self.not_stored and not unstored_in(node.result for node in self.nodes)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Read a run that `to_json` gave."""
        nodes = [NodeResult(**node) for node in stored["nodes"]]
        return cls(
            stored["run"],
            stored["flow"],
            State(stored["input"], stored["context"]),
            nodes,
            stored["status"],
            stored["output"],
            stored.get("duplicate", False),
            not_stored=stored.get(NOT_STORED, ""),
        )


def prepare_nodes(document: FlowDocument, registry: Registry) -> list[PreparedNode]:
    """Read the settings of every node, so that an invalid one is found before anything is sent.

    Raises:
        MailnodeError: a setting is invalid, or names a layout that can't be used; with file, line, node and key.
    """
    nodes = [prepare_node(document, node, registry) for node in document.nodes]
    for prepared in nodes:
        check_layout(document, prepared)
    return nodes


def check_layout(document: FlowDocument, prepared: PreparedNode) -> None:
    """Check the layout that a node names, where the flow belongs to a folder; raises as `prepare_nodes` does."""
    if document.folder is None or not isinstance(prepared.node, SendSmtpEmail):
        return
    try:
        prepared.node.check_layout(document.folder)
    except MailnodeError as error:
        raise document.locate(error, prepared.source.id) from None


def prepare_node(document: FlowDocument, source: FlowNode, registry: Registry) -> PreparedNode:
    """Read the settings of one node; raises as `prepare_nodes` does."""
    try:
        node_type = registry.find(source.type)
        when = _read_when(source.when) if source.when is not None else None
        node = node_type.prepare(source.settings)
    except MailnodeError as error:
        raise document.locate(error, source.id) from None
    return PreparedNode(source, node, when)


def _read_when(text: str) -> Expression:
    try:
        template = parse_template(text)
        if template.single is None:
            raise ExpressionError(
                f"a condition must be one expression and nothing else, not {quoted(text)}",
                hint="write when: \"{{ context.mail.status == 'failed' }}\"",
            )
    except MailnodeError as error:
        raise error.locate(key="when") from None
    return template.single


async def run_nodes(nodes: list[PreparedNode], run: Run) -> None:
    """Execute the nodes in their order until one halts the run, then wait for results that come later.

    A run that halts because the database is down for long is `not_stored`: the same run id continues it.
    """
    promised: list[tuple[NodeResult, NodeReturn]] = []
    for prepared, node_result in zip(nodes, run.nodes, strict=True):
        try:
            returned = await _reach(prepared, run, None if promised else partial(_end_with, run, node_result))
        except MailnodeError as error:
            node_result.status, node_result.error = "failed", describe(error)
            run.status = "halted"
            if isinstance(error, StoreError) and error.transient:
                run.not_stored = error.message
            break
        except BaseException:
            run.is_abandoned = True
            raise
        if returned is None:
            node_result.status = "skipped"
            continue
        _take(run, node_result, returned)
        run.output += returned.output
        if returned.later is not None:
            promised.append((node_result, returned))
        if returned.halt:
            break
    await asyncio.gather(*(_follow_up(run, node_result, returned) for node_result, returned in promised))


def _take(run: Run, node_result: NodeResult, returned: NodeReturn) -> None:
    node_result.status, node_result.result, node_result.error = returned.status, returned.result, returned.error
    run.status = "halted" if returned.halt else "done"
    run.is_end_stored = returned.result is run.ended_by is not None


def _end_with(run: Run, node_result: NodeResult, returned: NodeReturn) -> RunEnd | None:
    """Give how the run ends with what a node is about to return; that is taken again when it is returned."""
    if run.is_abandoned or not (returned.halt or node_result is run.nodes[-1]):
        return None
    try:
        for write in returned.writes:
            run.state.write(write)
        _take(run, node_result, returned)
        end = RunEnd(run.id, run.status, json.dumps(run.stored()))
    except Exception:  # noqa: BLE001 -- the run itself will meet it, and say so
        return None
    run.ended_by = returned.result
    return end


@node_span
async def _reach(
    prepared: PreparedNode, run: Run, end_run: Callable[[NodeReturn], RunEnd | None] | None
) -> NodeReturn | None:
    source, state = prepared.source, run.state
    call = NodeCall(run.flow, run.id, source.id, state.input, state.context, run.file, run.folder, end_run)
    try:
        if prepared.when and not await Evaluator(call.input, call.context).truth(prepared.when):
            return None
        returned = await prepared.node.execute(call)
        if run.ended_by is None or returned.result is not run.ended_by:  # else it is stored
            made = [returned.result, returned.error, returned.output, [write.value for write in returned.writes]]
            _check_storable(made)
        for write in returned.writes:
            run.state.write(write)
    except MailnodeError as error:
        raise error.locate(node=source.id) from None
    except BaseException as error:
        if not is_defect(error):
            raise
        _log.error("unexpected error in node %s of run %s", source.id, run.id, exc_info=error)
        raise _defect_of(prepared, error).locate(node=source.id) from error
    return returned


def _check_storable(made: list[Any]) -> None:
    try:
        json.dumps(made)
        is_deep = is_deeper(made, MAX_LEVELS + 2)
    except RecursionError:
        is_deep = True
    if is_deep:
        raise ExpressionError(f"a value is nested deeper than {MAX_LEVELS} levels", hint="make it flatter")


def _defect_of(prepared: PreparedNode, error: BaseException) -> MailnodeError:
    if type(prepared.node).__module__.startswith(_OURS):
        return InternalError.of(error)
    return SettingsError(
        f"the node failed with {type(error).__name__}: {error}",
        code=ErrorCode.NODE_FAILED,
        hint=f"this is a bug in the node type {prepared.source.type}: report it to its author",
    )


async def _follow_up(run: Run, node_result: NodeResult, returned: NodeReturn) -> None:
    """Replace the first result of a node by its later one, unless another value was stored there."""
    assert returned.later is not None
    try:
        result = await returned.later
    except Exception as error:  # noqa: BLE001 -- the first result stays
        _log.exception("the outcome of node %s of run %s is not known", node_result.id, run.id)
        why = error if isinstance(error, MailnodeError) else InternalError.of(error)
        node_result.status, node_result.error, run.status = "failed", describe(why), "halted"
        return
    node_result.result = result
    for write in returned.writes:
        run.state.replace(Write(write.place, write.key, result), write.value)
