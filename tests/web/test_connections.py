"""Connections over HTTP: made, shown without their secrets, changed, tested, authorized."""

import asyncio
import json
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from mailnode.connections.consent.pending import PendingConsents
from mailnode.connections.fields import COMMON, DKIM, TYPE_FIELDS
from mailnode.connections.service import find_service, services
from mailnode.web.api.services import auth_of
from mailnode.web.connection_form import _POPULAR, form_fields, popular_first
from mailnode.web.provider_tiles import TILES, inline_html, provider_steps
from support.aiosmtp import PASSWORDS, submission
from support.tls import ca_pem, server_context
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, refusal, token_endpoint
from support.web import HERE

ROOT = Path(__file__).parents[2]
PASSWORD = "canary-password-5b1e"
BASIC = {"hosts": ["127.0.0.1"], "username": "user", "password": PASSWORD}


@pytest.fixture
async def endpoint():
    async with token_endpoint() as served:
        yield served


async def create(api, name="shop", **fields):
    answer = await api.post("/api/connections", json={"name": name, **BASIC, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def problem(answer, status=422):
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


async def test_a_connection_is_made_and_shown_without_its_secrets(api):
    answer = await api.post(
        "/api/connections", json={"name": "my shop", "type": "basic", **BASIC, "rateLimit": "9/min"}
    )
    assert answer.status_code == 201
    assert answer.headers["location"] == "/api/connections/my%20shop"
    shown = (await api.get("/api/connections/my%20shop")).json()
    assert shown == answer.json()
    assert shown == {
        "name": "my shop",
        "type": "basic",
        "revision": 1,
        "hosts": ["127.0.0.1"],
        "username": "user",
        "rateLimit": "9/min",
        "secrets": ["password"],
    }
    assert (await api.get("/api/connections")).json() == [shown]


async def test_no_answer_holds_a_secret(api, endpoint):
    secrets = {
        "clientSecret": "canary-client-5b1e",
        "accessToken": "canary-access-5b1e",
        "refreshToken": "canary-refresh-5b1e",
        "proxy": "http://me:canary-proxy-5b1e@127.0.0.1:1",
    }
    app = {"type": "oauth2", "user": USER, "clientId": CLIENT_ID, "accessUrl": endpoint.url, "hosts": ["127.0.0.1"]}
    answers = [
        await api.post("/api/connections", json={"name": "shop", **BASIC}),
        await api.post("/api/connections", json={"name": "shop", **BASIC}),
        await api.post("/api/connections", json={"name": "oauth", **app, **secrets}),
        await api.post("/api/connections", json={"name": "wrong", **app, **secrets, "dkim": "canary-key-5b1e"}),
        await api.get("/api/connections"),
        await api.get("/api/connections/oauth"),
        await api.patch("/api/connections/oauth", json={"proxy": "canary-proxy-5b1e"}),
        await api.patch("/api/connections/oauth", json={**secrets, "accessToken": "canary-access 5b1e"}),
        await api.patch("/api/connections/oauth", json={"hosts": ["::1"]}),
        await api.patch("/api/connections/shop", json={"password": ["canary-password-5b1e"]}),
        await api.patch("/api/connections/shop", json={"password": PASSWORD}),
        await api.post("/api/connections/oauth/test"),
        await api.get("/connections"),
    ]
    assert [answer.status_code for answer in answers] == [201, 409, 201, 422, 200, 200, *[422] * 4, 200, 200, 200]
    assert not [answer.text for answer in answers if "canary" in answer.text]


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"name": "/etc"}, "name"),
        ({"type": "basics"}, "type"),
        ({"password": None}, "password"),
        ({"hosts": ["a b"]}, "hosts[0]"),
        ({"hosts": None}, "service"),
        ({"service": "Gmail"}, "service"),
        ({"hosts": None, "service": "Outlook365", "tlsOption": "tls"}, "tlsOption"),
        ({"rateLimit": "often"}, "rateLimit"),
        ({"allowedRecipients": ["a@b.example", "a b@c"]}, "allowedRecipients[1]"),
        ({"dkim": {"domain": "a.example", "selector": "s", "privateKey": "none"}}, "dkim.privateKey"),
        ({"clientId": "app"}, "clientId"),
        ({"name": 3}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"hosts": None, "service": "Gmial"}, "service"),
    ],
)
async def test_an_error_names_the_field_that_it_belongs_to(api, fields, key):
    given = json.dumps({"name": "shop", **BASIC, **fields})
    answer = await api.post("/api/connections", content=given, headers={"Content-Type": "application/json"})
    assert problem(answer)["key"] == key


async def test_all_errors_are_told_at_once_and_in_plain_words(api):
    answer = await api.post("/api/connections", json={"name": "", "username": "u", "rateLimit": "often"})
    assert problem(answer)["key"] == "name"
    told = answer.json()["errors"]
    assert [error["key"] for error in told] == ["name", "rateLimit", "password", "service"]
    assert told[0] == answer.json()["error"]
    await create(api)
    for path, given, key, words in (
        ("", {"name": 3}, "name", "3: it should be text"),
        ("", {}, "name", "A value is required here."),
        ("/shop/test", {"port": "abc"}, "port", "It should be a whole number"),
        ("/shop/test", {"port": 70000}, "port", "70000: it should be at most 65535"),
        ("/shop/test", {"tlsOption": "ssl"}, "tlsOption", "It should be tls, starttls or none"),
        ("/shop/test", {"ports": 1}, "ports", "There is no such field."),
    ):
        wrong = problem(await api.post(f"/api/connections{path}", json=given))
        assert wrong["key"] == key
        assert wrong["message"].startswith(words), wrong["message"]
        assert wrong["hint"]
    body = {"content": b"{", "headers": {"Content-Type": "application/json"}}
    assert problem(await api.post("/api/connections", **body))["message"].startswith("The body is not JSON")
    for headers in ({}, {"Content-Type": "application/x-www-form-urlencoded"}):
        said = problem(await api.post("/api/connections", content=b"{}", headers=headers))
        assert (said["message"], "Content-Type" in said["hint"]) == ("The body is not sent as JSON.", True)


async def test_half_a_character_in_a_request_is_an_error_like_others(api):
    await create(api)
    said = {"content": b'{"\\ud800": 1}', "headers": {"Content-Type": "application/json"}}
    answer = await api.patch("/api/connections/shop", **said)
    assert problem(answer)["key"] == r"\ud800"


async def test_a_name_that_is_taken_is_a_conflict(api):
    await create(api)
    assert problem(await api.post("/api/connections", json={"name": "shop", **BASIC}), 409)["key"] == "name"


async def test_a_change_keeps_the_rest_and_null_takes_away(api):
    await create(api, rateLimit="9/min", redirectAllTo="me@mail.example")
    answer = await api.patch("/api/connections/shop", json={"username": "other", "rateLimit": None})
    shown = answer.json()
    assert (shown["revision"], shown["username"], shown["redirectAllTo"]) == (2, "other", "me@mail.example")
    assert shown["secrets"] == ["password"]
    assert "rateLimit" not in shown


async def test_who_sends_the_secrets_elsewhere_gives_them_again(api):
    await create(api)
    answer = await api.patch("/api/connections/shop", json={"hosts": ["mail.example"]})
    assert problem(answer)["key"] == "password"


async def test_a_deleted_connection_is_gone(api):
    await create(api)
    assert (await api.delete("/api/connections/shop")).status_code == 204
    for answer in (
        await api.get("/api/connections/shop"),
        await api.patch("/api/connections/shop", json={}),
        await api.delete("/api/connections/shop"),
        await api.post("/api/connections/shop/test"),
        await api.post("/api/connections/shop/authorize"),
    ):
        assert problem(answer, 404)["code"] == "unknownConnection"


async def test_the_flows_that_use_a_connection_are_named(api, site):
    await create(api)
    site.flow_files.folder.mkdir(parents=True)
    for name, connection in (("orders", "shop"), ("news", "other")):
        settings = f"{{connection: {connection}, to: a@b.example, subject: s, text: t}}"
        node = f"- {{id: tell, type: sendSmtpEmail, settings: {settings}}}"
        (site.flow_files.folder / f"{name}.flow.yaml").write_text(f"version: 1\nname: {name}\nnodes:\n{node}\n")
    assert (await api.get("/api/connections/shop/uses")).json() == {"flows": ["orders"]}


def findings(answer):
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    *steps, summary = [json.loads(line) for line in answer.text.splitlines()]
    return steps, summary


async def test_the_doctor_tells_each_step_and_a_summary_at_the_end(api, inbox):
    await create(api, tlsOption="none")
    steps, summary = findings(await api.post("/api/connections/shop/test", json={"port": inbox.port}))
    assert [step["step"] for step in steps][:3] == ["resolve", "connect", "greeting"]
    # the inbox takes everybody, and has no login to offer
    assert [(step["status"], step["code"]) for step in steps if step["step"] == "auth"] == [
        ("failed", "authNotOffered")
    ]
    assert summary["ok"] is False
    assert not inbox.messages()
    tested = (await api.get("/api/connections")).json()[0]["lastTest"]
    assert (tested["ok"], tested["failedStep"]) == (False, "auth")
    assert "login" in tested["found"]
    # another revision was not tested
    assert "lastTest" not in (await api.patch("/api/connections/shop", json={"username": "other"})).json()


async def test_a_test_that_succeeds_is_kept_in_place_of_one_that_failed(api):
    async with submission(tls=server_context()) as server:
        await create(api, username="user", password=PASSWORDS["user"])
        for tls_option, is_good in (("tls", False), ("starttls", True)):
            where = {"port": server.port, "tlsOption": tls_option, "ca": ca_pem()}
            findings(await api.post("/api/connections/shop/test", json=where))
            assert (await api.get("/api/connections/shop")).json()["lastTest"]["ok"] is is_good


async def test_the_doctor_names_the_settings_that_would_work(api):
    await create(api)
    async with submission(tls=server_context()) as server:
        where = {"port": server.port, "tlsOption": "tls", "ca": ca_pem()}
        steps, summary = findings(await api.post("/api/connections/shop/test", json=where))
    wrong = next(step for step in steps if step["status"] == "failed")
    assert wrong["code"] == "tlsOnPlainPort"
    assert wrong["hint"]
    assert summary["settings"] == {"host": "127.0.0.1", "port": server.port, "tlsOption": "starttls"}


async def test_a_look_that_can_not_begin_is_a_problem_and_no_stream(api):
    await create(api, hosts=["mail.example", "mail2.example"])
    assert "Choose one of them" in problem(await api.post("/api/connections/shop/test"))["hint"]
    answer = await api.post("/api/connections/shop/test", json={"port": 0})
    assert problem(answer)["key"] == "port"


# Consent.


@pytest.fixture
async def oauth(api, endpoint):
    """A connection that needs consent, at a provider that gives it."""
    fields = {
        "type": "oauth2",
        "hosts": ["127.0.0.1"],
        "user": USER,
        "clientId": CLIENT_ID,
        "clientSecret": CLIENT_SECRET,
        "accessUrl": endpoint.url,
        "authorizeUrl": endpoint.authorize_url,
    }
    answer = await api.post("/api/connections", json={"name": "shop", **fields})
    assert answer.json()["state"] == "needsConsent"
    return "/api/connections/shop"


async def begin(api, oauth):
    answer = await api.post(f"{oauth}/authorize")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def brought(url):
    """Where the provider sends the browser of somebody who consents."""
    async with httpx2.AsyncClient(timeout=60) as person:
        return (await person.get(url)).headers["location"]


async def test_consent_comes_back_to_the_server_and_is_stored(api, oauth, endpoint):
    begun = await begin(api, oauth)
    assert (await api.get(f"{oauth}/authorize")).json()["state"] == "waiting"
    back = await brought(begun["url"])
    assert back.startswith(f"{HERE}/oauth2/callback?")
    page = await api.get(back)
    assert page.status_code == 200
    assert "is authorized" in page.text
    assert (await api.get(f"{oauth}/authorize")).json() == {"state": "authorized", "error": None, "warning": ""}
    shown = (await api.get(oauth)).json()
    assert shown["state"] == "ready"
    assert {"accessToken", "refreshToken"} <= set(shown["secrets"])
    assert endpoint.grants == ["authorization_code"]
    asked = parse_qs(urlsplit(begun["url"]).query)
    assert asked["code_challenge_method"] == ["S256"]


async def test_an_authorization_waits_until_its_code_is_exchanged(api, oauth, endpoint):
    back = await brought((await begin(api, oauth))["url"])
    endpoint.hold()
    page = asyncio.create_task(api.get(back))
    await endpoint.asked.wait()
    assert (await api.get(f"{oauth}/authorize")).json()["state"] == "waiting"
    endpoint.release()
    assert "is authorized" in (await page).text
    assert (await api.get(f"{oauth}/authorize")).json()["state"] == "authorized"


async def test_the_cookie_of_a_consent_goes_to_its_page_alone(api, app, oauth):
    answer = await api.post(f"{oauth}/authorize")
    cookie = answer.headers["set-cookie"].lower()
    for word in ("httponly", "samesite=lax", "path=/oauth2/callback", "max-age=300"):
        assert word in cookie
    verifier = app.state.consents._pending["shop"].request.verifier
    assert verifier not in answer.text + cookie


async def test_an_answer_that_comes_twice_is_refused(api, oauth, endpoint):
    back = await brought((await begin(api, oauth))["url"])
    assert (await api.get(back)).status_code == 200
    again = await api.get(back)
    assert again.status_code == 422
    assert "This answer is not expected" in again.text
    assert endpoint.grants == ["authorization_code"]


async def test_an_answer_to_another_browser_is_refused_and_the_right_one_may_still_come(api, oauth, stranger):
    back = await brought((await begin(api, oauth))["url"])
    assert (await stranger.get(back)).status_code == 422
    assert (await api.get(back)).status_code == 200


async def test_an_answer_that_is_too_old_is_refused(api, app, oauth, endpoint):
    now = 0.0
    app.state.consents = PendingConsents(clock=lambda: now)
    back = await brought((await begin(api, oauth))["url"])
    now = 300.0
    assert (await api.get(back)).status_code == 422
    assert not endpoint.grants


async def test_an_invented_state_is_refused(api, oauth, endpoint):
    back = await brought((await begin(api, oauth))["url"])
    said = {**{key: texts[0] for key, texts in parse_qs(urlsplit(back).query).items()}, "state": "x"}
    assert (await api.get(f"/oauth2/callback?{urlencode(said)}")).status_code == 422
    assert (await api.get("/oauth2/callback")).status_code == 422
    assert not endpoint.grants


async def test_the_newest_request_for_a_connection_counts(api, oauth):
    first, second = await begin(api, oauth), await begin(api, oauth)
    assert (await api.get(await brought(first["url"]))).status_code == 422
    assert (await api.get(await brought(second["url"]))).status_code == 200


async def test_consent_that_is_refused_says_so_and_ends_the_request(api, oauth):
    begun = await begin(api, oauth)
    state = parse_qs(urlsplit(begun["url"]).query)["state"][0]
    said = {"error": "access_denied", "error_description": "<script>alert(1)</script>", "state": state}
    page = await api.get(f"/oauth2/callback?{urlencode(said)}")
    assert page.status_code == 502
    assert "access_denied" in page.text
    told = (await api.get(f"{oauth}/authorize")).json()
    assert (told["state"], told["error"]["code"]) == ("failed", "tokenRefused")
    assert "<script>alert" not in page.text
    again = await api.get(f"/oauth2/callback?{urlencode({'code': 'x', 'state': state})}")
    assert "This answer is not expected" in again.text


async def test_a_token_endpoint_that_refuses_the_code_is_told(api, oauth, endpoint):
    back = await brought((await begin(api, oauth))["url"])
    endpoint.fail_next(refusal("invalid_client"))
    page = await api.get(back)
    assert page.status_code == 502
    assert "clientSecret" in page.text
    assert (await api.get(f"{oauth}/authorize")).json()["error"]["code"]
    assert (await api.get(oauth)).json()["state"] == "needsConsent"
    await begin(api, oauth)
    assert (await api.get(f"{oauth}/authorize")).json()["state"] == "waiting"


async def test_consent_to_a_connection_that_was_changed_meanwhile_is_not_stored(api, oauth):
    back = await brought((await begin(api, oauth))["url"])
    await api.patch(oauth, json={"clientSecret": "another"})
    page = await api.get(back)
    assert page.status_code in {422, 502}
    assert (await api.get(oauth)).json()["state"] == "needsConsent"


async def test_the_address_that_the_browser_ended_at_may_be_pasted(api, oauth, endpoint):
    begun = await begin(api, oauth)
    wrong = await api.post(f"{oauth}/authorize/finish", json={"address": begun["url"]})
    assert problem(wrong)["key"] == "address"
    answer = await api.post(f"{oauth}/authorize/finish", json={"address": await brought(begun["url"])})
    assert answer.status_code == 200, answer.text
    assert answer.json()["connection"]["state"] == "ready"
    assert answer.json()["warning"] == ""
    again = await api.post(f"{oauth}/authorize/finish", json={"address": await brought(begun["url"])})
    assert problem(again)["code"] == "consentNeeded"


async def test_an_answer_that_comes_to_localhost_is_led_to_the_browser_s_own_address(api, stranger, endpoint):
    """Microsoft redirects to http://localhost at any port, as it is registered there."""
    fields = {"type": "oauth2", "service": "Outlook365", "user": USER, "clientId": CLIENT_ID}
    urls = {"accessUrl": endpoint.url, "authorizeUrl": endpoint.authorize_url}
    await api.post("/api/connections", json={"name": "work", **fields, **urls})
    begun = await begin(api, "/api/connections/work")
    assert begun["redirectUri"] == "http://localhost:8025"
    back = await brought(begun["url"])
    assert back.startswith("http://localhost:8025?code=")
    # no cookie comes along to another name
    led = await stranger.get(back)
    assert led.status_code == 303
    assert led.headers["location"].startswith(f"{HERE}/oauth2/callback?code=")
    assert (await stranger.get(led.headers["location"])).status_code == 422
    assert "is authorized" in (await api.get(led.headers["location"])).text
    # what answers no request leads nowhere else
    for query in ("state=x&code=y", "state=", "state=a&state=b", f"{led.headers['location'].partition('?')[2]}"):
        assert (await stranger.get(f"/?{query}")).headers["location"] == f"/oauth2/callback?{query}"
    assert (await stranger.get("/")).headers["location"] == "/flows"


async def test_a_connection_that_needs_no_consent_says_so(api):
    await create(api)
    assert "password" in problem(await api.post("/api/connections/shop/authorize"))["message"]


# The page.


async def test_the_page_lists_connections_escaped_and_says_what_to_do_where_there_is_none(api):
    assert "No connections yet" in (await api.get("/connections")).text
    await create(api, **{"from": '"<img src=x>" <a@b.example>'})
    page = await api.get("/connections/list")
    assert "shop" in page.text
    assert "Basic Auth" in page.text


async def test_the_page_finds_connections_and_shows_fifty_at_once(api, site):
    for number in range(51):
        await site.mailnode.connections.create(f"shop {number:02}", "basic", {**BASIC, "username": f"user{number}"})
    page = (await api.get("/connections")).text
    assert (page.count("<tr data-name"), "Next page" in page) == (50, True)
    page = (await api.get("/connections?after=shop+49")).text
    assert (page.count("<tr data-name"), "First page" in page, "Next page" in page) == (1, True, False)
    assert 'hx-get="/connections/list?after=shop+49"' in page
    found = (await api.get("/connections/list?search=+USER7+")).text
    assert (found.count("<tr data-name"), "shop 07" in found) == (1, True)
    assert "No matching connections" in (await api.get("/connections?search=nothing")).text
    assert [one["name"] for one in (await api.get("/api/connections?search=user5&limit=1")).json()] == ["shop 05"]


async def test_the_dialog_has_each_field_once_with_a_word_of_help(api):
    fields = [field for place in form_fields().values() for field in place]
    keys = [field.key for field in fields]
    known = {*(key for kind in TYPE_FIELDS.values() for key in kind.checks), *COMMON, *(f"dkim.{key}" for key in DKIM)}
    assert len(keys) == len(set(keys))
    assert set(keys) == known - {"service", "hosts", "dkim"}
    assert all(field.hint for field in fields)
    page = (await api.get("/connections")).text.partition('data-view="work"')[0]
    assert all(page.count(f'data-key="{key}"') == 1 for key in known - {"dkim"})
    assert page.count('type="password"') == len([one for one in fields if one.control == "secret"])


def test_the_form_keeps_the_order_that_users_of_the_node_know():
    keys = [field.key for place in form_fields().values() for field in place]
    known = ["user", "clientId", "clientSecret", "accessToken", "refreshToken", "expiryDate", "accessUrl", "tlsOption"]
    assert [key for key in keys if key in known] == known


def test_the_most_popular_services_come_first_and_none_is_left_out():
    names = [service.name for service in popular_first()]
    assert names[:3] == ["Gmail", "Outlook365", "GmailWorkspace"]
    assert set(_POPULAR) <= set(names)
    assert sorted(names) == sorted(service.name for service in services())


def test_the_steps_at_a_provider_are_those_of_the_documentation():
    documented = " ".join((ROOT / "docs/connections.md").read_text().split())
    assert set(provider_steps()) == {tile.id for tile in TILES if tile.type != "basic"}
    for tile in TILES:
        for service in tile.services:
            assert tile.type in auth_of(find_service(service)), tile.id
        for number, step in enumerate(provider_steps().get(tile.id, ()), 1):
            assert tile.id == "oauth2" or f"{number}. {step}" in documented, step


def test_a_step_s_markdown_is_html_and_all_else_is_text():
    said = inline_html("a <b> [*x*](https://a.example/?b=1&c) **d** `e<f>` & g")
    link = '<a href="https://a.example/?b=1&amp;c" target="_blank" rel="noopener noreferrer"><em>x</em></a>'
    assert said == f"a &lt;b&gt; {link} <strong>d</strong> <code>e&lt;f&gt;</code> &amp; g"
