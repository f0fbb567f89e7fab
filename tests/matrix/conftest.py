from collections.abc import Iterator

import pytest

from matrix.scenario import addresses
from matrix.world import World, running_world
from support.tls import trusted_by_the_system

pytest.register_assert_rewrite("matrix.checks", "matrix.said")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Run what cases meet, and have its certificates trusted."""
    with trusted_by_the_system(), running_world(addresses()) as running:
        yield running
