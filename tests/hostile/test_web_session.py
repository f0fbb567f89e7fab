"""Sessions and forged requests: cookies bent in every way, other origins, forms that pass for JSON, endless guesses."""

import re

import pytest

from mailnode.web import application
from mailnode.web.application import create_app
from mailnode.web.security.attempts import MOST
from mailnode.web.security.sessions import COOKIE, Sessions
from support.web import HERE, TOKEN, asking

ORIGIN = {"Origin": HERE}


def cookie_field(value):
    return {"Cookie": f"{COOKIE}={value}"}


async def log_in(client, **headers):
    answer = await client.post("/login", data={"token": TOKEN}, headers=ORIGIN | headers)
    assert answer.status_code == 303, answer.text
    return answer.headers["Set-Cookie"].removeprefix(f"{COOKIE}=").partition(";")[0]


async def status(client, cookie):
    client.cookies.clear()
    return (await client.get("/api/flows", headers=cookie_field(cookie))).status_code


async def test_no_character_of_a_cookie_can_be_another_one(stranger):
    cookie = await log_in(stranger)
    for place, character in enumerate(cookie):
        for other in {"A", "0", ".", character.swapcase()} - {character}:
            bent = cookie[:place] + other + cookie[place + 1 :]
            assert await status(stranger, bent) == 401, bent
    for bent in (cookie + "=", cookie + ".", "." + cookie, cookie[:-1], cookie[1:], f" .{cookie}", cookie * 2):
        assert await status(stranger, bent) == 401, bent
    assert await status(stranger, cookie) == 200


async def test_what_was_signed_for_one_thing_is_good_for_no_other(stranger):
    cookie = await log_in(stranger)
    csrf = Sessions(TOKEN).csrf(cookie)
    said = cookie.rpartition(".")[0]
    for bent in (csrf, f"{said}.{csrf}", f"{cookie}.{csrf}", TOKEN, f"{said}.{TOKEN}"):
        assert await status(stranger, bent) == 401


async def test_a_copied_cookie_is_worth_nothing_after_the_logout(stranger):
    cookie, other = await log_in(stranger), await log_in(stranger)
    stranger.cookies.clear()
    headers = cookie_field(cookie) | {"X-CSRF-Token": Sessions(TOKEN).csrf(cookie)}
    assert (await stranger.post("/logout", headers=headers)).status_code == 204
    assert await status(stranger, cookie) == 401
    assert await status(stranger, other) == 200  # another browser's goes on


async def test_another_token_ends_every_session(site, stranger):
    cookie = await log_in(stranger)
    async with asking(create_app(site, "another-token-than-before"), token="") as client:
        assert await status(client, cookie) == 401


async def test_a_session_that_a_stranger_has_chosen_does_not_become_the_owner_s(stranger):
    planted = Sessions("the-token-of-a-stranger").begin()
    cookie = await log_in(stranger, **cookie_field(planted))
    assert cookie != planted
    assert await log_in(stranger, **cookie_field(cookie)) != cookie
    assert await status(stranger, planted) == 401


async def test_a_planted_cookie_beside_the_true_one_gives_no_more_than_either(stranger):
    cookie = await log_in(stranger)
    stranger.cookies.clear()
    for pair in ((cookie, "planted"), ("planted", cookie)):
        both = "; ".join(f"{COOKIE}={value}" for value in pair)
        answer = await stranger.post("/api/flows", json={"name": "a"}, headers={"Cookie": both})
        assert answer.status_code in {401, 403}


UNSAFE = sorted(
    {
        (method, re.sub(r"\{[^}]*\}", "1", route.path))
        for module in (*application.API, *application._PAGES)
        for route in module.router.routes
        for method in route.methods - {"GET", "HEAD", "OPTIONS"}
        if not route.path.startswith("/login")
    }
)
# What a page elsewhere can have a browser send with its cookies and without asking first.
SIMPLE = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/plain; a=json"]
BODY = b'{"name": "forged", "text": "version: 1", "to": "inbox", "isSure": true, "passphrase": "x"}'


@pytest.mark.parametrize(("method", "path"), UNSAFE)
async def test_no_request_that_a_page_elsewhere_could_send_changes_anything(stranger, site, method, path):
    cookie = await log_in(stranger)
    other = Sessions(TOKEN).csrf(await log_in(stranger))
    stranger.cookies.clear()
    for content_type in (*SIMPLE, "application/json"):
        for more in ({}, ORIGIN, {"X-CSRF-Token": other}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": cookie}):
            headers = cookie_field(cookie) | {"Content-Type": content_type} | more
            assert (await stranger.request(method, path, content=BODY, headers=headers)).status_code == 403
    assert site.flow_files.flows() == []
    assert await site.mailnode.connections.list() == []


@pytest.mark.parametrize("content_type", SIMPLE)
async def test_json_is_taken_as_json_alone(api, content_type):
    answer = await api.post("/api/flows", content=b'{"name": "forged"}', headers={"Content-Type": content_type})
    assert answer.status_code == 422


FOREIGN = [
    "null",
    "http://127.0.0.1",
    "http://127.0.0.1:8026",
    "http://localhost:8025",
    "http://a.127.0.0.1:8025",
    "http://127.0.0.1:8025.evil.example",
    "http://127.0.0.1:8025@evil.example",
    "http://evil.example/127.0.0.1:8025",
    "file://",
    "chrome-extension://abcdefgh",
    "http://127.0.0.1:8025, http://evil.example",
    "http://127.0.0.1:8025/",
    " ",
]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_of_another_origin_can_neither_ask_nor_log_in_nor_read(stranger, origin):
    cookie = await log_in(stranger)
    stranger.cookies.clear()
    headers = cookie_field(cookie) | {"Origin": origin, "X-CSRF-Token": Sessions(TOKEN).csrf(cookie)}
    for method, path in (("POST", "/api/flows"), ("GET", "/api/flows"), ("OPTIONS", "/api/flows"), ("GET", "/flows")):
        answer = await stranger.request(method, path, headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    answer = await stranger.post("/login", data={"token": TOKEN}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("site_of_page", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["no-cors", "cors", "websocket", ""])
async def test_a_page_on_another_port_of_this_machine_is_another_s(api, site_of_page, mode):
    headers = {"Sec-Fetch-Site": site_of_page, "Sec-Fetch-Mode": mode}
    assert (await api.get("/api/flows", headers=headers)).status_code == 403


PORTS = ["127.0.0.1:evil", "localhost:80@evil.example", "[::1]:80/evil", "127.0.0.1:", "127.0.0.1:8025:1", "[::1]x:1"]


@pytest.mark.parametrize("host", PORTS)
async def test_a_host_whose_port_is_none_is_not_ours(api, host):
    assert (await api.get("/api/flows", headers={"Host": host})).status_code == 421


async def test_to_be_somebody_else_gives_no_more_guesses(stranger):
    for number in range(MOST):
        said = {"X-Forwarded-For": f"10.0.0.{number}", "X-Real-IP": "10.1.1.1", "Forwarded": f"for=10.0.0.{number}"}
        answer = await stranger.get("/api/flows", headers=said | {"Authorization": f"Bearer guess-{number}"})
        assert answer.status_code == 401
    for said in ({"X-Forwarded-For": "10.9.9.9"}, {"Forwarded": "for=10.9.9.9"}, {"Authorization": "BEARER guess"}):
        headers = {"Authorization": "Bearer guess"} | said
        assert (await stranger.get("/api/flows", headers=headers)).status_code == 429
        assert (await stranger.post("/login", data={"token": "guess"}, headers=ORIGIN | said)).status_code == 429


async def test_a_request_of_a_foreign_page_counts_as_no_guess(stranger):
    for _ in range(MOST + 1):
        answer = await stranger.post("/login", data={"token": "x"}, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403
        await stranger.get("/api/flows", headers=cookie_field("guess"))
    assert await log_in(stranger)


@pytest.mark.parametrize(
    "said",
    [
        "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        "/\n/evil.example", "http:evil.example", "javascript:alert(1)", "data:text/html,x", "/\u2028/evil", "/\0",
        "https://evil.example", "", " //evil.example", "\x01//evil.example",
    ],
    ids=ascii,
)  # fmt: skip
async def test_no_login_leads_away(stranger, said):
    answer = await stranger.post("/login", data={"token": TOKEN, "next": said}, headers=ORIGIN)
    assert answer.headers["Location"] == "/"
    page = await stranger.get("/login", params={"next": said})
    assert 'name="next" value="/"' in page.text


async def test_a_stranger_s_form_is_small(stranger):
    async def pieces():
        for _ in range(100):
            yield b"a" * 4096

    headers = ORIGIN | {"Content-Type": "application/x-www-form-urlencoded"}
    for content in (b"a" * 400_000, pieces()):
        assert (await stranger.post("/login", content=content, headers=headers)).status_code == 413


STRICT = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def test_every_answer_is_strict_and_names_no_software(api, stranger):
    answers = [
        await client.request(method, path, **more)
        for client, method, path, more in (
            (stranger, "GET", "/login", {}),
            (stranger, "GET", "/flows", {}),
            (stranger, "GET", "/api/flows", {}),
            (stranger, "POST", "/flows", {}),
            (stranger, "GET", "/static/icon.svg", {}),
            (stranger, "GET", "/static/none", {}),
            (stranger, "GET", "/flows", {"headers": {"Host": "evil.example"}}),
            (api, "POST", "/api/flows", {"content": b"{"}),
            (api, "GET", "/api/none", {}),
            (api, "GET", "/none", {}),
            (api, "PATCH", "/api/flows", {}),
            (api, "GET", "/metrics", {}),
            (api, "GET", "/api/openapi.json", {}),
        )
    ]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in STRICT} == STRICT, answer.url
        assert "frame-ancestors" in answer.headers["Content-Security-Policy"]
        is_static = answer.url.path.startswith("/static/") and answer.status_code == 200
        assert ("no-store" in answer.headers["Cache-Control"]) is not is_static
        assert "server" not in answer.headers
        assert "Traceback" not in answer.text
        assert "/src/" not in answer.text
