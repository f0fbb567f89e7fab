"""What some tests need from the machine."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def require(tool: str, *, folder: str = "/usr/sbin") -> str:
    """Give the path of a program, or skip the test; under MAILNODE_TEST_REQUIRE=all fail instead (.ci/run)."""
    path = shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{folder}")
    return path or absent(f"{tool} is not installed")


def require_root() -> None:
    """Skip or fail likewise, where a server needs root to drop it."""
    if os.geteuid() != 0:
        absent("only root can start this server")


def require_file(path: str, package: str) -> None:
    """Skip or fail likewise, where a package did not bring this file."""
    if not Path(path).exists():
        absent(f"{package} is not installed")


def absent(reason: str) -> NoReturn:
    """Skip the test, or fail it likewise, for want of something."""
    if os.environ.get("MAILNODE_TEST_REQUIRE") == "all":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
