"""The build's own step: what the browser loads is bundled by npm and esbuild, where they are installed."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FRONTEND = Path("src/mailnode/web/frontend")
STATIC = Path("src/mailnode/web/static")
STAMP = STATIC / "stamp"
_WITHOUT = "mailnode works, its editor does not"


class BundleHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own parameter is no help here
    """Makes the bundle and puts it into the wheel; without npm the wheel is good, and `mailnode serve` says it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Bundle before the wheel is put together."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        if not os.environ.get("MAILNODE_SKIP_FRONTEND") and (why := bundle(root)):
            self.app.display_warning(why)
        if version != "editable":  # there the checkout's own are found
            build_data["force_include"][str(root / "examples")] = "mailnode/examples"
        if (root / STATIC).is_dir():
            build_data["artifacts"].append(f"{STATIC.as_posix()}/*")


def bundle(root: Path) -> str:
    """Bundle unless that is done already for these very sources; tell why there is no bundle, "" where there is one."""
    sources = _digest(root / FRONTEND)
    stamp = root / STAMP
    if stamp.is_file() and stamp.read_text() == sources:
        return ""
    if shutil.which("npm") is None:
        return f"npm is not there: {_WITHOUT}; install Node and npm (on Debian: apt-get install nodejs npm)"
    folder = root / FRONTEND
    # On Windows npm is a script, which only a whole path starts.
    npm = [str(shutil.which("npm"))]
    install = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    try:
        if not _has_packages(folder):
            subprocess.run([*npm, *install], cwd=folder, check=True)  # noqa: S603
        subprocess.run([*npm, "run", "--silent", "build"], cwd=folder, check=True)  # noqa: S603
    except subprocess.CalledProcessError:  # npm has said why: no registry, no network, no room
        return f"npm could not make the bundle: {_WITHOUT}"
    stamp.write_text(sources)
    return ""


def _has_packages(folder: Path) -> bool:
    """Tell whether all that the bundle is made of is installed; what only checks it may be there or not."""
    try:
        there = json.loads((folder / "node_modules" / ".package-lock.json").read_text())["packages"]
    except (OSError, ValueError):
        return False
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    needed = {path: of for path, of in locked.items() if path and not of.get("dev") and not of.get("optional")}
    return all(there.get(path, {}).get("version") == of["version"] for path, of in needed.items())


def _digest(folder: Path) -> str:
    files = [folder / "package-lock.json", folder / "build.mjs", *sorted((folder / "src").rglob("*"))]
    hashed = hashlib.sha256()
    for file in files:
        if file.is_file():
            hashed.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return hashed.hexdigest()


if __name__ == "__main__":
    if why := bundle(Path(__file__).parent):
        sys.stderr.write(f"{why}\n")
