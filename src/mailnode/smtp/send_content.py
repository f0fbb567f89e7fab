"""The content on its way: all of it but its end, and what the server may say to it before the final dot."""

from mailnode.smtp.content import Composed, DotStuffer, in_blocks
from mailnode.smtp.dialogue import Dialogue
from mailnode.smtp.transaction import Transaction

# What the network takes in one write, or nearly always: a dot is not to wait behind the rest of it.
_MOST_WITH_DOT = 32 * 1024


async def push_content(dialogue: Dialogue, transaction: Transaction, message: Composed) -> bytes:
    """Send a message's content; give the end of it, with the final dot, which is still to be written.

    A small message is its own end, so that it leaves in one write. Whatever was pushed has left this process by then.
    When the server has judged the content meanwhile the end must not follow: who knows whether the server would take it
    for content, or for commands.
    """
    stuffer = DotStuffer()
    held = b""
    for block in in_blocks(message):
        if held:
            await _push(dialogue, transaction, held)
            if transaction.is_content_judged:
                return b""
        held = stuffer.stuff(block)
    if len(held) > _MOST_WITH_DOT:
        await _push(dialogue, transaction, held)
        held = b""
    elif dialogue.stream.is_readable:
        await dialogue.listen()
    return held + stuffer.dot


async def _push(dialogue: Dialogue, transaction: Transaction, octets: bytes) -> None:
    transaction.pushed += len(octets)
    await dialogue.push(octets)
