"""Errors as answers: every one has the same shape, and says what to do."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from mailnode.errors import ErrorCode, MailnodeError, SmtpError, StoreError, TokenError, UsageError
from mailnode.json_text import json_of
from mailnode.web.api.misread import misread
from mailnode.web.page import render
from mailnode.web.sentence import sentence

_log = logging.getLogger("mailnode.web")

_NOT_FOUND = frozenset(
    {
        ErrorCode.UNKNOWN_FILE,
        ErrorCode.UNKNOWN_FLOW,
        ErrorCode.UNKNOWN_LAYOUT,
        ErrorCode.UNKNOWN_RUN,
        ErrorCode.UNKNOWN_DELIVERY,
        ErrorCode.UNKNOWN_MAIL,
        ErrorCode.UNKNOWN_CONNECTION,
        ErrorCode.UNKNOWN_APP,
        ErrorCode.UNKNOWN_SERVICE,
        ErrorCode.UNKNOWN_WEBHOOK,
        ErrorCode.UNKNOWN_EVENT,
    }
)
_CONFLICTS = frozenset(
    {
        ErrorCode.FLOW_CONFLICT,
        ErrorCode.LAYOUT_CONFLICT,
        ErrorCode.CONNECTION_CONFLICT,
        ErrorCode.APP_CONFLICT,
        ErrorCode.WEBHOOK_CONFLICT,
        ErrorCode.UNKNOWN_OUTCOME,
        ErrorCode.KEY_IN_USE,
    }
)


class ApiModel(BaseModel):
    """JSON of the API: camelCase keys, nothing unknown."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class JsonAnswer(JSONResponse):
    """An answer in JSON that holds whatever a value holds; what is half a character is escaped."""

    def render(self, content: Any) -> bytes:
        """Write it down."""
        return json_of(content).encode()


class ErrorDetail(ApiModel):
    """An error: what is wrong, where, and the remedy."""

    code: str
    phase: str
    message: str
    hint: str
    node: str
    key: str
    line: int


class Problem(ApiModel):
    """The answer to a request that failed; `errors` are all that is wrong with it, and the first is `error`."""

    error: ErrorDetail
    errors: list[ErrorDetail]


PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": description}
    for code, description in (
        (400, "the request is not valid HTTP, or gives its length or a header field twice"),
        (401, "no token, or a wrong one"),
        (403, "a page of another site, or no CSRF token"),
        (404, "it does not exist"),
        (408, "the request did not arrive in time"),
        (409, "it is not as expected: its name is taken, it was changed, or what is asked for needs a decision"),
        (413, "too large"),
        (421, "another name for this server than its own"),
        (422, "a value is invalid, and `key` says which"),
        (429, "too many wrong tokens"),
        (502, "another server refused or cannot be reached"),
        (503, "the database cannot be used, or this server is stopping"),
    )
}


def error_detail(error: MailnodeError) -> ErrorDetail:
    """Give an error of ours as the API shows it."""
    return ErrorDetail(
        code=str(error.code),
        phase=error.phase,
        message=sentence(_sound(error.message)),
        hint=sentence(_sound(error.hint)),
        node=_sound(error.node),
        key=_sound(error.key),
        line=error.line,
    )


def problem_of(error: MailnodeError) -> Problem:
    """Give an error with those of the same input as the API shows them."""
    errors = [error_detail(one) for one in (error, *error.others)]
    return Problem(error=errors[0], errors=errors)


def _sound(text: str) -> str:
    """Show half a character, which JSON can bring and UTF-8 can't hold, as what it is."""
    return text.encode(errors="backslashreplace").decode()


def status_of(error: MailnodeError) -> int:
    """Choose the status code (RFC 9110 15); what a value of the request names, and is not there, is a wrong value."""
    if error.code in _NOT_FOUND and not error.key:
        return 404
    if error.code in _CONFLICTS:
        return 409
    if isinstance(error, StoreError):
        return 503
    return 502 if isinstance(error, SmtpError | TokenError) else 422


def answer_errors(app: FastAPI) -> None:
    """Have an application answer each error as one problem, or as a page where a page was asked for."""

    @app.exception_handler(MailnodeError)
    async def _ours(request: Request, error: MailnodeError) -> Response:
        return _answer(request, status_of(error), error)

    @app.exception_handler(RequestValidationError)
    async def _misread(request: Request, error: RequestValidationError) -> Response:
        first, *others = misread(error.errors())
        first.others = tuple(others)
        return _answer(request, 422, first)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        hint = "see /api/openapi.json for all paths" if request.url.path.startswith("/api/") else "start at /flows"
        answer = _answer(request, error.status_code, UsageError(str(error.detail).lower(), hint=hint))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(ClientDisconnect)
    async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there who would read it

    @app.exception_handler(Exception)
    async def _defect(request: Request, error: Exception) -> Response:
        _log.exception("a defect of mailnode, at %s", request.url.path, exc_info=error)
        defect = UsageError("something in mailnode failed", hint="this is a bug; the server's log has the details")
        return _answer(request, 500, defect)


def _answer(request: Request, status: int, error: MailnodeError) -> Response:
    problem = problem_of(error)
    if request.url.path.startswith("/api/"):
        return JSONResponse(problem.model_dump(by_alias=True), status)
    return render(request, "problem.html", status, error=problem.error)
