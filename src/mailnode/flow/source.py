"""What the readers of YAML and JSON have in common: plain values with their lines, and errors."""

from dataclasses import dataclass, field
from typing import Any

from mailnode.errors import ErrorCode, SettingsError
from mailnode.printable import quoted

# Enough for any flow, and no danger for the stack.
MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Source:
    """A document of JSON types (None, bool, int, float, str, list, dict), and lines by path: `nodes[0].settings.to`."""

    value: Any
    lines: dict[str, int] = field(repr=False)


def join_path(path: str, key: str | int) -> str:
    """Give the path of a key, or of an index, in the value at `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def bad_file(message: str, line: int = 0, *, hint: str) -> SettingsError:
    """Make the error of a flow file that can't be read."""
    return SettingsError(message, code=ErrorCode.BAD_FLOW_FILE, hint=hint).locate(line=line)


def check_depth(depth: int, line: int) -> None:
    """Raise SettingsError if a value is nested too deep."""
    if depth > MAX_DEPTH:
        raise bad_file(f"values are nested deeper than {MAX_DEPTH} levels", line, hint="make the document flatter")


def repeated_key(key: str, line: int, first: int) -> SettingsError:
    """Make the error of a duplicate key."""
    return bad_file(f"{quoted(key)} is a duplicate key; the first is on line {first}", line, hint="keep one of them")


def whole_text(text: str, line: int) -> str:
    r"""Join surrogate pairs that were written as escapes (`\ud83d\ude00`); half of one is a SettingsError."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise bad_file(
            f"{quoted(text)} contains half of a surrogate pair",
            line,
            hint="write the character itself",
        ) from None
