"""What others say may repeat what we said to them: secrets are taken out of it before anybody reads it."""

import re
from collections.abc import Collection

# A shorter secret, or a shorter part of one, may be a word of the speaker's own.
_SHORTEST_SECRET = 5
_LONG_WORD = re.compile(r"[A-Za-z0-9+/_~-]{8,}(?:\.[A-Za-z0-9+/_~-]+)*=*")
_VEIL = "***"


def veiled(text: str, secrets: Collection[str]) -> str:
    """Take secrets out of a text, whole or cut short."""

    def judge(word: re.Match[str]) -> str:
        return _VEIL if any(word[0] in secret for secret in secrets) else word[0]

    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, _VEIL)
    return _LONG_WORD.sub(judge, text)
