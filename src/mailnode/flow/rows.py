"""A bulk run: its rows, from a file of JSON lines or comma-separated values, and many runs at a time.

The file is read twice, and never held in memory.
"""

import asyncio
import csv
import hashlib
import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mailnode.errors import MailnodeError, SettingsError
from mailnode.flow.json_reader import read_json
from mailnode.flow.run import Run
from mailnode.printable import quoted

Given = TypeVar("Given")
Result = TypeVar("Result")

_SUFFIXES = (".jsonl", ".csv")
_DIGEST_CHARACTERS = 16
_BLOCK_BYTES = 1024 * 1024
# A row becomes the input of a run; a longer line means that the file is of another kind.
_LONGEST_CHARACTERS = 16 * 1024 * 1024
_CHANGED_HINT = "restore it to run the rows that are left; a changed file is a new one, and all its rows are run"


class Row(NamedTuple):
    """One row: its number, counted from 1, and its fields for `input`."""

    number: int
    fields: dict[str, Any]


class RowResult(NamedTuple):
    """How the run of one row ended: with a `run` or with an `error`."""

    number: int
    run_id: str
    run: Run | None
    error: MailnodeError | None


@dataclass(frozen=True, slots=True)
class RowsFile:
    """A checked file of rows; `digest` is a hexadecimal digest of its bytes.

    By its `stamp` a later change of the file is noticed.
    """

    path: Path
    digest: str
    count: int
    stamp: tuple[int, ...]

    @classmethod
    def check(cls, path: Path) -> "RowsFile":
        """Read a file to its end, so that an error there is found before the first run.

        Raises:
            SettingsError: it can't be read, is of another kind, or has an invalid row; with file and line.
        """
        if path.suffix.lower() not in _SUFFIXES:
            raise _bad(path, f"{quoted(path.name)} is neither .jsonl nor .csv", hint="convert it, or rename it")
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                stamp = _stamp(file.fileno())
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
        except OSError as error:
            hint = "check the path, and that you may read the file"
            raise _bad(path, f"it can't be read: {error.strerror}", hint=hint) from None
        rows = cls(path, digest.hexdigest()[:_DIGEST_CHARACTERS], 0, stamp)
        count = sum(1 for _ in rows.read())
        if not count:
            raise _bad(path, "it has no rows", hint="write one row per run")
        return cls(path, rows.digest, count, stamp)

    def read(self) -> Iterator[Row]:
        """Read the rows again, one by one.

        Raises:
            SettingsError: the file was changed since it was checked, or has an invalid row.
        """
        read = _json_rows if self.path.suffix.lower() == ".jsonl" else _csv_rows
        try:
            # Spreadsheets write a byte order mark before the first field.
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                for number, (line, fields) in enumerate(read(file), 1):
                    self._see_that_it_is_the_same(file)
                    yield Row(number, _named(self.path, line, fields))
                self._see_that_it_is_the_same(file)
        except SettingsError as error:
            raise error.locate(file=str(self.path)) from None
        except UnicodeDecodeError as error:
            words = f"it is not UTF-8: {error.reason}"
            raise _bad(self.path, words, hint="save it as UTF-8") from None
        except OSError as error:
            raise _bad(self.path, f"it can't be read: {error.strerror}", hint="check that it still exists") from None

    def _see_that_it_is_the_same(self, file: io.TextIOWrapper) -> None:
        # Under the old digest, rows of a changed file would be taken for the old rows when the runs are continued.
        if _stamp(file.fileno()) != self.stamp:
            raise _bad(self.path, "it was changed during the run", hint=_CHANGED_HINT)


def _stamp(descriptor: int) -> tuple[int, ...]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _json_rows(file: io.TextIOWrapper) -> Iterator[tuple[int, Any]]:
    line = 0
    while text := file.readline(_LONGEST_CHARACTERS):
        line += 1
        if not text.strip():
            continue
        try:
            yield line, read_json(text).value
        except SettingsError as error:
            error.line = line  # the reader counts lines in its own text
            raise


def _csv_rows(file: io.TextIOWrapper) -> Iterator[tuple[int, Any]]:
    rows = csv.reader(file, strict=True)
    try:
        names = next(rows, [])
        _check_header(names)
        for cells in rows:
            if not cells:
                continue
            if len(cells) != len(names):
                raise _wrong(rows.line_num, f"{len(cells)} cells, but the header has {len(names)}")
            yield rows.line_num, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise _wrong(rows.line_num, f"this is not valid CSV: {error}") from None


def _check_header(names: list[str]) -> None:
    if not names:
        raise _wrong(1, "there is no header line")
    for name in names:
        if not name.strip():
            raise _wrong(1, "a column has no name")
        if names.count(name) > 1:
            raise _wrong(1, f"the column {quoted(name)} appears twice")


def _named(path: Path, line: int, fields: Any) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise SettingsError("a row must be a JSON object", hint='write {"email": "jane@example.org"}').locate(
            file=str(path), line=line
        )
    return fields


def _wrong(line: int, words: str) -> SettingsError:
    return SettingsError(words, hint="check quotes and commas in this line and the one before").locate(line=line)


def _bad(path: Path, words: str, *, hint: str) -> SettingsError:
    return SettingsError(words, hint=hint).locate(file=str(path))


async def run_concurrently(
    work: Callable[[Given], Awaitable[Result]], given: Iterable[Given], most: int
) -> AsyncIterator[Result]:
    """Do `work` on each of `given`, `most` of them at once, and give the results as they come.

    No more are taken from `given` than are worked on. If the caller stops before the end, work in progress is finished;
    if it is cancelled, that is cancelled too.
    """
    under_way: set[asyncio.Future[Result]] = set()
    try:
        for one in given:
            under_way.add(asyncio.ensure_future(work(one)))
            if len(under_way) == most:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        while under_way:
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    except asyncio.CancelledError:
        for task in under_way:
            task.cancel()
        raise
    finally:
        if under_way:
            await asyncio.wait(under_way)
