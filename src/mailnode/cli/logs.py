"""The log of a long-running command: lines for people, or a JSON object for each record."""

import json
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar

import click

from mailnode.cli.output import say_as_records
from mailnode.log_ids import ids_here

T = TypeVar("T")

FORMAT, LEVEL = "MAILNODE_LOG_FORMAT", "MAILNODE_LOG_LEVEL"
# What a record may name beside its words; the ids of where it was made come first.
_FIELDS = ("run", "delivery", "hint", "code")


def log_options(command: Callable[..., T]) -> Callable[..., T]:
    """Add the options for the log to a command."""

    @click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        envvar=LEVEL,
        show_envvar=True,
        help="From which level on records are logged. [default: warning]",
    )
    @click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        envvar=FORMAT,
        show_envvar=True,
        help="Lines of text with their time, or one JSON object a line.",
    )
    @wraps(command)
    def logged(*arguments: Any, log_format: str | None, log_level: str | None, **options: Any) -> T:
        if log_format or log_level:
            set_up_logs(log_format or "text", log_level or "warning")
        return command(*arguments, **options)

    return logged


def set_up_logs(format_: str, level: str) -> None:
    """Write records of `level` and above to stderr, those of other libraries from warnings on: theirs name addresses.

    The processes that are started from here do the same.
    """
    os.environ[FORMAT], os.environ[LEVEL] = format_, level
    handler = _Stderr()
    handler.setFormatter(_JsonLines() if format_ == "json" else _TextLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("mailnode").setLevel(level.upper())
    if format_ == "json":
        say_as_records()


class _Stderr(logging.Handler):
    """Writes to whatever stderr is then: a worker's has a label."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 -- logging's own rule: a record that can't be written ends no work
            self.handleError(record)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        named = " ".join(f"{name}={one}" for name, one in _named(record).items())
        line = f"{_time(record)} {record.levelname.lower()} {record.getMessage()}{f' [{named}]' if named else ''}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_named(record),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said)


def _named(record: logging.LogRecord) -> dict[str, str]:
    own = {name: str(vars(record)[name]) for name in _FIELDS if vars(record).get(name)}
    return {**ids_here(), **own}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
