"""A run of a flow: its nodes one after the other, their results, and how it ended."""

import asyncio
import hashlib
import json
import logging
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from mailnode.delivery.result import NOT_STORED, ResultError, describe
from mailnode.errors import (
    ErrorCode,
    ExpressionError,
    InternalError,
    MailnodeError,
    SettingsError,
    StoreError,
    UsageError,
)
from mailnode.flow.document import FlowDocument, FlowNode
from mailnode.flow.registry import Node, Registry
from mailnode.flow.state import State, queued_in, unstored_in
from mailnode.json_text import is_deeper
from mailnode.node.digest import without_route
from mailnode.node.expression import Evaluator
from mailnode.node.node_api import NodeCall, NodeReturn, Write
from mailnode.node.template import Expression, parse_template
from mailnode.printable import quoted
from mailnode.supervision import is_defect

MAX_ID_CHARACTERS = 200
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

    `file` is the path of the flow while it runs; `not_stored` says why its end could not be stored, "" if it was.
    """

    id: str
    flow: str
    state: State
    nodes: list[NodeResult]
    status: RunStatus = "done"
    output: list[str] = field(default_factory=list)
    is_repeat: bool = False
    file: str = ""
    not_stored: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the run as the command line prints it; `duplicate` means that an earlier run was not repeated."""
        return {
            **({"duplicate": True} if self.is_repeat else {}),
            **({NOT_STORED: self.not_stored} if self.not_stored else {}),
            "run": self.id,
            "flow": self.flow,
            "status": self.status,
            "input": self.state.input,
            "context": self.state.context,
            "output": self.output,
            "nodes": [node.to_json() for node in self.nodes],
        }

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
        MailnodeError: a setting is invalid; with file, line, node and key.
    """
    return [prepare_node(document, node, registry) for node in document.nodes]


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
            returned = await _reach(prepared, run)
        except MailnodeError as error:
            node_result.status, node_result.error = "failed", describe(error)
            run.status = "halted"
            if isinstance(error, StoreError) and error.transient:
                run.not_stored = error.message
            break
        if returned is None:
            node_result.status = "skipped"
            continue
        node_result.status, node_result.result, node_result.error = returned.status, returned.result, returned.error
        run.output += returned.output
        if returned.later is not None:
            promised.append((node_result, returned))
        if returned.halt:
            run.status = "halted"
            break
    await asyncio.gather(*(_follow_up(run, node_result, returned) for node_result, returned in promised))


async def _reach(prepared: PreparedNode, run: Run) -> NodeReturn | None:
    source = prepared.source
    call = NodeCall(run.flow, run.id, source.id, run.state.input, run.state.context, run.file)
    try:
        if prepared.when and not await Evaluator(call.input, call.context).truth(prepared.when):
            return None
        returned = await prepared.node.execute(call)
        _check_storable([returned.result, returned.error, returned.output, [write.value for write in returned.writes]])
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


def new_run(document: FlowDocument, run_id: str, input: dict[str, Any], context: dict[str, Any]) -> Run:  # noqa: A002
    """Make a run before its first node; its state is a copy.

    Raises:
        SettingsError: `input` or `context` is not a JSON object.
    """
    nodes = [NodeResult(node.id, node.type, node.label) for node in document.nodes]
    state = State(_copied("input", input), _copied("context", context))
    return Run(run_id, document.name, state, nodes, file=document.path)


def checked_run_id(run_id: str) -> str:
    """Check a run id.

    Raises:
        UsageError: it is not a text.
        SettingsError: it is empty, longer than 200 characters, or contains a character that is not printable.
    """
    if not isinstance(run_id, str):
        raise UsageError(f"a run id must be a text, not {quoted(run_id)}", hint="give a text, such as order-17")
    if not 0 < len(run_id) <= MAX_ID_CHARACTERS or not run_id.isprintable():
        raise SettingsError(
            f"{quoted(run_id)} is not a valid run id", hint=f"use 1 to {MAX_ID_CHARACTERS} printable characters"
        ).locate(key="run id")
    return run_id


def _copied(name: str, value: dict[str, Any]) -> dict[str, Any]:
    try:
        copied = json.loads(json.dumps(value, allow_nan=False))
        is_deep = is_deeper(copied, MAX_LEVELS)
    except RecursionError:
        is_deep = True
    except (TypeError, ValueError) as error:
        raise SettingsError(f"this is not valid JSON: {error}", hint="give JSON values only").locate(key=name) from None
    if is_deep:
        words = f"values are nested deeper than {MAX_LEVELS} levels"
        raise SettingsError(words, hint="make them flatter").locate(key=name)
    if not isinstance(copied, dict):
        raise SettingsError("a JSON object is required", hint='write {"name": value, ...}').locate(key=name)
    return copied


def run_digest(document: FlowDocument, input: dict[str, Any], context: dict[str, Any]) -> str:  # noqa: A002
    """Give a hexadecimal digest of flow and state, which runs of one id must share; routes are not part of it."""
    nodes = [[node.id, node.type, node.when, without_route(node.type, node.settings)] for node in document.nodes]
    text = json.dumps([document.name, nodes, input, context], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
