"""Files beside a flow: stored as they come, and shown to who edits it."""

import asyncio
import base64
import binascii
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from mailnode.errors import UsageError
from mailnode.flow.archive import read_archive, write_archive
from mailnode.flow.stored_files import StoredFiles
from mailnode.message.media_type import by_filename
from mailnode.node.spool import MEGABYTE
from mailnode.node.stored_file import FOLDER, opened_stored
from mailnode.web.api.flows import Flow, download_flow, told
from mailnode.web.api.problem import PROBLEMS, ApiModel
from mailnode.web.flow_path import FLOW
from mailnode.web.site import SiteHere

router = APIRouter(prefix="/api/flows", tags=["flows"], responses=PROBLEMS)

_BLOCK_BYTES = 256 * 1024
# RFC 9530 2
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]{44}):")
_RAW = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}


class StoredFile(ApiModel):
    """A file that was stored: `path` is what an attachment of type `file` names it by."""

    path: str
    filename: str
    content_type: str
    size: int


@router.post(f"/{FLOW}/files", status_code=201, openapi_extra=_RAW)
async def store_file(
    site: SiteHere,
    name: str,
    request: Request,
    filename: Annotated[str, Query(max_length=1000, description="The file's name.")],
    max_attachment_mb: Annotated[
        float, Query(alias="maxAttachmentMB", gt=0, le=1024, description="The limit of the node that will send it.")
    ] = 10,
    content_digest: Annotated[
        str | None, Header(description="The file's SHA-256, which is checked: `sha-256=:BASE64:` (RFC 9530).")
    ] = None,
) -> StoredFile:
    """Store a file beside a flow; the body is its bytes. The same file again is one file."""
    folder = (await asyncio.to_thread(site.flow_files.get, name)).folder
    limit, digest = int(max_attachment_mb * MEGABYTE), _digest(content_digest)
    stored = await StoredFiles(folder).store(filename, request.stream(), limit=limit, digest=digest)
    return StoredFile(path=stored.path, filename=stored.filename, content_type=stored.content_type, size=stored.size)


@router.post("/import", status_code=201, openapi_extra=_RAW, response_model_exclude_unset=True)
async def import_flow(site: SiteHere, request: Request) -> Flow:
    """Make a flow of an exported .zip, with the files and layouts in it; the body is that file."""
    with tempfile.TemporaryFile() as archive:
        try:
            async for block in request.stream():
                archive.write(block)
            archive.flush()
        except OSError as error:
            raise UsageError(
                f"the archive can't be received: {error.strerror}", hint="free some space in the temporary folder"
            ) from None
        return await told(site, lambda: read_archive(site.flow_files, archive))


@router.get(f"/{FLOW}/export", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
async def export_flow(site: SiteHere, name: str) -> Response:
    """Download a flow: its file as it is, or a .zip where it uses files or layouts."""
    with ExitStack() as opened:
        archive = opened.enter_context(tempfile.TemporaryFile())
        if not await asyncio.to_thread(write_archive, site.flow_files, name, archive):
            return await download_flow(site, name)
        archive.seek(0)
        return StreamingResponse(
            _blocks(archive, opened.pop_all()),
            media_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="{name.rpartition("/")[2]}.zip"'},
        )


@router.get(f"/{FLOW}/files/{{file}}", response_class=Response, responses={200: {"content": {"image/*": {}}}})
async def show_file(site: SiteHere, name: str, file: str) -> Response:
    """Give a file beside a flow: an image for the page that edits it, everything else to download."""
    folder = (await asyncio.to_thread(site.flow_files.get, name)).folder
    opened = ExitStack()
    content = await asyncio.to_thread(opened.enter_context, opened_stored(folder, f"{FOLDER}/{file}"))
    media_type = by_filename(file)
    headers = {
        # No script of a picture runs, wherever it is opened.
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        "Content-Disposition": "attachment",
        "Cache-Control": "private, max-age=3600",
    }
    return StreamingResponse(
        _blocks(content, opened),
        media_type=media_type if media_type.startswith("image/") else "application/octet-stream",
        headers=headers,
    )


def _blocks(content: IO[bytes], opened: ExitStack) -> Iterator[bytes]:
    with opened:
        while block := content.read(_BLOCK_BYTES):
            yield block


def _digest(header: str | None) -> bytes | None:
    if header is None:
        return None
    found = _DIGEST.search(header)
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:  # noqa: PLR2004 -- SHA-256
        raise UsageError(
            "the Content-Digest has no SHA-256", hint="send sha-256=:BASE64: (RFC 9530), or leave the header field out"
        ).locate(key="content-digest")
    return digest
