"""Every page, seen by a real browser, with a stranger's words wherever words have room: nothing of them comes alive."""

import asyncio
import json
import smtplib
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import sync_playwright

from mailnode.flow.document import parse_flow
from support.browser import chromium
from support.hostile_markup import ALL_EVIL, EVIL, assert_only_our_markup
from support.web import served_site

# What would tell that it ran, by each way that a page may be led astray.
RUNS = [
    *EVIL,
    "<iframe srcdoc='<script>top.ran=1;alert(1)</script>'></iframe>",
    "<style>*{background:url(http://evil.example/x)}</style>",
    "<link rel=stylesheet href=http://evil.example/x.css>",
    "<base href=http://evil.example/>",
    "<meta http-equiv=refresh content='0;url=http://evil.example/'>",
    "<form action=http://evil.example/><button autofocus>x</button></form>",
    "<a id=main href=javascript:alert(1)>x</a><div hx-get=/logout hx-trigger=load data-hx-on:load=alert(1)></div>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "\u2028alert(1)\u2029</script ><script>alert(1)//",
    "<!--<script>",
    "]]><script>alert(1)</script>",
]
ALL = " ".join(RUNS)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve a home that strangers have written in, for all of the module."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("MAILNODE_HOME", str(home))
        with served_site(home) as serving:
            asyncio.run_coroutine_threadsafe(fill(serving.site), serving.loop).result(60)
            yield serving


async def fill(site):
    """Run a flow, and catch a mail, that say it everywhere."""
    settings = {
        "emailService": "other",
        "smtp": {"host": "127.0.0.1", "port": site.inbox_port, "tlsOption": "none"},
        "from": '"<script>alert(1)</script>" <me@example.com>',
        "to": "you@example.org",
        "subject": ALL,
        "content": f"<p>{ALL}</p>",
        "headers": {"X-Evil": ALL},
        "attachments": [{"type": "text", "content": ALL, "filename": ALL.replace("/", "").replace("\u2028", "")[:200]}],
    }
    flow = {"version": 1, "name": "hello", "nodes": [
        {"id": "say", "type": "say", "label": ALL, "settings": {"text": "{{ input.name }}"}},
        {"id": "send", "type": "sendSmtpEmail", "label": ALL, "settings": settings},
    ]}  # fmt: skip
    shelved = site.flow_files.create(json.dumps(flow), json_file=True)
    wrong = json.loads(json.dumps(flow).replace('"tlsOption": "none"', f'"tlsOption": {json.dumps(ALL)}'))
    site.flow_files.create(json.dumps(wrong | {"name": "wrong"}), json_file=True)
    site.flow_files.store_sample("hello", {"input": {ALL: ALL, "name": ALL}, "context": {ALL: {ALL: [ALL]}}})
    (site.flow_files.folder / "odd.flow.yaml").write_text(
        f"version: 1\nname: {json.dumps(ALL)}\n{json.dumps(ALL)}: 1\n"
    )
    document = parse_flow(shelved.text, file="", json=True)
    for number, run_id in enumerate(("plain", *EVIL)):
        await site.mailnode.run(document, input={"name": ALL, ALL: number}, run_id=run_id)
    secrets = {"service": "Gmail", "username": EVIL[1], "password": ALL}
    await site.mailnode.connections.create("shop", "basic", secrets)
    await asyncio.to_thread(catch, site.inbox_port)


def catch(port):
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["X-Evil"] = ALL_EVIL, '"<script>alert(1)</script>" <a@b.example>', ALL_EVIL
    mail.set_content(ALL)
    mail.add_alternative(f"<h1>Hello</h1>{ALL}", subtype="html")
    mail.add_attachment(b"<script>alert(1)</script>", maintype="text", subtype="html", filename=EVIL[1])
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("shop@example.com", ["jane@example.org"], mail.as_bytes(policy=SMTP))


def paths(served):
    """Name each page, with what a link of a stranger might ask it for."""
    headers = {"Authorization": f"Bearer {served.token}"}
    with httpx2.Client(base_url=served.url, headers=headers, timeout=60) as client:
        deliveries = [one["deliveryId"] for one in client.get("/api/deliveries").json()["deliveries"]][:2]
        numbers = [one["number"] for one in client.get("/api/inbox").json()]
    found = ["/flows", "/flows/hello", "/flows/wrong", "/flows/odd", "/runs", "/deliveries", "/connections", "/inbox"]
    found += [f"/runs/{quote(run_id, safe='')}" for run_id in ("plain", *EVIL)]
    found += [f"/deliveries/{delivery}" for delivery in deliveries]
    found += [f"/inbox/{number}" for number in (numbers[0], numbers[-1])]
    found += [f"/{page}/{quote(EVIL[0], safe='')}" for page in ("flows", "deliveries", "inbox", "nothing")]
    for query in (f"flow={quote(EVIL[0])}", f"status={quote(EVIL[2])}", f"after={quote(EVIL[0])}"):
        found.append(f"/runs?{query}")
    found += [f"/deliveries?{name}={quote(EVIL[2])}" for name in ("state", "connection", "recipient", "run", "hours")]
    found += [f"/login?next={quote(f'/{EVIL[2]}')}", f"/oauth2/callback?error={quote(ALL)}&state={quote(EVIL[0])}"]
    return found


def test_a_parser_finds_only_our_markup_in_each_page(served):
    headers = {"Authorization": f"Bearer {served.token}"}
    with httpx2.Client(base_url=served.url, headers=headers, timeout=60) as client:
        for path in paths(served):
            answer = client.get(path)
            assert answer.status_code < 500, path
            # An editor's data stand in elements of their own, and the login has a field with our own autofocus.
            if not path.startswith(("/flows/", "/login")):
                assert_only_our_markup(answer.text)


INJECTED = """() => [...document.querySelectorAll("*")].filter((one) =>
  ["BASE", "MATH", "EMBED", "OBJECT", "MARQUEE"].includes(one.tagName)
  || (one.tagName === "SCRIPT" && one.type !== "application/json" && !one.src.startsWith(location.origin + "/static/"))
  || (one.tagName === "IFRAME" && one.getAttribute("sandbox") !== "")
  || (one.tagName === "LINK" && !one.href.startsWith(location.origin + "/static/"))
  || (one.tagName === "META" && one.httpEquiv)
  || (one.tagName === "FORM" && !(one.action || location.href).startsWith(location.origin + "/"))
  || (one.tagName === "A" && /^\\s*(javascript|data|vbscript):/i.test(one.getAttribute("href") ?? ""))
  || [...one.attributes].some(({ name, value }) => /^on/.test(name) || /^(data-)?hx-on/.test(name)
       || (name === "hx-get" && value === "/logout"))
).map((one) => one.outerHTML.slice(0, 200))"""


def test_in_a_browser_nothing_of_it_runs_asks_or_stands_there_as_an_element(served):
    happened: list[tuple[str, str]] = []
    path = ""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        page = browser.new_context(base_url=served.url).new_page()

        def note(dialog):
            happened.append((path, dialog.message))
            dialog.dismiss()

        page.on("dialog", note)

        def watch(request):
            if not request.url.startswith((served.url, "data:", "about:")):
                happened.append((path, request.url))

        page.on("request", watch)
        page.goto("/login")
        page.fill("#token", served.token)
        page.click("button[type=submit]")
        page.wait_for_url("**/flows")
        for path in paths(served):
            page.goto(path, wait_until="load")
            if path in {"/flows/hello", "/flows/wrong"}:
                page.locator("[data-nodes] button").first.wait_for(state="attached")
            assert page.evaluate(INJECTED) == [], path
            assert page.evaluate("window.ran") is None
        browser.close()
    assert happened == []
