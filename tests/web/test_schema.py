"""The API against its own description: whatever is sent, no answer is a failure of ours (schemathesis)."""

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from support.web import TOKEN, served_site


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """Serve an empty home for all cases."""
    home = tmp_path_factory.mktemp("schema")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAILNODE_HOME", str(home))
        with served_site(home) as served:
            yield schemathesis.openapi.from_url(
                f"{served.url}/api/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}
            )


cases = schemathesis.pytest.from_fixture("schema")


@cases.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=[hypothesis.Phase.generate])
def test_no_request_makes_a_failure_of_ours(case):
    response = case.call(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    assert response.status_code < 500 or response.status_code in {502, 503}, response.text
    case.validate_response(response, checks=[schemathesis.checks.response_schema_conformance])
