"""Messages ready to be handed over, without the composer: what the SMTP tests send."""

from mailnode.message.envelope import Envelope, Field, Message


def letter(
    *forward_paths: str,
    content: bytes | tuple[bytes, ...] = b"Subject: hi\r\n\r\nhi\r\n",
    sender: str | None = "ann@x.example",
) -> Message:
    """Give a small letter from ann@x.example, to bob@y.example unless told otherwise."""
    blocks = (content,) if isinstance(content, bytes) else content
    fields: dict[str, Field] = dict.fromkeys(forward_paths or ("bob@y.example",), "to")
    return Message(Envelope(sender, tuple(fields)), fields, "<1@example.org>", sum(map(len, blocks)), blocks)
