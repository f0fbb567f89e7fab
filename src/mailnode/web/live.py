"""Parts of pages that renew themselves, and stay as they are, with what a reader has opened, while nothing is new.

Such a part asks for itself with the digest of what it shows; the answer to that is either another content, or none.
"""

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from mailnode.web.page import render

_DIGEST_CHARACTERS = 16

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Where a part of a page stands, and how it is had; `query` is what of its address tells it from others."""

    id: str
    template: str
    address: str
    query: Query = ()
    seconds: int = 2


@dataclass(frozen=True, slots=True)
class Live:
    """A part that has been filled in."""

    html: Markup
    digest: str

    def answer(self, request: Request) -> Response:
        """Answer a part that asks for itself."""
        if request.query_params.get("seen") == self.digest:
            return Response(status_code=204)
        return HTMLResponse(self.html)


def live(request: Request, part: Part, *, is_live: bool = True, **values: Any) -> Live:
    """Fill a part in; one that is not `is_live` shows what will not change."""
    body = _filled(request, part.template, values)
    digest = hashlib.sha256(body.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    again = f"{part.address}?{urlencode([*part.query, ('seen', digest)])}" if is_live else ""
    return Live(_filled(request, "records/live.html", {"part": part, "again": again, "body": body}), digest)


def _filled(request: Request, template: str, values: dict[str, Any]) -> Markup:
    return Markup(bytes(render(request, template, **values).body).decode())  # noqa: S704 -- escaped by its template
