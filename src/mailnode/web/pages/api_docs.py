"""The page on the API, written from its OpenAPI document: it loads nothing from elsewhere, and needs no script."""

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from mailnode.web.page import render
from mailnode.web.reference import Reference, reference_of

router = APIRouter(include_in_schema=False)


@router.get("/api/docs")
async def show_docs(request: Request) -> Response:
    """Show the page."""
    return render(request, "api/docs.html", reference=_reference(request.app))


def _reference(app: FastAPI) -> Reference:
    """Read the document once, when somebody asks for it first."""
    made: Reference | None = getattr(app.state, "reference", None)
    if made is None:
        made = app.state.reference = reference_of(app.openapi())
    return made
