"""Real templates leave as their makers wrote them, but for style attributes that were filled and rules that moved."""

from collections import Counter

import pytest

from support.byte_invariant import Changes, changes
from support.zoo import Document, documents, left, with_expressions

MAKERS = (
    "bootstrap_email",
    "covalent",
    "foundation",
    "jsx_email",
    "mailgen",
    "mails",
    "mjml",
    "parse_smtp",
    "react_email",
    "reaction",
    "supertokens",
)

# What these make has all its looks in a sheet.
WITH_A_SHEET = {"foundation", "mails", "parse_smtp", "supertokens"}


def of(maker: str) -> list[Document]:
    return [document for document in documents() if document.maker == maker]


def left_as_written(pairs: dict[str, tuple[str, str]]) -> dict[str, Changes]:
    """Hold what left against its author's, line ends apart, which are the mail's; give what was done to each."""
    done, troubles = {}, []
    for name, (author, html) in pairs.items():
        try:
            done[name] = changes(*(text.replace("\r\n", "\n").rstrip("\n") for text in (author, html)))
        except AssertionError as differs:
            troubles.append(f"{name}: {differs}")
    if troubles:
        pytest.fail("\n".join(troubles), pytrace=False)
    return done


def test_there_are_enough() -> None:
    counts = Counter(document.maker for document in documents())
    assert set(counts) == set(MAKERS)
    assert counts.total() >= 80
    # A mail of one line, drawn by MJML, has no place for a value.
    assert sum(not with_expressions(document.html).values for document in documents()) < 3


@pytest.mark.parametrize("maker", MAKERS)
async def test_a_document_leaves_as_written(maker: str) -> None:
    done = left_as_written({one.name: (one.html, await left(one.html)) for one in of(maker)})
    if maker in WITH_A_SHEET:
        assert all(len(one.cut) > 2 and len(one.filled) > 15 for one in done.values())


@pytest.mark.parametrize("maker", MAKERS)
async def test_a_template_leaves_as_written_with_its_values(maker: str) -> None:
    templates = {one.name: with_expressions(one.html) for one in of(maker)}
    left_as_written(
        {name: (one.filled, await left(one.content, v=list(one.values))) for name, one in templates.items()}
    )
