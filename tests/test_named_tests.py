"""Every test that a page names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {"SECURITY.md": 30, "docs/defects.md": 80}
NAMED = {
    page: sorted(set(re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", (ROOT / page).read_text("utf-8")))) for page in PAGES
}


@cache
def names_in(path):
    """The tests of a file, as pytest names them."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in tree.body if isinstance(node, functions)}
    for group in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        names |= {f"{group.name}::{node.name}" for node in group.body if isinstance(node, functions)}
    return names


@pytest.mark.parametrize(("page", "at_least"), PAGES.items())
def test_the_page_names_tests(page, at_least):
    assert len(NAMED[page]) > at_least


@pytest.mark.parametrize(("path", "name"), sorted(set().union(*NAMED.values())))
def test_it_is_there(path, name):
    assert name in names_in(path)


def test_each_promise_names_its_test():
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    promises = page.partition("## What is promised")[2].partition("## Dependencies")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and not line.startswith("| promise |")]
    assert not [row for row in rows if "`tests/" not in row]
