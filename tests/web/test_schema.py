"""The API against its own description: whatever is sent, no answer is a failure of ours (schemathesis)."""

import re
from typing import Any, get_args

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from mailnode.delivery.result import Status
from mailnode.web.application import create_app
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
            checks = [schemathesis.checks.response_schema_conformance, schemathesis.checks.status_code_conformance]
            case.validate_response(response, checks=checks)

        check()
    assert count > 30


def test_each_operation_has_a_name_for_a_client_and_says_who_may_ask():
    site: Any = None
    document = create_app(site, "token").openapi()
    operations = [(path, one) for path, methods in document["paths"].items() for one in methods.values()]
    names = [one["operationId"] for _, one in operations]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", name) for name in names)
    assert set(document["components"]["securitySchemes"]) == {"token", "session"}
    wanted = {one["operationId"]: one["security"] for _, one in operations}
    assert wanted["runFlow"] == [{"token": ["run"]}, {"session": []}]
    assert wanted["showRun"] == [{"token": ["run"]}, {"token": ["read"]}, {"session": []}]
    assert wanted["createConnection"] == [{"token": ["admin"]}, {"session": []}]
    for path, one in operations:
        is_open = path.startswith("/health")
        assert (one.get("security") == []) == is_open == ("401" not in one["responses"])
        assert ("413" in one["responses"]) == ("requestBody" in one)
        assert one["summary"]
        assert {tag["name"] for tag in document["tags"]} >= set(one["tags"])
    finished = document["components"]["schemas"]["FinishedRun"]["properties"]
    assert finished["mail"]["anyOf"][0]["enum"] == [*get_args(Status)]
