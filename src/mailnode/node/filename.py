"""The name of an attachment: what was given, what a web server says, or what the URL ends in; base names only."""

import re
from urllib.parse import unquote

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.node.media_type import extension_of

_LONGEST = 200
# Marks of writing direction as well: they show `exe.pdf` where `fdp.exe` stands.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# RFC 6266 4.1; the first group is the name, the others its value as a quoted string and as a token.
_PARAMETER = re.compile(r';\s*([\w*.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^";\s]+))')
_EXTENDED = re.compile(r"([\w-]+)'[\w-]*'(.*)", re.ASCII)


def check_filename(filename: str) -> str:
    """Give a setting's file name without the folders before it; a control character in it is an error."""
    if _CONTROL.search(filename):
        raise AttachmentError(
            f"the file name {filename!r:.80} holds a control character",
            code=ErrorCode.BAD_HEADER,
            hint="remove line breaks and other control characters from it",
        )
    return base_name(filename)


def base_name(path: str) -> str:
    """Cut the folders from a path, whichever way its slashes lean."""
    name = re.split(r"[/\\]", path)[-1].strip()
    return "" if name in {".", ".."} else name


def default_filename(media_type: str) -> str:
    """Make a name for an attachment that has none."""
    return f"attachment{extension_of(media_type)}"


def fetched_filename(disposition: str, url_path: str, media_type: str) -> str:
    """Name what came from the web: as its Content-Disposition says, else as its URL ends, else by its type."""
    name = _tamed(_disposed(disposition)) or _tamed(unquote(url_path.rstrip("/")))
    if not name:
        return default_filename(media_type)
    if "." in name or not media_type:
        return name
    return f"{name}{extension_of(media_type)}"


def _tamed(path: str) -> str:
    """Make a stranger's file name harmless instead of refusing the file."""
    name = base_name(_CONTROL.sub("", path))
    stem, dot, extension = name.rpartition(".")
    room = _LONGEST - len(dot) - len(extension)
    return f"{stem[:room]}{dot}{extension}" if room > 0 else name[:_LONGEST]


def _disposed(disposition: str) -> str:
    parameters = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) or token
        for name, quoted, token in _PARAMETER.findall(disposition)
    }
    return _extended(parameters.get("filename*", "")) or parameters.get("filename", "")


def _extended(value: str) -> str:
    """Decode an extended value (RFC 8187 3.2); "" when it is none, so that the plain one counts."""
    parts = _EXTENDED.fullmatch(value)
    if parts is None:
        return ""
    try:
        return unquote(parts[2], encoding=parts[1], errors="strict")
    except (LookupError, UnicodeError):
        return ""
