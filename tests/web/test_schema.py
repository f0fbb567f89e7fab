"""The API against its own description: whatever is sent, no answer is a failure of ours (schemathesis)."""

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from support.web import TOKEN, served_site

LOGIN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """Serve a home for all cases, and read how the API describes itself."""
    home = tmp_path_factory.mktemp("schema")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAILNODE_HOME", str(home))
        with served_site(home) as served:
            described = httpx2.get(f"{served.url}/api/openapi.json", headers=LOGIN, timeout=60).json()
            httpx2.post(f"{served.url}/api/flows", headers=LOGIN, json={"name": "a"}, timeout=60)
            yield schemathesis.openapi.from_dict(described), served.url


def test_no_request_makes_a_failure_of_ours(schema):
    operations, url = schema
    count = 0
    for found in operations.get_all_operations():
        operation = found.ok()
        count += 1

        @given(case=operation.as_strategy())
        @settings(max_examples=12, database=None, suppress_health_check=list(HealthCheck))
        def check(case):
            response = case.call(base_url=url, headers=LOGIN, timeout=60)
            assert response.status_code < 500 or response.status_code in {502, 503}, (
                case.as_curl_command(),
                response.text,
            )
            case.validate_response(response, checks=[schemathesis.checks.response_schema_conformance])

        check()
    assert count > 30
