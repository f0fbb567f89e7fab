"""The door: the token, or the code of a link, becomes a session."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from mailnode.web.page import render
from mailnode.web.security.attempts import Attempts
from mailnode.web.security.callers import session_cookie
from mailnode.web.security.login_codes import LoginCodes
from mailnode.web.security.sessions import COOKIE, LIFE_SECONDS, Sessions

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002 -- the query's word
    """Ask for the token."""
    return render(request, "login.html", next=_local(next), trouble="")


@router.post("/login")
async def log_in(
    request: Request,
    token: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 -- the form's word
) -> Response:
    """Begin a session, or say that this is not the token."""
    sessions: Sessions = request.app.state.sessions
    attempts: Attempts = request.app.state.attempts
    if not sessions.is_token(token.strip()):
        if wait := attempts.wait_seconds:
            trouble = f"Too many wrong tokens. Wait {int(wait) + 1} seconds."
            return render(request, "login.html", 429, next=_local(next), trouble=trouble)
        attempts.note_wrong()
        trouble = "That token is wrong. “mailnode serve” says where the right one is."
        return render(request, "login.html", 401, next=_local(next), trouble=trouble)
    return _let_in(request, RedirectResponse(_local(next), 303))


@router.post("/login/code")
async def log_in_by_code(request: Request, code: Annotated[str, Form()] = "") -> Response:
    """Begin a session by the code of a link, which `mailnode demo` prints."""
    codes: LoginCodes = request.app.state.codes
    # The guard has refused an Origin that is not this server's. Whoever reads such a link sits at this machine.
    is_of_our_page = "origin" in request.headers and request.scope["arrival"].is_local
    if is_of_our_page and codes.redeem(code):
        return _let_in(request, Response(status_code=204))
    attempts: Attempts = request.app.state.attempts
    if attempts.wait_seconds:
        return Response(status_code=429)
    attempts.note_wrong()
    return Response(status_code=401)


def _let_in(request: Request, response: Response) -> Response:
    sessions: Sessions = request.app.state.sessions
    response.set_cookie(COOKIE, sessions.begin(), max_age=LIFE_SECONDS, httponly=True, samesite="strict")
    return response


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End the session."""
    sessions: Sessions = request.app.state.sessions
    if sessions.holds(cookie := session_cookie(request.headers)):
        sessions.end(cookie)
    response = Response(status_code=204, headers={"HX-Redirect": "/login"})
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _local(path: str) -> str:
    """Give a place of ours to go on to, whatever was asked for."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else "/"
