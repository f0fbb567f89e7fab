"""The answer to requests that are still under way when the server stops."""

import asyncio

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_WORDS = "mailnode is shutting down and did not finish this request. Check what came of it when it is running again.\n"


class StopNotice:
    """An application whose requests may be cancelled: who has heard nothing yet is told so, and no traceback is."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if scope["type"] == "http" and not has_begun:
                await PlainTextResponse(_WORDS, 503)(scope, receive, send)
