"""Media types of files (RFC 2045 5.1), as given or by file name."""

import re
from functools import cache
from mimetypes import MimeTypes

from mailnode.errors import ErrorCode, PartError
from mailnode.printable import ASCII_CONTROL, quoted

OCTET_STREAM = "application/octet-stream"

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"  # noqa: S105 -- RFC 2045's word, no secret
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\{ASCII_CONTROL}]|\\[ -~])*)")')
_MEDIA_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})((?:{_PARAMETER.pattern})*)[ \t]*;?[ \t]*")
_MAX_CHARACTERS = 4000
_MAX_NAME = 255  # RFC 6838 4.2: 127 on either side of the slash

Parameters = list[tuple[str, str]]

_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
# What Python's own table lacks, or says differently from one version to the next.
_TYPES = {
    ".7z": "application/x-7z-compressed",
    ".asc": "text/plain",
    ".docx": f"{_OFFICE}.wordprocessingml.document",
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".heic": "image/heic",
    ".ics": "text/calendar",
    ".js": "text/javascript",
    ".log": "text/plain",
    ".m4a": "audio/mp4",
    ".md": "text/markdown",
    ".odp": f"{_OPEN_DOCUMENT}.presentation",
    ".ods": f"{_OPEN_DOCUMENT}.spreadsheet",
    ".odt": f"{_OPEN_DOCUMENT}.text",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".p7m": "application/pkcs7-mime",
    ".p7s": "application/pkcs7-signature",
    ".pptx": f"{_OFFICE}.presentationml.presentation",
    ".rar": "application/vnd.rar",
    ".rtf": "application/rtf",
    ".vcf": "text/vcard",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
# What the table does not say, or says oddly.
_EXTENSIONS = {
    "application/gzip": ".gz",
    "application/vnd.ms-outlook": ".msg",
    "application/x-gzip": ".gz",
    "application/x-pdf": ".pdf",
    "application/x-zip-compressed": ".zip",
    "application/xhtml+xml": ".xhtml",
    "application/xml": ".xml",
    "image/jpg": ".jpg",
    "image/x-icon": ".ico",
}


def parse_media_type(text: str) -> tuple[str, Parameters]:
    """Read the type of a file and its parameters, unquoted; parameter names are in lower case.

    Raises:
        PartError: it is not a media type, or one whose body would be taken apart.
    """
    found = _MEDIA_TYPE.fullmatch(text) if text.isascii() and len(text) <= _MAX_CHARACTERS else None
    if not found or len(found[1]) > _MAX_NAME or found[1].lower().startswith("multipart/"):
        raise PartError(
            f"{quoted(text)} is not a file's media type",
            code=ErrorCode.BAD_SETTING,
            hint="write one like application/pdf or text/csv; charset=utf-8",
        )
    # What comes in pieces (RFC 2231) is but a file's name, which Content-Disposition tells.
    return found[1], [
        (name.lower(), token or re.sub(r"\\(.)", r"\1", quoted))
        for name, token, quoted in _PARAMETER.findall(found[2])
        if "*" not in name
    ]


def by_filename(filename: str) -> str:
    """Guess the media type by a file name's extension, the same on any machine; "" when it says nothing."""
    # It takes what has a colon for a URL, and calls a.tar.gz a tar; what is attached is gzip.
    media_type, encoding = _table().guess_type(filename.replace(":", "_"))
    if encoding is not None:
        return "application/gzip" if encoding == "gzip" else OCTET_STREAM
    return media_type or ""


def extension_of(media_type: str) -> str:
    """Give the usual extension of a media type, with its dot, the same on any machine; "" for an unknown type."""
    bare = media_type.partition(";")[0].strip().lower()
    return _EXTENSIONS.get(bare) or _table().guess_extension(bare) or ""


@cache
def _table() -> MimeTypes:
    # The table of the machine (/etc/mime.types) is left out: the same mail is the same bytes anywhere.
    table = MimeTypes()
    for extension, media_type in _TYPES.items():
        table.add_type(media_type, extension)
    return table
