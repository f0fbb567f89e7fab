"""What is raised when a server refuses the session itself."""

from mailnode.errors import Phase, ServerRefused
from mailnode.smtp.limits import is_session_limit
from mailnode.smtp.remedy import explain
from mailnode.smtp.reply import Reply
from mailnode.smtp.server import ServerSettings


def refused(reply: Reply, phase: Phase, server: ServerSettings, *, told: str = "", hint: str = "") -> ServerRefused:
    """Say that the server does not serve us at all; `told` is what it said where the reply alone does not tell it."""
    return ServerRefused(
        f"{server.address} does not serve us: {told or reply}",
        phase=phase,
        hint=hint or explain(reply, phase, server.host),
        transient=reply.is_transient or is_session_limit(reply),
        reply_code=reply.code,
        enhanced_status_code=reply.enhanced_status_code,
        reply_text=reply.text,
    )
