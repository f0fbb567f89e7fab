"""No secret is shown by any page, answer, metric or process, nor kept in the clear by PostgreSQL."""

import json
import re
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from mailnode.connections.fields import COMMON, DKIM, KINDS
from mailnode.connections.values import to_proxy, to_rsa_key, to_secret, to_token
from mailnode.web import application
from support.canaries import (
    KEY,
    PASSWORD,
    PROXY_PASSWORD,
    WEB_TOKEN,
    fields,
    listening,
    scan,
    scan_files,
)
from support.flows import to_server
from support.scripted_smtp import ScriptedServer
from support.token_endpoint import refusal, token_endpoint
from support.web import HERE, opened_site

OFFER = ("PIPELINING", "AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2")
SAYS_IT = {"AUTH": "535 5.7.8 no: {said}"}


@pytest.fixture(autouse=True)
def key(home, monkeypatch):
    monkeypatch.setenv("MAILNODE_SECRET_KEY", KEY)
    monkeypatch.setenv("MAILNODE_TOKEN", WEB_TOKEN)
    monkeypatch.setenv("MAILNODE_SMTP_PROXY", "")


def test_every_secret_field_has_its_canary():
    secret = {to_secret, to_token, to_proxy, to_rsa_key}
    for kind, its in KINDS.items():
        given = fields(kind, "https://login.example/token")
        assert {key for key, check in its.checks.items() if check in secret} <= given.keys()
        assert {key for key, check in DKIM.items() if check in secret} <= given["dkim"].keys()
    assert {key for key, check in COMMON.items() if check in secret} == {"proxy"}


def routes():
    """Every path that can be asked for."""
    for module in (*application._API, *application._PAGES):
        for route in module.router.routes:
            if "GET" in route.methods:
                yield route.path


async def prepared(client, server, endpoint):
    """Make what the routes are about: connections, flows, runs that fail; and scan each answer."""
    for kind in KINDS:
        given = {"name": kind, "type": kind, **fields(kind, endpoint.url)}
        settings = to_server(server.port, connection=kind, timeoutSeconds=1, subject="{{ input.a.toUpperCase() }}")
        flow = {"version": 1, "name": kind, "nodes": [{"id": "tell", "type": "sendSmtpEmail", "settings": settings}]}
        here, wrong = {"host": "127.0.0.1", "port": server.port}, {"password": f"{PASSWORD}\0"}
        for wanted, method, path, said in (
            (201, "POST", "/api/connections", given),
            (409, "POST", "/api/connections", given),
            (422, "POST", "/api/connections", given | {"name": "x", "proxy": f"x://a:{PROXY_PASSWORD}@b"}),
            (422, "POST", "/api/connections", given | {"name": "x", "user": 5, "username": PASSWORD}),
            (422, "PATCH", f"/api/connections/{kind}", wrong),
            (200, "POST", f"/api/connections/{kind}/test", here),
            (201, "POST", "/api/flows", {"text": json.dumps(flow), "format": "json"}),
            (200, "POST", f"/api/flows/{kind}/runs", {"input": {"a": "b"}}),
        ):
            answer = await client.request(method, path, json=said, headers={"Idempotency-Key": f"run-{kind}"})
            assert answer.status_code == wanted, answer.text
            scan(answer.content + str(answer.headers).encode())


async def test_no_page_and_no_answer_shows_one(home):
    with listening() as heard:
        async with (
            token_endpoint() as endpoint,
            ScriptedServer(SAYS_IT, extensions=OFFER) as server,
            opened_site(home) as site,
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(application.create_app(site, WEB_TOKEN)),
                base_url=HERE,
                headers={"Authorization": f"Bearer {WEB_TOKEN}"},
            ) as client,
        ):
            endpoint.fail_next(refusal("invalid_grant", "no more"), times=100)
            await prepared(client, server, endpoint)
            rows = (await client.get("/api/deliveries")).json()
            deliveries = [row["deliveryId"] for row in rows["deliveries"]]
            assert len(deliveries) == len(KINDS)
            asked = 0
            names = (*KINDS, *(f"run-{kind}" for kind in KINDS), *deliveries, "1", "nothing")
            for path in sorted({re.sub(r"\{[^}]*\}", quote(name), path) for path in routes() for name in names}):
                answer = await client.get(path)
                scan(answer.content + str(answer.headers).encode())
                asked += answer.status_code == 200
            assert asked > 60
    scan("\n".join(heard))
    assert scan_files(home)


async def test_no_process_shows_one_to_others_of_this_machine(home):
    async with opened_site(home) as site:
        flow = site.shelf.create('version: 1\nname: a\nnodes:\n- {id: s, type: say, settings: {text: "{{ 1 + 1 }}"}}\n')
        assert (await site.mailnode.run(flow.document())).output == ["2"]
        for environ, command_line in expression_processes():
            scan(environ + command_line)
            assert b"MAILNODE" not in environ


def expression_processes():
    """Environment and command line of those children of ours that evaluate expressions."""
    tasks = Path("/proc/self/task").iterdir()
    children = [Path("/proc") / pid for task in tasks for pid in (task / "children").read_text().split()]
    shown = [((one / "environ").read_bytes(), (one / "cmdline").read_bytes()) for one in children]
    ours = [one for one in shown if b"javascript.py" in one[1]]
    assert ours
    return ours


async def test_postgresql_keeps_none_in_the_clear(home, postgres_url, monkeypatch):
    import psycopg

    monkeypatch.setenv("MAILNODE_DATABASE_URL", postgres_url)
    async with token_endpoint() as endpoint, opened_site(home) as site:
        for kind in KINDS:
            await site.mailnode.connections.create(kind, kind, fields(kind, endpoint.url))
        endpoint.fail_next(refusal("invalid_grant", "no more"), times=3)
    with psycopg.connect(postgres_url) as database:
        tables = [name for (name,) in database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        assert "connections" in tables
        for table in tables:
            with database.cursor().copy(f'COPY "{table}" TO STDOUT') as copy:
                scan(b"".join(bytes(block) for block in copy))
    scan_files(home)
