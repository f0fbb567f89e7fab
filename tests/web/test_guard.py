"""Who comes in: token, session, Host, Origin, CSRF, and what a browser is told."""

import asyncio
import re
import stat

import pytest

from mailnode import supervision
from mailnode.delivery.claims import Claims
from mailnode.errors import UsageError
from mailnode.web import application
from mailnode.web.application import create_app
from mailnode.web.security.attempts import MOST, WITHIN_SECONDS, Attempts
from mailnode.web.security.exposure import ON_THIS_MACHINE, exposure_of
from mailnode.web.security.guard import MAX_BODY_OCTETS
from mailnode.web.security.login_codes import LIFE_SECONDS, LoginCodes
from mailnode.web.security.sessions import COOKIE, Sessions
from mailnode.web.security.token import access_token
from support.web import HERE, TOKEN, asking


async def logged_in(client, place="/"):
    answer = await client.post("/login", data={"token": TOKEN, "next": place}, headers={"Origin": HERE})
    assert answer.status_code == 303, answer.text
    return answer


async def test_without_a_token_the_api_says_what_is_wanted_and_pages_lead_to_the_login(stranger):
    for path in ("/api/flows", "/api/openapi.json", "/metrics", "/api/connections"):
        answer = await stranger.get(path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json()["error"]["hint"]
    answer = await stranger.get("/flows/a?b=1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=/flows/a%3Fb%3D1")
    assert (await stranger.post("/flows")).status_code == 401


async def ready(stranger):
    """Wait until the server is."""
    while (await stranger.get("/health")).status_code == 503:  # noqa: ASYNC110 -- as whoever watches it does
        await asyncio.sleep(0.005)


async def test_health_is_for_everybody_and_tells_nothing_of_what_is_there(stranger, site):
    answer = await stranger.get("/health")
    assert (answer.status_code, answer.json()["reason"]) == (503, "queued mail is not being sent: it has not started")
    async with site.mailnode.working(), asyncio.timeout(60):
        await ready(stranger)
        while not (told := (await stranger.get("/health")).json())["worker"]["lastLook"]:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.005)
    assert set(told) == {"status", "version", "live", "ready", "reason", "outcomesWaiting", "worker"}
    assert (told["status"], told["live"], told["ready"], told["reason"]) == ("ok", True, True, None)
    assert (told["worker"]["alive"], told["worker"]["reason"]) == (True, "")
    assert not (await stranger.get("/health")).json()["ready"]


async def test_supervisors_ask_by_any_name_and_hear_no_more_than_they_need(site):
    for exposure in (
        ON_THIS_MACHINE,
        exposure_of(
            host="0.0.0.0", base_path="/mail", public_url="https://mail.example.org", trusted_proxies=["10.0.0.1"]
        ),
    ):
        app = create_app(site, TOKEN, exposure=exposure)
        async with asking(app, token="") as supervisor:
            supervisor.headers["Host"] = "10.1.2.3:8025"
            for base in {"", exposure.base_path}:
                live = await supervisor.get(f"{base}/health/live")
                assert (live.status_code, live.json()) == (200, {"status": "ok", "reason": None})
                waits = await supervisor.get(f"{base}/health/ready")
                assert (waits.status_code, waits.json()["status"]) == (503, "failing")
                assert waits.json()["reason"].startswith("queued mail is not being sent")
            async with site.mailnode.working(), asyncio.timeout(30):
                while (told := await supervisor.get("/health/ready")).status_code == 503:  # noqa: ASYNC110 -- as above
                    await asyncio.sleep(0.005)
            assert told.json() == {"status": "ok", "reason": None}


async def test_health_says_why_no_worker_lives_and_that_one_lives_again(stranger, api, site, monkeypatch):
    broken, mended = asyncio.Event(), asyncio.Event()
    take = Claims.take

    async def fails(claims, hands):
        if mended.is_set():
            return await take(claims, hands)
        broken.set()
        raise RuntimeError("a secret of somebody")

    monkeypatch.setattr(Claims, "take", fails)
    monkeypatch.setattr(supervision, "FIRST_WAIT", 0.05)
    async with site.mailnode.working(), asyncio.timeout(60):
        await broken.wait()
        await asyncio.sleep(0)  # what was raised is heard
        answer = await stranger.get("/health")
        assert answer.status_code == 503
        assert (answer.json()["live"], answer.json()["ready"]) == (True, False)
        assert answer.json()["worker"]["reason"] == "it failed unexpectedly: RuntimeError"
        told = (await api.get("/metrics")).text
        assert 'mailnode_task_alive{task="the queue\'s worker"} 0' in told
        assert 'mailnode_deliveries{state="held"} 0' in told
        mended.set()
        await ready(stranger)


async def test_a_worker_that_is_cancelled_from_inside_begins_again(stranger, site, monkeypatch):
    monkeypatch.setattr(supervision, "FIRST_WAIT", 0.0)
    async with site.mailnode.working(), asyncio.timeout(60):
        for _ in range(3):
            await ready(stranger)
            tasks = {task for task in asyncio.all_tasks() if "_error_of" in repr(task.get_coro())}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        await ready(stranger)
    assert site.mailnode.report.tasks[0].defects == 3


@pytest.mark.parametrize("name", ["Idempotency-Key", "Content-Type", "Origin", "Authorization", "Host"])
async def test_a_field_that_means_one_thing_is_refused_twice(api, name):
    value = {"Origin": str(api.base_url), "Host": api.base_url.netloc.decode()}.get(
        name, api.headers.get(name, "application/json")
    )
    answer = await api.post("/api/flows/none/runs", headers=[(name, value), (name, value)], content="{}")
    assert (answer.status_code, name in answer.json()["error"]["message"]) == (400, True), answer.text


@pytest.mark.parametrize("said", ["Bearer wrong", "Basic " + TOKEN, "Bearer", TOKEN, "Bearer " + TOKEN[:-1]])
async def test_a_wrong_token_is_refused(stranger, said):
    answer = await stranger.get("/api/flows", headers={"Authorization": said})
    assert answer.status_code == 401
    assert TOKEN not in answer.text


async def test_the_cookie_is_for_this_server_only_and_opens_the_pages(stranger):
    answer = await logged_in(stranger, "/flows")
    assert answer.headers["Location"] == "/flows"
    said = answer.headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert "SameSite=strict" in said
    assert TOKEN not in said
    assert (await stranger.get("/flows")).status_code == 200


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "flows", "/a\r\nb"])
async def test_a_login_leads_to_no_other_place(stranger, elsewhere):
    assert (await logged_in(stranger, elsewhere)).headers["Location"] == "/"


async def test_what_changes_something_needs_the_page_s_own_token(stranger):
    await logged_in(stranger)
    cookie = stranger.cookies[COOKIE]
    assert (await stranger.post("/api/flows", json={"name": "a"})).status_code == 403
    wrong = {"X-CSRF-Token": Sessions(TOKEN).csrf("another")}
    assert (await stranger.post("/api/flows", json={"name": "a"}, headers=wrong)).status_code == 403
    right = {"X-CSRF-Token": Sessions(TOKEN).csrf(cookie)}
    assert (await stranger.post("/api/flows", json={"name": "a"}, headers=right)).status_code == 201
    page = await stranger.get("/flows")
    assert f'<meta name="csrf-token" content="{right["X-CSRF-Token"]}">' in page.text


async def test_logging_out_ends_the_session_of_the_browser(stranger):
    await logged_in(stranger)
    cookie = stranger.cookies[COOKIE]
    answer = await stranger.post("/logout", headers={"X-CSRF-Token": Sessions(TOKEN).csrf(cookie)})
    assert answer.status_code == 204
    assert (await stranger.get("/flows")).status_code == 303


async def test_forged_cookies_open_nothing(stranger):
    other = Sessions("another-token-altogether").begin()
    expired = Sessions(TOKEN)
    said = f"1.x.{expired._sign('session', '1.x')}"
    for cookie in (other, said, "", "a", "..", "1.2.3", "é", "x" * 10_000, said[:-1]):
        answer = await stranger.get("/api/flows", headers={"Cookie": f"{COOKIE}={cookie}".encode()})
        assert answer.status_code == 401, cookie[:40]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8025", "localhost.evil", "0.0.0.0:8025", "", "["]
)
async def test_another_name_for_this_machine_is_not_served(api, host):
    for path in ("/flows", "/api/flows", "/login", "/health", "/static/main.js"):
        assert (await api.get(path, headers={"Host": host})).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8025", "localhost", "LOCALHOST:1", "[::1]:8025"])
async def test_this_machine_by_its_own_names_is(api, host):
    assert (await api.get("/api/flows", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8025", ""]
)
async def test_a_page_of_another_origin_asks_in_vain(api, origin):
    assert (await api.get("/api/flows", headers={"Origin": origin})).status_code == 403
    assert (await api.post("/login", data={"token": TOKEN}, headers={"Origin": origin})).status_code == 403


async def test_another_site_s_image_or_script_asks_in_vain_but_a_link_may_lead_here(api):
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert (await api.get("/api/flows", headers=image)).status_code == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert (await api.get("/flows", headers=link)).status_code == 200


async def test_every_answer_carries_the_strict_headers(api, stranger):
    for answer in (
        await api.get("/flows"),
        await api.get("/api/flows"),
        await stranger.get("/flows"),
        await api.get("/x"),
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_body_without_end_is_refused_whether_it_says_its_length_or_not(api):
    said = {"Content-Length": str(MAX_BODY_OCTETS + 1), "Content-Type": "application/json"}
    assert (await api.post("/api/flows", content=b"{}", headers=said)).status_code == 413

    async def endless():
        for _ in range(MAX_BODY_OCTETS // 2**20 + 2):
            yield b" " * 2**20

    answer = await api.post("/api/flows", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


async def test_after_too_many_wrong_tokens_wrong_ones_have_to_wait_and_the_right_one_is_taken(stranger):
    for _ in range(MOST):
        assert (await stranger.post("/login", data={"token": "guess"}, headers={"Origin": HERE})).status_code == 401
    answer = await stranger.post("/login", data={"token": "guess"}, headers={"Origin": HERE})
    assert answer.status_code == 429
    answer = await stranger.get("/api/flows", headers={"Authorization": "Bearer guess"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) <= WITHIN_SECONDS + 1
    assert (await stranger.get("/api/flows", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
    await logged_in(stranger)
    assert (await stranger.get("/flows")).status_code == 200


def test_attempts_are_forgotten_in_time():
    now = 0.0
    attempts = Attempts(lambda: now)
    for _ in range(MOST):
        assert attempts.wait_seconds == 0
        attempts.note_wrong()
    assert attempts.wait_seconds == WITHIN_SECONDS
    now = WITHIN_SECONDS
    assert attempts.wait_seconds == 0


@pytest.mark.parametrize(
    "path",
    [
        "/static/../page.py",
        "/static/%2e%2e/page.py",
        "/static/..%2f..%2fapp.py",
        "/static//etc/passwd",
        "/api/flows/..%2fx",
        "/api/flows/../../x",
        "/flows/%2e%2e%2fsecret.key",
        "/api/snapshots/..%2f..%2fx/plan",
    ],
)
async def test_no_path_leads_out_of_its_folder(api, home, path):
    (home / "secret.flow.yaml").write_text("version: 1")
    answer = await api.get(path)
    assert answer.status_code in {404, 405, 422}
    assert "import" not in answer.text.lower().replace("important", "")


def test_the_token_s_file_is_for_its_owner_alone_and_stays(home):
    made = access_token(home, None)
    assert made.is_new
    assert stat.S_IMODE((home / "token").stat().st_mode) == 0o600
    again = access_token(home, None)
    assert again.text == made.text
    assert not again.is_new


@pytest.mark.parametrize("given", ["short", "a" * 15, "é" * 20, "with a blank in it", "x" * 20 + "\n"])
def test_a_token_that_keeps_nobody_out_is_refused(home, given):
    with pytest.raises(UsageError) as caught:
        access_token(home, given)
    assert "MAILNODE_TOKEN" in caught.value.message
    assert given not in str(caught.value)


def addresses():
    """Give each method and path that the application has, filled in with something."""
    for module in (*application.API, *application._PAGES):
        for route in module.router.routes:
            for method in route.methods:
                yield method, re.sub(r"\{[^}]*\}", "1", route.path)


async def test_no_route_but_the_open_ones_answers_a_stranger_or_a_forged_request(stranger):
    asked = sorted(set(addresses()))
    assert len(asked) > 60
    for method, path in asked:
        if path in {"/", "/login", "/login/code", "/oauth2/callback"} or path.startswith("/health"):
            continue
        answer = await stranger.request(method, path)
        assert answer.status_code in {401, 303}, (method, path)
        assert answer.headers.get("Location", "/login").startswith("/login")
    await logged_in(stranger)
    for method, path in asked:
        if method in {"POST", "PUT", "PATCH", "DELETE"} and not path.startswith("/login"):
            assert (await stranger.request(method, path)).status_code == 403, (method, path)


class TestALinkThatLogsIn:
    async def enter(self, client, code, origin=HERE):
        headers = {"Origin": origin} if origin else {}
        return (await client.post("/login/code", data={"code": code}, headers=headers)).status_code

    async def test_it_does_once(self, stranger, app):
        code = app.state.codes.issue()
        assert await self.enter(stranger, code) == 204
        assert (await stranger.get("/api/flows")).status_code == 200
        stranger.cookies.clear()
        assert await self.enter(stranger, code) == 401
        assert (await stranger.get("/api/flows")).status_code == 401

    async def test_for_a_minute(self, stranger, app):
        now = 0.0
        codes = app.state.codes = LoginCodes(clock=lambda: now)
        early, late = codes.issue(), codes.issue()
        now = LIFE_SECONDS - 1
        assert await self.enter(stranger, early) == 204
        now = LIFE_SECONDS
        assert await self.enter(stranger, late) == 401

    @pytest.mark.parametrize("origin", ["", "null", "https://evil.example", "http://127.0.0.1:9"])
    async def test_from_our_own_page_alone(self, stranger, app, origin):
        code = app.state.codes.issue()
        assert await self.enter(stranger, code, origin) in {401, 403}
        assert await self.enter(stranger, code) == 204, "the code was not used"

    async def test_by_nothing_that_it_is_not(self, stranger, app):
        code = app.state.codes.issue()
        for other in ("", code[:-1], code + "x", TOKEN, "ü"):
            assert await self.enter(stranger, other) == 401
        assert code not in repr(vars(app.state.codes)), "only its hash is kept"
