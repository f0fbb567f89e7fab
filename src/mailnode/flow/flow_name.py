"""The name of a flow: `welcome`, or with folders `marketing/welcome`, and where its file is in a folder of flows."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_FOLDER = r"[A-Za-z0-9_-]{1,64}"
MOST_FOLDERS = 4
# What flows use beside them, and what addresses of the API end with.
_RESERVED_FOLDERS = r"(?!(?i:files|layouts)/)"
_RESERVED_NAMES = r"(?!(?:file|files|sample|runs|rename|export|import|check)\Z)"
_FLOW_NAME = re.compile(rf"{_FOLDER}|(?:{_RESERVED_FOLDERS}{_FOLDER}/){{1,{MOST_FOLDERS}}}{_RESERVED_NAMES}{_FOLDER}")
_FOLDERS = re.compile(rf"(?!(?i:files|layouts)\Z){_FOLDER}")


def is_flow_name(name: str) -> bool:
    """Tell whether a text is a flow's name, which leads nowhere but to a file in a folder of flows."""
    return bool(_FLOW_NAME.fullmatch(name))


def top_of(path: Path, name: str) -> Path:
    """Give the folder of flows that a file with a flow of this name is in, where `files` and `layouts` are.

    It is as many folders above the file as the name has, if those are called so, else the file's own folder.
    """
    *folders, _ = name.split("/")
    parents = [path.parent, *path.parent.parents][: len(folders) + 1]
    is_so = [one.name for one in reversed(parents[:-1])] == folders
    return parents[-1] if is_so and len(parents) == len(folders) + 1 else path.parent


def folders_of_flows(top: Path) -> Iterator[tuple[str, list[str]]]:
    """Give each folder that flows of a folder can be in, `""` for itself and else `marketing/`, with the names in it.

    Links are not followed.

    Raises:
        OSError: the folder, or one in it, can't be read.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for here, folders, files in os.walk(top, onerror=refuse):
        below = Path(here).relative_to(top)
        is_deepest = len(below.parts) == MOST_FOLDERS
        names = [*files, *folders]
        folders[:] = [] if is_deepest else [one for one in folders if _FOLDERS.fullmatch(one)]
        yield "".join(f"{part}/" for part in below.parts), names
