"""What a run begins with: its id, a copy of its state, and the digest that tells it from others."""

import json
from typing import Any

from mailnode.errors import SettingsError, UsageError
from mailnode.flow.document import FlowDocument
from mailnode.flow.run import MAX_LEVELS, NodeResult, Run
from mailnode.flow.state import State
from mailnode.json_text import is_deeper
from mailnode.printable import quoted

MAX_ID_CHARACTERS = 200


def new_run(document: FlowDocument, run_id: str, input: dict[str, Any], context: dict[str, Any]) -> Run:  # noqa: A002
    """Make a run before its first node; its state is a copy.

    Raises:
        SettingsError: `input` or `context` is not a JSON object.
    """
    nodes = [NodeResult(node.id, node.type, node.label) for node in document.nodes]
    state = State(_copied("input", input), _copied("context", context))
    return Run(run_id, document.name, state, nodes, file=document.path, folder=document.folder)


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
    if value == {}:
        return {}
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
    hashed = document.content_hash.copy()
    hashed.update(f", {json.dumps(input, sort_keys=True)}, {json.dumps(context, sort_keys=True)}]".encode())
    return hashed.hexdigest()
