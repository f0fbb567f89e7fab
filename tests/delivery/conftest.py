import base64

import pytest


@pytest.fixture(autouse=True, params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run each test on both databases: what a delivery goes through is the same."""
    kind: str = request.param
    if kind == "postgres":
        monkeypatch.setenv("MAILNODE_DATABASE_URL", request.getfixturevalue("postgres_url"))
        monkeypatch.setenv("MAILNODE_SECRET_KEY", base64.b64encode(bytes(32)).decode())
    return kind
