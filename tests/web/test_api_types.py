"""The editor's types of the API are those of its OpenAPI document."""

import runpy
from pathlib import Path

FRONTEND = Path(__file__).parents[2] / "src/mailnode/web/frontend"


def test_they_are_what_the_api_says_now():
    script = runpy.run_path(str(FRONTEND / "api_types.py"))
    assert (FRONTEND / "src/api-types.ts").read_text() == script["written"](), "run make fmt, and commit it"
