"""Every test that docs/defects.md names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", (ROOT / "docs/defects.md").read_text("utf-8"))))


@cache
def names_in(path):
    """The tests of a file, as pytest names them."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in tree.body if isinstance(node, functions)}
    for group in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        names |= {f"{group.name}::{node.name}" for node in group.body if isinstance(node, functions)}
    return names


def test_the_page_names_tests():
    assert len(NAMED) > 80


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_it_is_there(path, name):
    assert name in names_in(path)
