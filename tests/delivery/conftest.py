import pytest


@pytest.fixture(autouse=True)
def on_both_databases(database_kind):
    """Run each test on both databases: what a delivery goes through is the same."""
