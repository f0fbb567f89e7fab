"""A flow with its sample and what it uses beside it in one .zip, and back into a folder of flows."""

import filecmp
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from mailnode.errors import ErrorCode, SettingsError, UsageError
from mailnode.flow.beside import paths_beside, present_beside
from mailnode.flow.document import MAX_BYTES, parse_flow
from mailnode.flow.flow_files import LOCK, FlowFile, FlowFiles
from mailnode.flow.json_reader import read_json
from mailnode.json_text import json_of
from mailnode.printable import MOST_SHOWN_LONG, quoted
from mailnode.store.files import locked, put_in_place

MOST_BYTES = 1024 * 2**20
# Packed anew by a person, an archive has a folder around.
_FLOW = re.compile(r"(?P<folder>[^/]+/)?(?P<name>[A-Za-z0-9_-]{1,64})\.flow\.(?P<form>yaml|json)")
_ADDED_BY_SYSTEMS = "__MACOSX/"
_SAMPLE = ".sample.json"
_BLOCK_BYTES = 2**20
# APPNOTE 4.3.16, 4.3.15: the record that ends an archive, and what stands before it where there are very many files.
_END, _END_BYTES, _END64, _END64_BYTES = b"PK\x05\x06", 22, b"PK\x06\x07", 20
_MOST_DIRECTORY_BYTES = 2**20

Members = Mapping[str, zipfile.ZipInfo]


def write_archive(flow_files: FlowFiles, name: str, archive: IO[bytes]) -> bool:
    """Write a flow, its sample and what it uses beside it; false, and nothing, where the flow uses nothing there.

    What is missing there is missing here.

    Raises:
        SettingsError: there is no flow of this name.
        UsageError: a file can't be read.
    """
    flow = flow_files.get(name)
    folder = flow.folder
    beside: tuple[str, ...] = ()
    with suppress(SettingsError):  # what is no flow just now names nothing
        beside = present_beside(flow.document(), folder)
    if not beside:
        return False
    try:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            packed.writestr(flow.path.name, flow.text.encode("utf-8", "surrogatepass"))
            packed.writestr(
                f"{flow.name.rpartition('/')[2]}{_SAMPLE}", json_of(flow_files.sample(name), indent=2) + "\n"
            )
            for path in beside:
                packed.write(folder / path, path)
    except OSError as error:
        raise _unusable(folder, error) from None
    return True


def read_archive(flow_files: FlowFiles, archive: IO[bytes]) -> FlowFile:
    """Make the flow of an archive, with what lies beside it; all of it or nothing.

    Raises:
        SettingsError: it is no such archive; or (flowConflict) a flow of this name is here, or another file or layout.
        UsageError: the folder can't be used.
    """
    with _opened(archive) as packed:
        there = {one.filename: one for one in packed.infolist() if not one.filename.endswith("/")}
        there = {name: one for name, one in there.items() if not name.startswith(_ADDED_BY_SYSTEMS)}
        flows = [found for name in there if (found := _FLOW.fullmatch(name))]
        if len(flows) != 1:
            raise _bad(f"the archive holds {len(flows)} flows instead of one")
        (flow,) = flows
        around, is_json = flow["folder"] or "", flow["form"] == "json"
        text = _text(packed, there[flow[0]])
        document = parse_flow(text, file=flow[0], json=is_json)
        _check_free(flow_files, document.name)
        sample = there.get(f"{around}{flow['name']}{_SAMPLE}")
        kept = None if sample is None else read_json(_text(packed, sample)).value
        beside = {path: one for path in paths_beside(document) if (one := there.get(around + path))}
        with ExitStack() as written:
            try:
                _put_beside(flow_files.folder, packed, beside, written)
            except OSError as error:
                raise _unusable(flow_files.folder, error) from None
            try:
                made = flow_files.create(text, json_file=is_json)
            except SettingsError as error:
                if error.code == ErrorCode.FLOW_CONFLICT:
                    written.pop_all()  # somebody else has just made it, and it uses these files
                raise
            written.pop_all()
    if isinstance(kept, dict):
        flow_files.store_sample(made.name, kept)
    return made


def _check_free(flow_files: FlowFiles, name: str) -> None:
    try:
        flow_files.path(name)
    except SettingsError:
        return
    raise SettingsError(
        f"a flow named {name!r} already exists",
        code=ErrorCode.FLOW_CONFLICT,
        hint="rename or delete the one that is here, and import again",
    )


def _put_beside(folder: Path, packed: zipfile.ZipFile, members: Members, written: ExitStack) -> None:
    """Write what is not there yet; until `written` is let go of, its end takes it away again."""
    if not members:
        return
    room = MOST_BYTES
    unpacked: list[tuple[Path, Path]] = []
    with ExitStack() as temporary:
        for path, member in members.items():
            target = folder / path
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if target.parent.is_symlink():
                raise UsageError(f"{target.parent} is a link", hint="make it a folder of its own beside the flows")
            file, made = tempfile.mkstemp(dir=target.parent, prefix=".upload.")
            temporary.callback(Path(made).unlink, missing_ok=True)
            with os.fdopen(file, "wb") as opened:
                for block in _blocks(packed, member, room):
                    room -= len(block)
                    opened.write(block)
                opened.flush()
                os.fsync(file)
            unpacked.append((Path(made), target))
        with locked(folder / LOCK):
            new = [(beside, target) for beside, target in unpacked if not _is_there(beside, target)]
            for beside, target in new:
                written.callback(target.unlink, missing_ok=True)
                put_in_place(beside, target)


def _is_there(beside: Path, target: Path) -> bool:
    if not os.path.lexists(target):
        return False
    if target.is_file() and not target.is_symlink() and filecmp.cmp(beside, target, shallow=False):
        os.utime(target)
        return True
    raise SettingsError(
        f"there is another file {target.parent.name}/{target.name} here",
        code=ErrorCode.FLOW_CONFLICT,
        hint="rename the one that is here, in the flows that use it too, and import again",
    )


def _opened(archive: IO[bytes]) -> zipfile.ZipFile:
    _check_directory(archive)
    with _unpacking():
        return zipfile.ZipFile(archive)


@contextmanager
def _unpacking() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's; bz2's for damaged data has none
            raise
        # Of a damaged archive the readers raise what they like.
        raise _bad(f"the archive can't be unpacked: {error}") from None


def _check_directory(archive: IO[bytes]) -> None:
    """An archive's list of files is read into memory as a whole: its size is looked at before."""
    size = archive.seek(0, os.SEEK_END)
    archive.seek(max(0, size - _END_BYTES - _END64_BYTES))
    end = archive.read()
    record, before = end[-_END_BYTES:], end[:-_END_BYTES]
    if not record.startswith(_END) or record[-2:] != b"\0\0":
        raise _bad("this is not a .zip, or not a whole one")
    if before.startswith(_END64) or int.from_bytes(record[12:16], "little") > _MOST_DIRECTORY_BYTES:
        raise _bad("the archive holds too many files")
    archive.seek(0)


def _text(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    data = b"".join(_blocks(packed, member, MAX_BYTES))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _bad(f"{quoted(member.filename, MOST_SHOWN_LONG)} is not UTF-8") from None


def _blocks(packed: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> Iterator[bytes]:
    with _unpacking():
        opened = packed.open(member)
    with opened:
        while block := _block(opened):
            most -= len(block)
            if most < 0:
                raise _bad(f"{quoted(member.filename, MOST_SHOWN_LONG)} is too large")
            yield block


def _block(opened: IO[bytes]) -> bytes:
    with _unpacking():
        return opened.read(_BLOCK_BYTES)


def _bad(why: str) -> SettingsError:
    return SettingsError(why, code=ErrorCode.BAD_FLOW_FILE, hint="choose a .zip that was exported from a flow")


def _unusable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{error.filename or folder} can't be used: {error.strerror}",
        hint="check that you may read and write there, and that the disk has space",
    )
