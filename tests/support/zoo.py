"""Real templates of mail, made by npm's packages in tests/zoo when a test first asks for them."""

import fcntl
import hashlib
import html
import itertools
import json
import re
import subprocess
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cache
from html.parser import HTMLParser
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from support.isolated_node import made
from support.require import absent, require

_FOLDER = Path(__file__).parents[1] / "zoo"
_MADE = _FOLDER / "made"
_PROGRAMS = ("package-lock.json", "*.mjs", "makers/*.mjs")
_OLDEST_NODE = (20, 19)


@dataclass(frozen=True)
class Document:
    """What a maker of templates made, as its author."""

    maker: str
    name: str
    html: str


@cache
def documents() -> tuple[Document, ...]:
    """Give all documents; skip the test where Node or its packages are not there, or Node is too old for them."""
    node = require("node")
    said = subprocess.run((node, "--version"), capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, said.lstrip("v").split(".")[:2])) < _OLDEST_NODE:
        # Not `absent`: what Debian 12 brings is older, and all else runs with it.
        pytest.skip(f"the zoo's packages need Node {'.'.join(map(str, _OLDEST_NODE))}, and this is {said}")
    if not (_FOLDER / "node_modules" / "mailgen").exists():
        absent("the zoo is not installed: `make test` installs it where npm is")
    files = [file for pattern in _PROGRAMS for file in sorted(_FOLDER.glob(pattern))]
    key = hashlib.sha256(b"".join(file.read_bytes() for file in files) + said.encode()).hexdigest()
    _MADE.mkdir(exist_ok=True)
    with (_MADE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest = _manifest()
        if manifest.get("key") != key:
            subprocess.run((node, "make.mjs", _MADE, key), cwd=_FOLDER, capture_output=True, text=True, check=True)
            manifest = _manifest()
    return tuple(
        Document(one["maker"], one["name"], (_MADE / one["file"]).read_text(encoding="utf-8"))
        for one in sorted(manifest["documents"], key=itemgetter("file"))
    )


def _manifest() -> dict[str, Any]:
    file = _MADE / "manifest.json"
    manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return manifest


async def left(content: str, **state: Any) -> str:
    """Give the HTML that the standard library reads from the message of a node with this content."""
    message = await made(state, content=content)
    assert isinstance(message, EmailMessage), message
    html = message.get_body(("html",))
    assert isinstance(html, EmailMessage)
    text: str = html.get_content()
    return text


@dataclass(frozen=True)
class Template:
    """A document with expressions in it, the values that `input.v` has for them, and what they make of it."""

    content: str
    values: tuple[str, ...]
    filled: str


def with_expressions(author: str) -> Template:
    """Put expressions into every second place of a document where a value can stand: text, links, alt, title, colours.

    A conditional comment for Outlook is such a place too.
    """
    content: list[str] = []
    filled: list[str] = []
    values: list[str] = []
    position = 0
    texts = itertools.cycle(_TEXTS)
    for start, end, is_text in sorted(_Places(author).found)[::2]:
        written = author[start:end]
        value = next(texts).format(written) if is_text else written
        content += author[position:start], f"{{{{ input.v[{len(values)}] }}}}"
        filled += author[position:start], html.escape(value)
        values.append(value)
        position = end
    rest = author[position:]
    return Template("".join((*content, rest)), tuple(values), "".join((*filled, rest)))


# What a value may bring: nothing new, what must be escaped, letters of others, what is none of our business.
_TEXTS = ("{}", "{} & Söhne <b>", '"{}"', "l'été à {} 🌍", "</td>{}</table>", "{{{{ {} }}}}", "&amp;{}")
_WORD = re.compile(r"(?<![\w&#;])[A-Za-z]{4,}(?![\w;])")
_BETWEEN_TAGS = re.compile(r"(?<=>)[^<>{}]+(?=<)")
_ATTRIBUTE = re.compile(r"""\s(?P<name>[a-z]+)=(?P<quote>["'])(?P<value>.*?)(?P=quote)""", re.IGNORECASE | re.DOTALL)
_COLOUR = re.compile(r"(?<=color:)\s*(#[0-9a-f]{6})\b", re.IGNORECASE)
_RAW_TEXT = frozenset({"script", "style"})


class _Places(HTMLParser):
    """Where values can stand in a document: begin, end, and whether any text may."""

    def __init__(self, author: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[int, int, bool]] = []
        self._lines = [0, *(found.end() for found in re.finditer("\n", author))]
        self._tag = ""
        self.feed(author)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Find places in attributes."""
        self._tag = tag
        source = self.get_starttag_text() or ""
        for attribute in _ATTRIBUTE.finditer(source):
            name, (start, end) = attribute["name"].lower(), attribute.span("value")
            if name == "href" and tag == "a":
                self._add(end, end, is_text=True)
            elif name in {"alt", "title"} and start < end and "&" not in attribute["value"]:
                self._add(start, end, is_text=True)
            elif name == "style" and (colour := _COLOUR.search(attribute["value"])):
                self._add(start + colour.start(1), start + colour.end(1), is_text=False)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Likewise."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Know that a sheet is over."""
        self._tag = ""

    def handle_data(self, data: str) -> None:
        """Find a place in text."""
        if self._tag not in _RAW_TEXT:
            self._word(data, 0)

    def handle_comment(self, data: str) -> None:
        """Find places in text that Outlook alone shows."""
        if data.startswith("[if"):
            for between in _BETWEEN_TAGS.finditer(data):
                self._word(between.group(), len("<!--") + between.start())

    def _word(self, text: str, offset: int) -> None:
        if word := _WORD.search(text):
            self._add(offset + word.start(), offset + word.end(), is_text=True)

    def _add(self, start: int, end: int, *, is_text: bool) -> None:
        line, column = self.getpos()
        here = self._lines[line - 1] + column
        self.found.append((here + start, here + end, is_text))
