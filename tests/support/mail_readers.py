"""What mail readers that are not ours make of a mail: from npm, from Debian, and the standard library."""

import json
import subprocess
from base64 import b64encode
from collections.abc import Iterable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from support.require import absent, require

_FOLDER = Path(__file__).parents[1] / "mime_parser"


def read_by_stdlib(mail: bytes) -> EmailMessage:
    """Have the standard library read a mail."""
    message = message_from_bytes(mail, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def read_by_npm(mails: Iterable[bytes], *, parser: str = "postal-mime") -> Iterator[Any]:
    """Have a parser of npm, postal-mime or mailparser, read mails, or skip the test; gives what it understood."""
    node = require("node")
    if not (_FOLDER / "node_modules" / parser).exists():
        absent(f"{parser} is not installed: `make test` installs it where npm is")
    said = b"\n".join(map(b64encode, mails)) + b"\n"
    command = (node, _FOLDER / "read.mjs", parser)
    done = subprocess.run(command, input=said, stdout=subprocess.PIPE, timeout=120, check=True)
    return map(json.loads, done.stdout.splitlines())


def events_by_npm(calendars: Iterable[bytes]) -> list[dict[str, Any]]:
    """Have ical.js of npm, which Thunderbird has too, read calendar objects of one event, or skip the test."""
    if not (_FOLDER / "node_modules/ical.js").exists():
        absent("ical.js is not installed: `make test` installs it where npm is")
    return _events(calendars, require("node"), _FOLDER / "calendar.mjs")


def events_by_libical(calendars: Iterable[bytes]) -> list[dict[str, Any]]:
    """Have Debian's libical, which Evolution and KDE have, read calendar objects of one event, or skip the test."""
    python = "/usr/bin/python3"
    asked = "import gi; gi.require_version('ICalGLib', '3.0')"
    if not Path(python).exists() or subprocess.run((python, "-c", asked), capture_output=True, check=False).returncode:
        absent("gir1.2-ical-3.0 and python3-gi are not installed")
    return _events(calendars, python, Path(__file__).with_name("libical_reader.py"))


def _events(calendars: Iterable[bytes], *command: str | Path) -> list[dict[str, Any]]:
    said = b"\n".join(map(b64encode, calendars)) + b"\n"
    done = subprocess.run(command, input=said, stdout=subprocess.PIPE, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def files_by_munpack(mail: bytes) -> dict[str, bytes]:
    """Have Debian's munpack (mpack) write the files of a mail, or skip the test; it knows RFC 2045 alone."""
    return _unpacked(mail, require("munpack"), "-q", "-C")


def files_by_uudeview(mail: bytes) -> dict[str, bytes]:
    """Have Debian's uudeview write the files of a mail, or skip the test; it knows RFC 2047 in names, no RFC 2231."""
    return _unpacked(mail, require("uudeview"), "-i", "-q", "-n", "-p")


def _unpacked(mail: bytes, *command: str) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        source = Path(folder) / "mail"
        source.write_bytes(mail)
        into = Path(folder) / "files"
        into.mkdir()
        subprocess.run((*command, into, source), capture_output=True, timeout=60, check=True)
        # munpack writes texts as descriptions.
        return {file.name: file.read_bytes() for file in into.iterdir() if file.suffix != ".desc"}
