"""What a run would send, and at which field a server fails, over HTTP."""

import json
from email import message_from_bytes, policy

import pytest

from support.flows import to_server
from support.web import opened_api


def mail(port, node="tell", when=None, **settings):
    condition = {"when": when} if when else {}
    return {"id": node, "type": "sendSmtpEmail", **condition, "settings": to_server(port, **settings)}


def draft(*nodes, **said):
    document = {"version": 1, "name": "test", "nodes": list(nodes)}
    return {"text": json.dumps(document), "format": "json", **said}


@pytest.fixture
def plan(api):
    async def planned(*nodes, **said):
        answer = await api.post("/api/preview/plan", json=draft(*nodes, **said))
        assert answer.status_code == 200, answer.text
        return answer.json()

    return planned


class TestPlan:
    async def test_tells_the_true_recipients_of_each_email_and_sends_none(self, site, plan):
        said = await plan(
            mail(site.inbox_port, to="{{ input.who }}", bcc="b@x.org", storeResult="context", resultKey="mail.first"),
            mail(2525, "other", when="{{ context.mail.first.status == 'sent' && input.vip }}"),
            mail(2525, "skipped", when="{{ !input.vip }}"),
            {"id": "set", "type": "setContext", "settings": {"key": "to", "value": "c@x.org"}},
            mail(2525, "last", to="{{ context.to }}", subject="For {{ context.mail.first.accepted[0] }}"),
            input={"who": "Zoe <zoe@x.org>", "vip": True},
        )
        assert said["errors"] == []
        assert [(one["node"], one["recipients"], one["isInbox"]) for one in said["emails"]] == [
            ("tell", ["zoe@x.org", "b@x.org"], True),
            ("other", ["jane@example.org"], False),
            ("last", ["c@x.org"], False),
        ]
        assert said["emails"][-1]["subject"] == "For zoe@x.org"
        assert said["isCertain"]
        assert site.inbox.messages() == []
        assert await site.mailnode.deliveries.list() == []

    async def test_tells_what_can_not_be_made_and_whether_the_run_goes_on(self, plan):
        lost, last = mail(25, subject="{{ input.no }} {{ input.none }}", content="{{ input.nix }}"), mail(25, "last")
        said = await plan(lost, last)
        first, second = said["emails"]
        assert (first["recipients"], {one["node"] for one in first["errors"]}) == ([], {"tell"})
        assert sorted(one["key"] for one in first["errors"]) == ["content", "subject", "subject"]
        assert second["recipients"] == ["jane@example.org"]
        lost["settings"]["stopOnError"] = True
        assert [one["node"] for one in (await plan(lost, last))["emails"]] == ["tell"]

    async def test_tells_what_halts_the_run_or_keeps_it_from_beginning(self, plan):
        (error,) = (await plan(mail(25, when="{{ input.no.more }}")))["errors"]
        assert (error["node"], error["key"]) == ("tell", "when")
        said = await plan(mail(99_999, to="nobody"), mail(25, "last"))
        assert {(one["node"], one["key"]) for one in said["errors"]} == {("tell", "smtp.port"), ("tell", "to")}
        assert said["emails"] == []

    async def test_names_who_gets_email_that_is_redirected(self, home, monkeypatch):
        monkeypatch.setenv("MAILNODE_REDIRECT_ALL_TO", "me@x.org")
        async with opened_api(home) as api:
            said = (await api.post("/api/preview/plan", json=draft(mail(25)))).json()
        assert said["emails"][0]["recipients"] == ["me@x.org"]


class TestInbox:
    async def test_gets_all_that_a_run_would_send_and_nobody_else_gets_it(self, api, site):
        nodes = [
            mail(1, to="a@x.org", storeResult="context", resultKey="first"),
            mail(1, "lost", subject="{{ input.no }}"),
            mail(1, "second", to="b@x.org", when="{{ context.first.accepted.length }}"),
        ]
        said = (await api.post("/api/preview/inbox", json=draft(*nodes))).json()
        assert [one["errors"] == [] for one in said["emails"]] == [True, False, True]
        received = [message_from_bytes(one.octets(), policy=policy.default)["To"] for one in site.inbox.messages()]
        assert sorted(received) == ["a@x.org", "b@x.org"]
        assert await site.mailnode.deliveries.list() == []


class TestServer:
    async def test_that_works_has_no_errors(self, api, site):
        said = (await api.post("/api/preview/server", json=draft(mail(site.inbox_port), node="tell"))).json()
        assert said == {"errors": [], "settings": None}

    async def test_a_wrong_port_is_told_at_the_port_with_settings_that_work(self, api, site):
        said = (await api.post("/api/preview/server", json=draft(mail(1), node="tell"))).json()
        (error,) = said["errors"]
        assert (error["key"], error["code"], error["node"]) == ("smtp.port", "connectFailed", "tell")
        assert said["settings"] == {"host": "127.0.0.1", "port": site.inbox_port, "tlsOption": "none"}

    async def test_a_wrong_tls_option_is_told_there(self, api, site):
        node = mail(site.inbox_port)
        node["settings"]["smtp"]["tlsOption"] = "tls"
        said = (await api.post("/api/preview/server", json=draft(node, node="tell"))).json()
        assert [one["key"] for one in said["errors"]] == ["smtp.tlsOption"]
        assert said["settings"]["tlsOption"] == "none"

    async def test_a_host_that_is_not_known_is_told_there(self, api):
        node = mail(25)
        node["settings"]["smtp"]["host"] = "nowhere.invalid"
        said = (await api.post("/api/preview/server", json=draft(node, node="tell"))).json()
        assert [one["key"] for one in said["errors"]] == ["smtp.host"]

    async def test_a_connection_that_is_not_there_is_told_at_the_connection(self, api):
        answer = await api.post("/api/preview/server", json=draft(mail(25, connection="lost"), node="tell"))
        error = answer.json()["error"]
        assert (answer.status_code, error["key"], error["node"]) == (422, "connection", "tell")
