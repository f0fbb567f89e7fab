"""The services that are known by name, over HTTP."""

import pytest

from mailnode.connections.service import services
from support.web import opened_api


@pytest.fixture
async def api(home):
    async with opened_api(home) as client:
        yield client


async def test_all_services_are_listed_with_their_ports(api):
    answer = await api.get("/api/services")
    assert answer.status_code == 200
    listed = answer.json()
    assert [one["name"] for one in listed] == [one.name for one in services()]
    gmail = next(one for one in listed if one["name"] == "Gmail")
    assert gmail["ports"] == {"tls": 465, "starttls": 587}
    assert "app password" in gmail["note"]


async def test_a_service_is_found_by_a_domain_of_its_mailboxes(api):
    answer = await api.get("/api/services/jane@googlemail.com")
    assert answer.json()["name"] == "Gmail"


async def test_a_service_says_which_types_of_connections_it_takes(api):
    async def auth(name):
        return (await api.get(f"/api/services/{name}")).json()["auth"]

    assert await auth("Gmail") == ["basic", "oauth2", "oauth2ServiceAccount"]
    assert await auth("Outlook365") == ["basic", "oauth2", "oauth2ClientCredentials"]
    assert await auth("GMX") == ["basic"]


async def test_an_unknown_service_is_404_with_near_names(api):
    answer = await api.get("/api/services/Gmial")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknownService"
    assert "Gmail" in answer.json()["error"]["hint"]


async def test_a_page_that_is_not_there_shows_no_code(api):
    answer = await api.get("/nowhere")
    assert answer.status_code == 404
    assert "start at /flows" in answer.text.lower()
    assert "badUsage" not in answer.text
