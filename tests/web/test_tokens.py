"""Named tokens and the audit log: what each token opens, what it does not, and that each use is noted."""

import re

from mailnode.web import application
from mailnode.web.security.attempts import MOST
from mailnode.web.security.scopes import missing_scope
from support.web import HERE, TOKEN

# Each request that less than `admin` is enough for; `(none)` is any token. All others want `admin`.
OPENED = {
    "(none)": {"GET /api/services", "GET /api/services/1"},
    "run": {
        "POST /api/flows/1/runs",
        "POST /api/deliveries/retry",
        "POST /api/deliveries/cancel",
        "POST /api/deliveries/1/retry",
        "POST /api/deliveries/1/cancel",
    },
    "read": {
        *("GET /api/flows", "GET /api/flows/1", "GET /api/flows/1/file", "GET /api/flows/1/files/1"),
        *("GET /api/flows/1/export", "GET /api/layouts", "GET /api/layouts/1", "GET /api/runs"),
        *("GET /api/preview/1/html", "GET /api/preview/1/message"),
        *("GET /api/deliveries", "GET /api/deliveries/1", "GET /api/deliveries/history"),
        *("GET /api/connections", "GET /api/connections/1", "GET /api/connections/1/uses"),
        *("GET /api/apps", "GET /api/apps/1"),
        *("GET /api/webhooks", "GET /api/webhooks/1"),
        *("GET /api/connections/1/authorize", "GET /api/inbox", "GET /api/inbox/1"),
        *("GET /api/inbox/1/source", "GET /api/inbox/1/parts/1", "GET /metrics"),
    },
    "run or read": {"GET /api/runs/1"},
    "edit": {
        *("POST /api/flows", "POST /api/flows/check", "POST /api/flows/import", "POST /api/flows/1/rename"),
        *("POST /api/flows/1/files", "PUT /api/flows/1", "PUT /api/flows/1/sample", "DELETE /api/flows/1"),
        *("POST /api/layouts", "POST /api/layouts/preview", "PUT /api/layouts/1", "DELETE /api/layouts/1"),
        *("POST /api/preview", "POST /api/preview/plan", "POST /api/preview/inbox", "POST /api/preview/server"),
        "DELETE /api/inbox",
    },
    "edit and run": {"POST /api/preview/test"},
}


def wanted(method, path):
    """Say which scopes are enough."""
    single = [scope for scope in ("run", "read", "edit") if not missing_scope({scope}, method, path)]
    if not missing_scope(set(), method, path):
        return "(none)"
    if not single and not missing_scope({"edit", "run"}, method, path):
        return "edit and run"
    return " or ".join(single) or "admin"


def test_what_each_scope_opens_and_that_all_else_wants_admin():
    asked = {
        (method, re.sub(r"\{[^}]*\}", "1", route.path))
        for module in (*application.API, *application._PAGES)
        for route in module.router.routes
        for method in route.methods
    }
    found: dict[str, set[str]] = {}
    for method, path in asked:
        found.setdefault(wanted(method, path), set()).add(f"{method} {path}")
    others = found.pop("admin")
    for scope, opened in OPENED.items():
        assert opened <= found[scope], scope
    writing = {one for some in found.values() for one in some if not one.startswith("GET ")}
    assert writing == {one for some in OPENED.values() for one in some if not one.startswith("GET ")}
    assert {"POST /api/connections", "POST /api/snapshots", "GET /api/snapshots", "GET /flows"} <= others
    assert wanted("PUT", "/api/flows/x/runs") == "edit", "a flow of that name"
    assert wanted("TRACE", "/api/flows") == "admin"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def test_a_token_opens_its_part_until_it_is_deleted_and_each_use_is_noted(site, stranger):
    site.flow_files.create("version: 1\nname: hello\nnodes:\n- {id: a, type: say, settings: {text: hi}}\n")
    tokens, audit = site.mailnode.tokens, site.mailnode.audit
    token = await tokens.create("crm", ["run"])
    run = await stranger.post("/api/flows/hello/runs", json={}, headers=bearer(token))
    assert (run.status_code, run.json()["status"]) == (200, "done")
    assert (await stranger.get(f"/api/runs/{run.json()['run']}", headers=bearer(token))).status_code == 200
    refused = await stranger.get("/api/flows?search=x", headers=bearer(token))
    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == "The token crm lacks the scope read."
    assert (await stranger.get("/api/flows", headers=bearer(TOKEN))).status_code == 200
    assert (await stranger.get("/api/flows", headers=bearer(token[:-1]))).status_code == 401
    await stranger.post("/login", data={"token": TOKEN}, headers={"Origin": HERE})
    await stranger.get("/flows")
    await tokens.delete("crm")
    assert (await stranger.post("/api/flows/hello/runs", json={}, headers=bearer(token))).status_code == 401
    await audit.flush()
    noted = [(one["caller"], one["token"], one["method"], one["path"], one["status"]) for one in await audit.list()]
    assert sorted(noted, key=str) == sorted(
        [
            ("token", "crm", "POST", "/api/flows/hello/runs", 200),
            ("token", "crm", "GET", f"/api/runs/{run.json()['run']}", 200),
            ("token", "crm", "GET", "/api/flows", 403),
            ("serveToken", None, "GET", "/api/flows", 200),
            ("unknown", None, "GET", "/api/flows", 401),
            ("browser", None, "POST", "/login", 303),
            ("unknown", None, "POST", "/api/flows/hello/runs", 401),
        ],
        key=str,
    )
    assert {one["client"] for one in await audit.list()} == {"127.0.0.1"}
    assert len(await audit.list(token="crm")) == 3
    assert len(await audit.list(limit=2)) == 2


async def test_who_tries_tokens_without_end_fills_no_log(site, stranger):
    for _ in range(MOST + 20):
        await stranger.get("/api/flows%00" + "x" * 3000, headers=bearer("mailnode_guess"))
    await site.mailnode.audit.flush()
    noted = await site.mailnode.audit.list()
    assert len(noted) == MOST
    assert {len(one["path"]) for one in noted} == {999}


async def test_who_is_let_in_by_no_door_fills_no_log(site, stranger):
    form = {"content-type": "application/x-www-form-urlencoded", "Origin": HERE}

    async def endless():
        for _ in range(70):
            yield b"x" * 1000

    for number in range(MOST + 5):
        await stranger.post(f"/static/{number}" + "x" * 900, headers={"Origin": HERE})
        await stranger.post("/health", headers={"Origin": HERE})
        await stranger.post("/login", content=endless(), headers=form)
        await stranger.post("/login", content=b"x", headers={**form, "content-type": "multipart/form-data; boundary=x"})
        code = await stranger.post("/login/code", data={"code": "guess"}, headers={"Origin": HERE})
        assert code.status_code == (401 if number < MOST else 429)
    await site.mailnode.audit.flush()
    noted = [(one["method"], one["path"], one["status"]) for one in await site.mailnode.audit.list()]
    assert noted == [("POST", "/login/code", 401)] * MOST
