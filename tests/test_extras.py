"""The optional libraries: what is said where one is missing is true of a mailnode that no index has."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from mailnode.cli import serve
from mailnode.errors import StoreError, UsageError, install_hint
from mailnode.store.database import Database

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


def test_every_hint_names_an_extra_that_there_is_and_the_way_it_is_installed() -> None:
    asked = set()
    for module in (ROOT / "src/mailnode").rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        assert "mailnode[" not in text, module
        asked |= set(re.findall(r'install_hint\("(\w+)"\)', text))
    assert asked == {"mjml", "proxy", "postgres", "web"} <= EXTRAS.keys()
    for extra in asked:
        assert f"pip install 'path/to/checkout[{extra}]'" in install_hint(extra)


def test_who_lacks_an_extra_is_told_which_and_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda _name: None)
    with pytest.raises(UsageError) as web:
        serve.check_libraries()
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError) as postgres:
        Database.open("postgresql://127.0.0.1:1/none")
    assert web.value.hint == install_hint("web")
    assert postgres.value.hint == install_hint("postgres")
