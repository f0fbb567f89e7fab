"""The answer to a request that goes no further than the guard."""

from dataclasses import dataclass

from starlette.responses import JSONResponse, Response

from mailnode.web.sentence import sentence


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further."""

    status: int
    message: str
    hint: str
    retry_after: int = 0
    closes: bool = False

    def response(self) -> Response:
        """Say it as the API says its errors."""
        said = {"message": sentence(self.message), "hint": sentence(self.hint)}
        error = {"code": "badUsage", "phase": "settings", **said, "node": "", "key": "", "line": 0}
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        if self.closes:
            headers["Connection"] = "close"
        if self.status == 401:  # noqa: PLR2004 -- RFC 9110 15.5.2
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse({"error": error, "errors": [error]}, self.status, headers)
