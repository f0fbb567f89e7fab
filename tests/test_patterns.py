"""Regular expressions are read alike by the system's own Python, which may be an earlier patch release.

Before 3.11.5 Python read some groups wrongly that are repeated possessively: Debian 12 has 3.11.2.
"""

import importlib
import json
import pkgutil
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import mailnode

SYSTEM = "/usr/bin/python3"
BATCHES, TEXTS = 60, 120
PIECES = [
    *("<", ">", "/", "=", '"', "'", " ", "\n", "\\", "$", "{", "}", "`", "(", ")", "[", "]", "-", "+", ".", ";", ","),
    *("a", "b", "e", "0", "1", "é", "<!--", "-->", "--!>", "/*", "*/", "url(", "<!doctype", " html", "<a", "</a>"),
]
# It needs nothing but Python itself.
READER = """
import json, re, sys
assert sys.version_info >= (3, 11)
for line in sys.stdin:
    source, flags, texts = json.loads(line)
    pattern = re.compile(source, flags)
    groups = range(pattern.groups + 1)
    found = [[[one.span(number) for number in groups] for one in pattern.finditer(text)] for text in texts]
    whole = [bool(pattern.fullmatch(text)) for text in texts]
    print(json.dumps([found, whole]))
"""


def patterns() -> dict[str, tuple[str, int]]:
    """Give every pattern of a module that repeats something possessively."""
    found = {}
    for module in pkgutil.walk_packages(mailnode.__path__, "mailnode."):
        if "migrations" in module.name or "integrations" in module.name or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if (
                isinstance(value, re.Pattern)
                and isinstance(value.pattern, str)
                and re.search(r"[*+?]\+", value.pattern)
            ):
                found[value.pattern, value.flags] = f"{module.name}.{name}"
    return {name: pattern for pattern, name in found.items()}


def texts_for(name: str) -> Iterator[str]:
    """Give texts of a few pieces each, so that what follows each other is often what a pattern looks for."""
    chance = random.Random(name)
    for _ in range(BATCHES):
        some = chance.sample(PIECES, 7)
        for _ in range(TEXTS):
            yield "".join(chance.choices(some, k=chance.randint(1, 9)))


def read_by(python: str, asked: Sequence[object]) -> list[str]:
    """Have a Python find each pattern in its texts."""
    lines = "\n".join(map(json.dumps, asked))
    answer = subprocess.run([python, "-I", "-c", READER], input=lines, capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()


def test_they_are_read_alike_by_the_python_of_the_system() -> None:
    usable = [SYSTEM, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if not Path(SYSTEM).exists() or subprocess.run(usable, check=False).returncode:
        pytest.skip("the system has no Python of its own that mailnode runs on")
    named = patterns()
    assert len(named) > 15
    asked = [(source, flags, [*texts_for(name)]) for name, (source, flags) in named.items()]
    here, there = read_by(sys.executable, asked), read_by(SYSTEM, asked)
    assert [name for name, one, other in zip(named, here, there, strict=True) if one != other] == []
