"""Real templates look as their makers made them: a dozen by lot in `make test`, all of them in `make zoo`."""

import random
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import pytest

from support.appearance import comparison
from support.zoo import Document, documents, left, with_expressions

SEED = 31
# Pixels of a picture, of half a million or more: Chromium itself draws the same page twice with one or two of another
# colour, at the edge of a letter or of a rounded corner.
FEW = 10


async def look_the_same(chosen: Sequence[Document]) -> None:
    """See that what leaves looks as the template with its values in it; else say how many pixels of which picture."""
    found = {}
    async with comparison() as compared:
        for document in chosen:
            template = with_expressions(document.html)
            html = await left(template.content, v=list(template.values))
            found[f"{document.maker}/{document.name}"] = await compared.differing(template.filled, html)
    if lines := [
        f"{name}: {pixels}" for name, pixels in found.items() if any(count > FEW for count in pixels.values())
    ]:
        pytest.fail("\n".join(lines), pytrace=False)


async def test_a_dozen_looks_the_same() -> None:
    lot = random.Random(SEED)
    of_each = [lot.choice(list(group)) for _, group in groupby(documents(), key=attrgetter("maker"))]
    rest = [document for document in documents() if document not in of_each]
    await look_the_same([*of_each, *lot.sample(rest, 12 - len(of_each))])


@pytest.mark.zoo
async def test_all_look_the_same() -> None:
    await look_the_same(documents())
