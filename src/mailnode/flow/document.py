"""The flow file: completely checked before anything runs; every error has its file, line and key."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mailnode.errors import ErrorCode, MailnodeError, SettingsError
from mailnode.flow.flow_name import is_flow_name, top_of
from mailnode.flow.json_reader import read_json
from mailnode.flow.source import Source, bad_file, join_path
from mailnode.flow.yaml_reader import read_yaml
from mailnode.node.digest import without_route
from mailnode.printable import quoted

VERSION = 1
# Enough for an attachment of 10 MB in Base64.
MAX_BYTES = 16 * 2**20
# Reading a node of YAML takes a millisecond.
MAX_NODES = 5_000

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_NAME = 64
_FLOW_KEYS = ("version", "name", "nodes")
_NODE_KEYS = ("id", "type", "label", "when", "settings")
_TYPE_NAMES: dict[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
}
_TYPE_REMEDIES: dict[type, str] = {
    dict: "write keys with their values: {key: value}",
    list: "write a list: [one, another]",
    str: 'write it in quotes: "text"',
}

E = TypeVar("E", bound=MailnodeError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FlowNode:
    """One node of the file; its settings are JSON types, which its node type reads."""

    id: str
    type: str
    label: str
    when: str | None
    settings: dict[str, Any]
    line: int


@dataclass(frozen=True)
class FlowDocument:
    """A flow; `file` is the name of its file for errors, `path` the absolute path, "" if it was read from a text.

    `folder` is where the files are that it names; None for a text that belongs to no folder.
    """

    name: str
    nodes: tuple[FlowNode, ...]
    file: str
    version: int = VERSION
    path: str = ""
    folder: Path | None = None
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)

    @cached_property
    def content_hash(self) -> "hashlib._Hash":
        """A hash with name and nodes in it, without their routes: the beginning of the digest of each run."""
        nodes = [[node.id, node.type, node.when, without_route(node.type, node.settings)] for node in self.nodes]
        text = json.dumps([self.name, nodes], sort_keys=True)
        return hashlib.sha256(text.removesuffix("]").encode("utf-8", "surrogatepass"))

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {node.id: index for index, node in enumerate(self.nodes)}

    def line_of(self, node_id: str, key_path: str = "") -> int:
        """Give the line of a node's setting (`attachments[1].url`), or of the nearest value around it."""
        path = f"nodes[{self._places[node_id]}]"
        if key_path in _NODE_KEYS and f"{path}.settings.{key_path}" not in self.lines:
            return self.lines.get(f"{path}.{key_path}", self.lines[path])
        enclosing = _outwards(f"{path}.settings.{key_path}" if key_path else path)
        return next(self.lines[path] for path in enclosing if path in self.lines)

    def locate(self, error: E, node_id: str) -> E:
        """Add file, line and node to an error of a node's setting, whose `key` is known, and to its `others`."""
        for other in error.others:
            other.locate(file=self.file, line=self.line_of(node_id, other.key), node=node_id)
        return error.locate(file=self.file, line=self.line_of(node_id, error.key), node=node_id)


def _outwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path[: max(path.rfind("."), path.rfind("["), 0)]


def load_flow(path: Path) -> FlowDocument:
    """Read a flow file: JSON when its name ends in .json, else YAML.

    Raises:
        SettingsError: the file can't be read or is not a flow; with file, and line if known.
    """
    return parse_flow_file(read_text(path), path)


def parse_flow_file(text: str, path: Path) -> FlowDocument:
    """Read a flow from the text of its file; raises as `parse_flow` does."""
    # Links are not resolved: a link to the current release leads to the next one tomorrow.
    return cached_flow(text, str(path), str(path.absolute()), path.suffix.lower() == ".json")


@lru_cache(maxsize=32)
def cached_flow(text: str, file: str, path: str, json: bool) -> FlowDocument:
    """Parse the text of the file at `path`; the same text again gives the same document. Raises as `parse_flow` does.

    A flow is parsed for each of its runs, and seldom changes between them.
    """
    document = parse_flow(text, file=file, json=json)
    return replace(document, path=path, folder=top_of(Path(path), document.name))


def read_text(path: Path) -> str:
    """Read a text file of at most the size of a flow; SettingsError with its name if that fails."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise bad_file("the file does not exist", hint="check the path").locate(file=str(path)) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise bad_file(f"the file can't be read: {why}", hint="give the path of a flow file").locate(
            file=str(path)
        ) from None
    if len(data) > MAX_BYTES:
        raise _too_large().locate(file=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise bad_file("the file is not UTF-8", line, hint="save it as UTF-8").locate(file=str(path)) from None


def suggested_name(text: str) -> str:
    """Suggest a valid name that resembles a text; "" if it has no ASCII letter or digit."""
    plain = unicodedata.normalize("NFKD", text[:_LONGEST_NAME]).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-").lower()[:_LONGEST_NAME].rstrip("-")


def parse_flow(text: str, *, file: str, json: bool = False) -> FlowDocument:
    """Read a flow from its text; `file` is the name that errors show.

    Raises:
        SettingsError: the text is not a flow.
    """
    try:
        if len(text) > MAX_BYTES:
            raise _too_large()
        return _Reader(read_json(text) if json else read_yaml(text), file).flow()
    except SettingsError as error:
        raise error.locate(file=file) from None


def _too_large() -> SettingsError:
    return bad_file(f"the flow is larger than {MAX_BYTES // 2**20} MB", hint="fetch large attachments from a URL")


class _Reader:
    """Checks a parsed file against the format of a flow."""

    def __init__(self, source: Source, file: str) -> None:
        self._value = source.value
        self._lines = source.lines
        self._file = file

    def flow(self) -> FlowDocument:
        """Read the document."""
        flow = self._mapping(self._value, "", _FLOW_KEYS, required=_FLOW_KEYS)
        self._check_version(flow["version"])
        name = self._name(flow["name"], "name")
        nodes: list[FlowNode] = []
        given = self._typed(flow["nodes"], "nodes", list)
        if len(given) > MAX_NODES:
            words = f"there are {len(given):,} nodes; at most {MAX_NODES:,} are allowed"
            raise self._bad(
                "nodes",
                words,
                hint="split it into several flows; to write to many people run one flow over their rows",
            )
        there: dict[str, int] = {}
        for index, node in enumerate(given):
            nodes.append(self._node(node, f"nodes[{index}]"))
            self._check_unique(nodes[-1], index, there)
        if not nodes:
            raise self._bad(
                "nodes", "there are no nodes", hint="add one: - {id: tell, type: say, settings: {text: hi}}"
            )
        return FlowDocument(name, tuple(nodes), self._file, lines=self._lines)

    def _node(self, value: Any, path: str) -> FlowNode:
        node = self._mapping(value, path, _NODE_KEYS, required=("id", "type"))
        node_id = self._name(node["id"], f"{path}.id")
        return FlowNode(
            id=node_id,
            type=self._typed(node["type"], f"{path}.type", str),
            label=self._typed(node.get("label", node_id), f"{path}.label", str),
            when=self._when(node, path),
            settings=self._typed(node.get("settings", {}), f"{path}.settings", dict),
            line=self._lines[path],
        )

    def _when(self, node: dict[str, Any], path: str) -> str | None:
        if "when" not in node:
            return None
        when = node["when"]
        if not isinstance(when, str):
            # Null too: a forgotten condition must not mean "always".
            hint = 'write when: "{{ input.paid }}"'
            raise self._bad(f"{path}.when", f"a condition must be a text, not {_shown(when)}", hint=hint)
        return when

    def _check_version(self, version: object) -> None:
        if type(version) is not int or version != VERSION:
            raise self._bad("version", f"unknown version {_shown(version)} of flow files", hint="write version: 1")

    def _check_unique(self, node: FlowNode, index: int, lines: dict[str, int]) -> None:
        if node.id in lines:
            said = f"the id {node.id!r} is already used by the node on line {lines[node.id]}"
            raise self._bad(f"nodes[{index}].id", said, hint="give each node an id of its own")
        lines[node.id] = node.line

    def _name(self, value: object, path: str) -> str:
        name = self._typed(value, path, str)
        if not (is_flow_name(name) if path == "name" else NAME.fullmatch(name)):
            near = suggested_name(name)
            hint = "use 1 to 64 letters (a-z, A-Z), digits, hyphens and underscores" + (f": {near}" if near else "")
            raise self._bad(path, f"{quoted(name)} is not a valid name", hint=hint)
        return name

    def _typed(self, value: object, path: str, kind: type[T]) -> T:
        if not isinstance(value, kind):
            what = f"{_TYPE_NAMES[kind]} is required, not {_shown(value)}"
            raise self._bad(path, what, hint=_TYPE_REMEDIES[kind])
        return value

    def _mapping(self, value: object, path: str, known: tuple[str, ...], required: tuple[str, ...]) -> dict[str, Any]:
        mapping = self._typed(value, path, dict)
        for key in mapping:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
                raise self._bad(join_path(path, key), "unknown key", hint=hint, code=ErrorCode.UNKNOWN_KEY)
        for key in required:
            if key not in mapping:
                raise self._bad(path, f"{key} is missing", hint=f"add the key `{key}`", code=ErrorCode.MISSING_SETTING)
        return mapping

    def _bad(self, path: str, message: str, *, hint: str, code: ErrorCode = ErrorCode.BAD_FLOW_FILE) -> SettingsError:
        return SettingsError(message, code=code, hint=hint).locate(line=self._lines[path], key=path)


def _shown(value: object) -> str:
    """Show a value in an error; of a mapping or list only the type."""
    if isinstance(value, dict | list) or value is None:
        return _TYPE_NAMES[type(value)]
    return quoted(value)
