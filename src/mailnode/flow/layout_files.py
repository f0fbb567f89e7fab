"""The layouts of a folder of flows: the files `layouts/NAME.html`, and which flows use them."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailnode.errors import ErrorCode, MailnodeError, SettingsError, UsageError
from mailnode.flow.flow_files import LOCK, FlowFile, FlowFiles
from mailnode.node.layout import FOLDER, MOST_BYTES, SUFFIX, check_layout_name, layout_names, layout_text, read_layout
from mailnode.printable import quoted
from mailnode.store.files import locked, write_atomically


@dataclass(frozen=True, slots=True)
class LayoutFile:
    """A layout with its present text; `modified_at` is Unix ms, `used_by` the names of the flows that use it."""

    name: str
    text: str
    modified_at: int
    used_by: tuple[str, ...]

    @property
    def revision(self) -> str:
        """A digest of the text, by which a change is noticed."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def error(self) -> MailnodeError | None:
        """What is wrong with it, if something is."""
        return error_in(self.name, self.text)


class LayoutFiles:
    """The layouts beside the flows of a folder; they are written atomically, by one process at a time."""

    def __init__(self, flows: FlowFiles) -> None:
        """Take the flows; the folder `layouts` is made with the first layout."""
        self._flows = flows
        self._folder = flows.folder

    def layouts(self) -> list[LayoutFile]:
        """Give all readable layouts, by name."""
        uses = self._uses()
        found: list[LayoutFile] = []
        for name in layout_names(self._folder):
            try:
                found.append(self._get(name, uses))
            except SettingsError:
                continue  # a link elsewhere, or no text
        return found

    def get(self, name: str) -> LayoutFile:
        """Give one layout; SettingsError (unknownLayout) if there is none, or it can't be read."""
        return self._get(name, self._uses())

    def create(self, name: str, text: str) -> LayoutFile:
        """Write a new layout; it may still have errors.

        Raises:
            SettingsError: it can't have this name or is too large, or (layoutConflict) there is one of this name.
            UsageError: it can't be written.
        """
        with self._locked():
            self._check_free(name)
            self._write(name, text)
        return self.get(name)

    def save(self, name: str, text: str, revision: str, new_name: str | None = None) -> LayoutFile:
        """Replace the text of a layout, and perhaps its name; one that a flow uses keeps its name.

        Raises:
            SettingsError: there is none, or it is too large; or (layoutConflict) somebody else has changed it since it
                had this revision, a flow uses it, or the new name is another's.
            UsageError: it can't be written.
        """
        with self._locked():
            old = self.get(name)
            if old.revision != revision:
                raise SettingsError(
                    f"the layout {name!r} was changed by somebody else in the meantime",
                    code=ErrorCode.LAYOUT_CONFLICT,
                    hint="reload the layout and apply your change again, or save it under another name",
                )
            if new_name is not None and new_name != name:
                self._check_unused(old, "renamed")
                self._check_free(new_name)
                self._write(new_name, text)
                self._path(name).unlink()
                return self.get(new_name)
            self._write(name, text)
        return self.get(name)

    def delete(self, name: str) -> None:
        """Delete a layout; SettingsError (layoutConflict) while a flow uses it."""
        with self._locked():
            self._check_unused(self.get(name), "deleted")
            try:
                self._path(name).unlink()
            except OSError as error:
                raise _unusable(self._path(name), error) from None

    def _get(self, name: str, uses: dict[str, list[str]]) -> LayoutFile:
        text = layout_text(self._folder, name)
        return LayoutFile(name, text, self._path(name).stat().st_mtime_ns // 10**6, tuple(uses.get(name, ())))

    def _uses(self) -> dict[str, list[str]]:
        """Which flows use each layout; one that can't be read uses those whose names are in its text."""
        found: dict[str, list[str]] = {}
        names = layout_names(self._folder)
        for flow in self._flows.flows():
            for name in layouts_of(flow, names):
                found.setdefault(name, []).append(flow.name)
        return found

    def _check_unused(self, layout: LayoutFile, what: str) -> None:
        if layout.used_by:
            raise SettingsError(
                f"the layout {layout.name} can't be {what} while a flow uses it: {', '.join(layout.used_by)}",
                code=ErrorCode.LAYOUT_CONFLICT,
                hint="choose another layout in that flow first",
            )

    def _check_free(self, name: str) -> None:
        check_layout_name(name)
        if self._path(name).exists():
            raise SettingsError(
                f"a layout named {quoted(name)} already exists",
                code=ErrorCode.LAYOUT_CONFLICT,
                hint="choose another name",
            ).locate(key="name")

    def _path(self, name: str) -> Path:
        return self._folder / FOLDER / f"{name}{SUFFIX}"

    def _write(self, name: str, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > MOST_BYTES:
            words = f"the layout is larger than {MOST_BYTES // 2**20} MB"
            raise SettingsError(words, code=ErrorCode.BAD_LAYOUT, hint="use links to images, not data: URLs")
        folder = self._path(name).parent
        if folder.is_symlink():
            raise UsageError(f"{folder} is a link", hint="make it a folder of its own beside the flows")
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            write_atomically(self._path(name), data)
        except OSError as error:
            raise _unusable(self._path(name), error) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the folder against other processes, as for flows."""
        with ExitStack() as held:
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                held.enter_context(locked(self._folder / LOCK))
            except OSError as error:
                raise _unusable(self._folder / LOCK, error) from None
            yield


def layouts_of(flow: FlowFile, names: list[str]) -> list[str]:
    """Give which of these layouts a flow uses."""
    try:
        used = {node.settings.get("layout") for node in flow.document().nodes}
    except MailnodeError:
        return [name for name in names if name in flow.text]
    return [name for name in names if name in used]


def error_in(name: str, text: str) -> MailnodeError | None:
    """Give what is wrong with the text of a layout, if something is."""
    try:
        read_layout(name, text)
    except MailnodeError as error:
        return error
    return None


def _unusable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path} can't be used: {error.strerror}", hint="check that you may write there")
