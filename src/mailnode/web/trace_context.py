"""Traces that come with a request: what it starts belongs to them."""

from starlette.types import ASGIApp, Receive, Scope, Send

from mailnode.tracing import continued

_FIELDS = frozenset({b"traceparent", b"tracestate"})


class TraceContext:
    """Middleware: reads `traceparent` (W3C Trace Context)."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with continued({name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _FIELDS}):
            await self._app(scope, receive, send)
