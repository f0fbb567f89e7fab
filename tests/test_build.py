"""The build's own step: what the wheel gets where npm can't make the bundle."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from support.require import require

ROOT = Path(__file__).parents[1]


@pytest.fixture
def build(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delenv("MAILNODE_SKIP_FRONTEND", raising=False)
    import hatch_build

    yield hatch_build
    sys.modules.pop("hatch_build")


class App:
    """Hatchling's way to the person who builds."""

    def __init__(self):
        self.warnings = []

    def display_warning(self, message):
        self.warnings.append(message)


def built(build, root):
    """Run the step as hatchling does, and give the warnings and what the wheel gets."""
    app = App()
    data: dict[str, Any] = {"force_include": {}, "artifacts": []}
    hook = build.BundleHook(str(root), {}, None, None, str(root), "wheel", app)
    hook.initialize("standard", data)
    return app.warnings, data


@pytest.mark.parametrize("npm", ["#!/bin/sh\nexit 1\n", None], ids=["without a registry", "not there"])
def test_a_wheel_without_the_bundle_is_built_with_a_warning(build, tmp_path, monkeypatch, npm):
    root, programs = tmp_path / "checkout", tmp_path / "bin"
    shutil.copytree(ROOT / build.FRONTEND / "src", root / build.FRONTEND / "src")
    programs.mkdir()
    if npm:
        (programs / "npm").write_text(npm)
        (programs / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    warnings, data = built(build, root)
    assert len(warnings) == 1
    assert "mailnode works, its editor does not" in warnings[0]
    assert data["artifacts"] == []
    assert list(data["force_include"].values()) == ["mailnode/examples"]


def test_the_bundle_carries_the_licences_of_what_is_in_it(build):
    require("npm")
    assert build.bundle(ROOT) == ""
    notices = (ROOT / build.STATIC / "LICENSES.txt").read_text("utf-8")
    for name in ("@tiptap/core", "prosemirror-view", "htmx.org"):
        assert f"\n\n{name} " in f"\n\n{notices}"
    assert notices.count("Permission is hereby granted, free of charge") > 30
