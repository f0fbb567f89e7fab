"""Flows over HTTP: kept, checked, previewed, tested, run."""

import json
import os
import re
import time
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from mailnode.flow.stored_files import StoredFiles
from mailnode.web.api import plain_run
from mailnode.web.api.flow_runs import run_flow
from mailnode.web.pages import flows as flows_page

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(site):
    text = (EXAMPLES / "order-shipped.flow.yaml").read_text()
    return text.replace("port: 1025", f"port: {site.inbox_port}").replace(
        '        - {type: url, url: "{{ input.invoiceUrl }}"}\n', ""
    )


@pytest.fixture
def sample():
    input_ = json.loads((EXAMPLES / "order-shipped.input.json").read_text())
    return {"input": input_, "context": {"order": {"total": 59.9}}}


async def made(api, name="hello"):
    answer = await api.post("/api/flows", json={"name": name, "sender": "me@example.com"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def problem(answer, status=422):
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


class TestKeeping:
    async def test_a_flow_is_made_listed_copied_saved_renamed_and_deleted(self, api, site):
        flow = await made(api)
        assert flow["errors"] == []
        copy = (await api.post("/api/flows", json={"name": "copy", "copyOf": "hello"})).json()
        assert [one["name"] for one in (await api.get("/api/flows")).json()] == ["copy", "hello"]
        document = {**copy["document"], "name": "renamed"}
        said = {"text": copy["text"], "document": document, "revision": copy["revision"]}
        saved = await api.put("/api/flows/copy", json=said)
        assert saved.json()["name"] == "renamed"
        assert sorted(path.name for path in site.flow_files.folder.iterdir() if path.suffix == ".yaml") == [
            "hello.flow.yaml",
            "renamed.flow.yaml",
        ]
        assert (await api.delete("/api/flows/renamed")).status_code == 204
        assert problem(await api.get("/api/flows/renamed"), 404)["code"] == "unknownFlow"

    async def test_the_last_changed_comes_first_and_names_are_searched_by_words(self, api, site):
        for at, name in enumerate(("order-shipped", "Invoice", "order-paid")):
            await made(api, name)
            os.utime(site.flow_files.path(name), (at, at))
        (site.flow_files.folder / "no name!.flow.yaml").touch()
        for search, names in (
            ("", ["order-paid", "Invoice", "order-shipped"]),
            ("ORDER", ["order-paid", "order-shipped"]),
            ("ship order", ["order-shipped"]),
            ("nothing", []),
        ):
            answer = await api.get("/api/flows", params={"search": search})
            assert [one["name"] for one in answer.json()] == names
            page = (await api.get("/flows", params={"search": search})).text
            assert re.findall(r'data-flow="([\w-]+)"', page) == names
        assert "No matching flows" in page

    async def test_the_page_reads_no_more_flows_than_it_shows(self, api, site, monkeypatch):
        for name in "abc":
            await made(api, name)
        monkeypatch.setattr(flows_page, "AT_ONCE", 2)
        first = (await api.get("/flows")).text
        assert 'href="/flows?after=2"' in first
        second = (await api.get("/flows?after=2")).text
        assert sorted(re.findall(r'data-flow="(\w)"', first) + re.findall(r'data-flow="(\w)"', second)) == [
            "a",
            "b",
            "c",
        ]
        assert "Next page" not in second

    async def test_it_is_renamed_with_its_file_and_its_sample(self, api, site):
        await made(api)
        await made(api, "other")
        await api.put("/api/flows/hello/sample", json={"input": {"a": 1}, "context": {}})
        told = problem(await api.post("/api/flows/hello/rename", json={"name": "other"}), 409)
        assert told["key"] == "name"
        problem(await api.post("/api/flows/hello/rename", json={"name": "../x"}))
        problem(await api.post("/api/flows/gone/rename", json={"name": "x"}), 404)
        renamed = (await api.post("/api/flows/hello/rename", json={"name": "again"})).json()
        assert (renamed["name"], renamed["document"]["name"], renamed["sample"]["input"]) == (
            "again",
            "again",
            {"a": 1},
        )
        assert [one.name for one in site.flow_files.flows()] == ["again", "other"]

    async def test_flows_are_in_folders_and_move_between_them(self, api, site):
        top = site.flow_files.folder
        flow = await made(api, "marketing/welcome")
        await made(api, "plain")
        assert flow["document"]["name"] == flow["name"] == "marketing/welcome"
        assert (top / "marketing/welcome.flow.yaml").is_file()
        assert (await api.put("/api/flows/marketing/welcome/sample", json={"input": {"a": 1}})).status_code == 200
        for address in ("/api/flows/marketing/welcome", "/api/flows/marketing%2Fwelcome"):
            assert (await api.get(address)).json()["sample"]["input"] == {"a": 1}
        assert "marketing/welcome" in (await api.get("/flows/marketing/welcome")).text
        assert "name: marketing/welcome" in (await api.get("/api/flows/marketing/welcome/file")).text
        run = (await api.post("/api/flows/marketing/welcome/runs", json={})).json()
        assert run["status"] == "done"
        for query, count in (("flow=marketing/welcome", 1), ("flow=welcome", 0)):
            assert len((await api.get(f"/api/runs?{query}")).json()["runs"]) == count
            assert len((await api.get(f"/api/deliveries?{query}")).json()["deliveries"]) == count
        assert [one["name"] for one in (await api.get("/api/flows?folder=marketing")).json()] == ["marketing/welcome"]
        assert '<option value="marketing" selected>' in (await api.get("/flows?folder=marketing")).text
        moved = (await api.post("/api/flows/marketing/welcome/rename", json={"name": "news/2026/hello"})).json()
        assert (moved["name"], moved["sample"]["input"]) == ("news/2026/hello", {"a": 1})
        assert not (top / "marketing").exists()
        assert (await api.delete("/api/flows/news/2026/hello")).status_code == 204
        assert not (top / "news").exists()
        assert problem(await api.post("/api/flows", json={"name": "plain/runs"}))["key"] == "name"

    async def test_files_and_layouts_are_those_at_the_top_whatever_folder_a_flow_is_in(self, api, site):
        await made(api, "news/hello")
        stored = await api.post("/api/flows/news/hello/files?filename=a.txt", content=b"for all")
        path = stored.json()["path"]
        assert (site.flow_files.folder / path).read_bytes() == b"for all"
        assert (await api.get(f"/api/flows/news/hello/{path}")).content == b"for all"
        flow = (await api.get("/api/flows/news/hello")).json()
        flow["document"]["nodes"][0]["settings"]["attachments"] = [{"type": "file", "path": path}]
        saved = await api.put(
            "/api/flows/news/hello", json={key: flow[key] for key in ("text", "document", "revision")}
        )
        assert saved.json()["errors"] == []
        run = (await api.post("/api/flows/news/hello/runs", json={})).json()
        assert run["nodes"][0]["result"]["status"] == "sent", run
        assert site.inbox.messages()[-1].attachments[0].octets == b"for all"
        # A flow in a folder keeps its files.
        old = time.time() - 40 * 86_400
        os.utime(site.flow_files.folder / path, (old, old))
        (site.flow_files.folder / "files/.swept").touch()
        assert StoredFiles(site.flow_files.folder).sweep() == []
        exported = await api.get("/api/flows/news/hello/export")
        assert exported.headers["content-disposition"] == 'attachment; filename="hello.zip"'
        await api.delete("/api/flows/news/hello")
        assert (await api.post("/api/flows/import", content=exported.content)).json()["name"] == "news/hello"

    async def test_a_file_that_a_person_put_into_a_folder_stays_where_it_is(self, api, site, tmp_path):
        flow = await made(api, "hello")
        folder = site.flow_files.folder / "theirs"
        folder.mkdir()
        site.flow_files.path("hello").rename(folder / "hello.flow.yaml")
        text = flow["text"].replace("Hello!", "Hi!")
        saved = (await api.put("/api/flows/theirs/hello", json={"text": text, "revision": flow["revision"]})).json()
        assert saved["name"] == "theirs/hello"
        assert (folder / "hello.flow.yaml").read_text() == text
        (site.flow_files.folder / "linked").symlink_to(tmp_path)
        assert "is a link" in problem(await api.post("/api/flows", json={"name": "linked/x"}))["message"]
        (tmp_path / "y.flow.yaml").write_text(text)
        problem(await api.get("/api/flows/linked/y"), 404)
        assert [one["name"] for one in (await api.get("/api/flows")).json()] == ["theirs/hello"]

    async def test_a_new_flow_has_no_sender_that_nobody_chose(self, api):
        flow = (await api.post("/api/flows", json={"name": "hello"})).json()
        assert "from" not in flow["document"]["nodes"][0]["settings"]
        told = (await api.post("/api/preview", json={"text": flow["text"], "input": {}, "context": {}})).json()[
            "errors"
        ]
        assert [(one["key"], one["message"]) for one in told] == [("from", "The email has no sender.")]
        flow = await made(api, "other")
        assert flow["document"]["nodes"][0]["settings"]["from"] == "me@example.com"

    async def test_comments_and_order_survive_the_form(self, api, example):
        flow = (await api.post("/api/flows", json={"text": example})).json()
        flow["document"]["nodes"][1]["settings"]["subject"] = "Another subject"
        flow["document"]["nodes"][1]["settings"]["smtp"]["tlsOption"] = "starttls"
        said = {"text": flow["text"], "document": flow["document"], "revision": flow["revision"]}
        saved = (await api.put(f"/api/flows/{flow['name']}", json=said)).json()
        before, after = example.splitlines(), saved["text"].splitlines()
        changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        assert [new.strip() for _, new in changed] == [
            changed[0][0].strip().replace("none", "starttls"),
            'subject: "Another subject"',
        ]
        assert saved["document"] == flow["document"]

    async def test_who_saves_over_another_s_change_is_told(self, api):
        flow = await made(api)
        said = {"text": flow["text"].replace("Hello", "Mine"), "revision": flow["revision"]}
        assert (await api.put("/api/flows/hello", json=said)).status_code == 200
        told = problem(await api.put("/api/flows/hello", json=said), 409)
        assert told["code"] == "flowConflict"

    async def test_two_flows_have_two_names(self, api):
        await made(api)
        told = problem(await api.post("/api/flows", json={"name": "hello", "sender": "me@example.com"}), 409)
        assert told["key"] == "name"

    @pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, "é", "a//b", ".hidden", "a\n"])
    async def test_a_name_that_is_none_is_refused_beside_its_field(self, api, site, name):
        told = problem(await api.post("/api/flows", json={"name": name, "sender": "me@example.com"}))
        assert told["key"] == "name"
        assert not site.flow_files.folder.exists() or list(site.flow_files.folder.iterdir()) == []

    async def test_what_is_no_flow_is_not_saved_and_its_line_is_named(self, api):
        flow = await made(api)
        said = {"text": flow["text"] + "  oops: [", "revision": flow["revision"]}
        told = problem(await api.put("/api/flows/hello", json=said))
        assert told["line"] > 1
        assert (await api.get("/api/flows/hello")).json()["text"] == flow["text"]

    async def test_wrong_settings_may_be_saved_and_all_of_them_are_told(self, api):
        flow = await made(api)
        settings = flow["document"]["nodes"][0]["settings"]
        settings |= {"to": "nobody", "priority": "urgent", "resultKey": "1x", "timeoutSeconds": 0, "colour": "red"}
        settings["smtp"]["port"] = "many"
        settings["attachments"] = [{"type": "text", "content": "a"}, {"type": "url", "url": "{{ x", "filename": 7}]
        said = {"text": flow["text"], "document": flow["document"], "revision": flow["revision"]}
        saved = (await api.put("/api/flows/hello", json=said)).json()
        keys = {error["key"] for error in saved["errors"]}
        attachments = {"attachments[0].filename", "attachments[1].url", "attachments[1].filename"}
        assert keys == {"to", "priority", "resultKey", "timeoutSeconds", "colour", "smtp.port"} | attachments
        assert all(error["node"] == "send-email" and error["line"] and error["hint"] for error in saved["errors"])
        (listed,) = (await api.get("/api/flows")).json()
        assert listed["trouble"]

    async def test_json_flows_stay_json(self, api, site):
        text = json.dumps({"version": 1, "name": "j", "nodes": [{"id": "a", "type": "say", "settings": {"text": "é"}}]})
        flow = (await api.post("/api/flows", json={"text": text, "format": "json"})).json()
        flow["document"]["nodes"][0]["settings"]["text"] = "ü"
        said = {"text": flow["text"], "document": flow["document"], "revision": flow["revision"]}
        saved = await api.put("/api/flows/j", json=said)
        assert json.loads((site.flow_files.folder / "j.flow.json").read_text()) == saved.json()["document"]

    async def test_a_file_leaves_as_it_is(self, api, example):
        await api.post("/api/flows", json={"text": example})
        answer = await api.get("/api/flows/order-shipped/file")
        assert answer.text == example
        assert answer.headers["Content-Disposition"] == 'attachment; filename="order-shipped.flow.yaml"'

    async def test_samples_are_kept_and_travel_with_the_flow(self, api):
        await made(api)
        assert (await api.put("/api/flows/hello/sample", json={"input": {"a": 1}})).status_code == 200
        await api.post("/api/flows", json={"name": "copy", "copyOf": "hello"})
        assert (await api.get("/api/flows/copy")).json()["sample"] == {"input": {"a": 1}, "context": {}}

    async def test_a_folder_that_can_t_be_written_is_told(self, api, site):
        site.flow_files.folder.parent.mkdir(exist_ok=True)
        site.flow_files.folder.write_text("a file")
        told = problem(await api.post("/api/flows", json={"name": "hello", "sender": "me@example.com"}))
        assert str(site.flow_files.folder) in told["message"]


class TestPreview:
    async def test_the_mail_is_the_one_that_a_run_sends(self, api, site, example, sample):
        shown = (await api.post("/api/preview", json={"text": example, **sample})).json()["preview"]
        await api.post("/api/flows", json={"text": example})
        await api.put("/api/flows/order-shipped/sample", json=sample)
        assert (await api.post("/api/flows/order-shipped/runs", json={"input": sample["input"]})).json()[
            "status"
        ] == "done"
        sent = message_from_bytes(site.inbox.messages()[0].octets(), policy=policy.default)
        octets = (await api.get(shown["message"])).content
        preview = message_from_bytes(octets, policy=policy.default)
        assert shown["size"] == len(octets)
        assert [part.get_content_type() for part in sent.walk()] == [part.get_content_type() for part in preview.walk()]
        for name in ("From", "To", "Cc", "Subject", "Reply-To", "Importance"):
            assert sent[name] == preview[name]
        assert shown["recipients"] == ["zoe@example.org", "orders@example.com", "archive@example.com"]
        assert "Dear Zoë" in shown["text"]

    async def test_the_frame_shows_inline_images_and_runs_nothing(self, api, example, sample):
        evil = example.replace("<h1>", "<script>alert(1)</script><h1 onclick=alert(1)>")
        shown = (await api.post("/api/preview", json={"text": evil, **sample})).json()["preview"]
        frame = await api.get(shown["html"])
        assert "sandbox" in frame.headers["Content-Security-Policy"]
        assert 'src="data:image/png;base64,' in frame.text
        assert "script" not in frame.text
        assert "onclick" not in frame.text
        dark = await api.get(shown["html"] + "?dark=true")
        assert "color-scheme: dark" in dark.text

    async def test_what_keeps_it_from_being_made_is_told_with_node_and_key(self, api, example):
        told = (await api.post("/api/preview", json={"text": example, "input": {}})).json()
        assert told["preview"] is None
        assert {(error["node"], error["code"]) for error in told["errors"]} == {("tell-customer", "noValue")}
        assert {error["key"] for error in told["errors"]} >= {
            "to",
            "subject",
            "content",
        }  # all of them, each in its line
        assert len({error["line"] for error in told["errors"]}) > 1

    async def test_advice_does_not_keep_it_from_being_made(self, api):
        flow = await made(api)
        settings = flow["document"]["nodes"][0]["settings"]
        settings["content"] = '<p><img src="cid:no"></p><a href="#">x</a><a href="www.example.com">y</a>'
        settings["subject"] = ""
        told = (await api.post("/api/preview", json={"text": flow["text"], "document": flow["document"]})).json()
        warnings = " ".join(told["preview"]["warnings"])
        for words in ("subject is empty", "without alt", "cid:no has no attachment", "leads nowhere", "https://"):
            assert words in warnings

    async def test_a_preview_that_is_gone_is_said_to_be(self, api):
        assert (await api.get("/api/preview/nothing/html")).status_code == 404


class TestTrying:
    async def test_a_test_to_the_inbox_arrives_there_whatever_the_server_is(self, api, site):
        flow = await made(api)
        flow["document"]["nodes"][0]["settings"]["smtp"]["port"] = 1
        said = {"text": flow["text"], "document": flow["document"], "to": "inbox"}
        assert (await api.post("/api/preview/test", json=said)).json()["status"] == "sent"
        assert site.inbox.messages()[0].rcpt_to == ("you@example.org",)

    async def test_a_test_to_an_address_goes_by_the_node_s_server_to_it_alone(self, api, site):
        flow = await made(api)
        settings = flow["document"]["nodes"][0]["settings"]
        settings |= {"idempotencyKey": "once", "asynchronous": True, "storeResult": "context", "resultKey": "m"}
        said = {"text": flow["text"], "document": flow["document"], "to": "me@example.net"}
        for _ in range(2):
            result = (await api.post("/api/preview/test", json=said)).json()
            assert result["status"] == "sent"
        assert [one.rcpt_to for one in site.inbox.messages()] == [("me@example.net",)] * 2

    async def test_a_server_that_is_not_there_is_told_with_its_remedy(self, api):
        flow = await made(api)
        flow["document"]["nodes"][0]["settings"]["smtp"]["port"] = 1
        said = {"text": flow["text"], "document": flow["document"], "to": "me@example.net"}
        result = (await api.post("/api/preview/test", json=said)).json()
        assert result["status"] == "failed"
        assert "check host and port" in result["error"]["hint"]

    async def test_an_address_that_is_none_is_refused(self, api):
        flow = await made(api)
        told = problem(await api.post("/api/preview/test", json={"text": flow["text"], "to": "a@b, c@d"}))
        assert told["code"] == "badMailbox"

    async def test_the_idempotency_key_is_the_run_s_id(self, api, site):
        await made(api)
        headers = {"Idempotency-Key": "order-1"}
        first = (await api.post("/api/flows/hello/runs", json={}, headers=headers)).json()
        again = (await api.post("/api/flows/hello/runs", json={}, headers=headers)).json()
        assert first["run"] == again["run"] == "order-1"
        assert again["duplicate"]
        assert len(site.inbox.messages()) == 1
        told = problem(await api.post("/api/flows/hello/runs", json={"input": {"a": 1}}, headers=headers), 409)
        assert told["code"] == "keyInUse"


BODIES = [
    b"{}",
    b'{"input": {"a": [1.5, null, "\\ud83d", "\\u00e9", 12345678901234567890123]}, "context": {"b": {}}}',
    b'{"input": {"a": NaN}}',
    b'{"input": {"a": 1}, "input": {"a": 2}}',
    b"",
    b"[]",
    b"null",
    b'{"input": []}',
    b'{"input": {}, "more": 1}',
    b'{"input": ',
    b'{"input": {"a": "\xff"}}',
    b'\xef\xbb\xbf{"input": {"a": 1}}',
    '{"input": {"a": "é"}}'.encode("utf-16"),
    b'{"input": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}",
    b'{"input": ' + b"[" * 100_000,
]


@pytest.mark.parametrize("path", ["/api/flows/greet/runs", "/api/flows/nothing/runs", "/api/flows/a%2Fb/runs"])
async def test_a_run_is_asked_for_alike_whether_its_request_is_read_on_the_short_way_or_not(api, path):
    node = {"id": "a", "type": "say", "settings": {"text": "{{ input.a }}"}}
    await api.post("/api/flows", json={"text": json.dumps({"version": 1, "name": "greet", "nodes": [node]})})
    for body in BODIES:
        for more in ({}, {"Idempotency-Key": "order 1"}, {"Idempotency-Key": b"\xff"}, {"Idempotency-Key": ""}):
            short, long = [
                await api.post(path, content=body, headers={"Content-Type": f"application/{kind}", **more})
                for kind in ("json", "x+json")
            ]
            told = [re.sub(rb'"run":"\w{32}"|"duplicate":true,', b"", answer.content) for answer in (short, long)]
            assert (short.status_code, told[0]) == (long.status_code, told[1]), (body[:40], more)
            assert [name for name, _ in short.headers.raw] == [name for name, _ in long.headers.raw]


async def test_the_short_way_is_the_ordinary_one(api, monkeypatch):
    asked = []

    async def run(site, name, *rest):
        asked.append(name)
        return await run_flow(site, name, *rest)

    monkeypatch.setattr(plain_run, "run_flow", run)
    await made(api)
    for kind in ("application/json", "Application/JSON; charset=utf-8", "application/x+json"):
        answer = await api.post("/api/flows/hello/runs", content=b"{}", headers={"Content-Type": kind})
        assert answer.json()["status"] == "done"
    assert asked == ["hello", "hello"]


async def test_a_run_that_nobody_waits_for_is_accepted_shown_and_run_once(api, site):
    node = {"id": "a", "type": "say", "settings": {"text": "Hello {{ input.a }}"}}
    await api.post("/api/flows", json={"text": json.dumps({"version": 1, "name": "greet", "nodes": [node]})})

    async def ask(wait, name="greet", key="order/1 ä", a="you"):
        headers = {"Idempotency-Key": key.encode()}
        return await api.post(f"/api/flows/{name}/runs?wait={wait}", json={"input": {"a": a}}, headers=headers)

    accepted = await ask("false")
    assert (accepted.status_code, accepted.headers["location"]) == (202, "/api/runs/order%2F1%20%C3%A4")
    assert accepted.json() == {"run": "order/1 ä", "flow": "greet", "status": "running"}
    assert "The run is in progress" in (await api.get("/runs/order%2F1%20%C3%A4")).text
    assert (await ask("false")).json() == {**accepted.json(), "duplicate": True}
    wrong = [
        await ask("false", a="me"),
        await ask("false", name="no"),
        await ask("maybe"),
        await ask("false", key="\t"),
    ]
    assert [one.status_code for one in wrong] == [409, 404, 422, 422]
    await site.mailnode.work(drain=True)
    assert (await api.get(accepted.headers["location"])).json()["output"] == ["Hello you"]
    assert (await ask("true")).json()["duplicate"]
    again = await ask("false")
    assert (again.status_code, again.json()["status"]) == (202, "done")


async def test_metrics_count_what_is_there(api):
    await made(api)
    await api.post("/api/flows/hello/runs", json={})
    text = (await api.get("/metrics")).text
    assert 'mailnode_deliveries{state="sent"} 1' in text
    assert "mailnode_flows 1" in text


async def test_a_snapshot_takes_flows_and_brings_them_back(api):
    flow = await made(api)
    in_folder = await made(api, "news/hello")
    secret = {"name": "before", "passphrase": "correct horse battery staple"}
    answer = await api.post("/api/snapshots", json=secret)
    assert answer.json()["flows"] == ["hello.flow.yaml", "news/hello.flow.yaml"], answer.text
    assert [one["name"] for one in (await api.get("/api/snapshots")).json()] == ["before"]
    for name in ("hello", "news/hello"):
        await api.delete(f"/api/flows/{name}")
    opening = {"passphrase": secret["passphrase"]}
    planned = (await api.post("/api/snapshots/before/plan", json=opening)).json()
    assert planned["flows"] == {"hello.flow.yaml": "new", "news/hello.flow.yaml": "new"}
    assert (await api.post("/api/snapshots/before/restore", json=opening)).status_code == 200
    assert (await api.get("/api/flows/hello")).json()["text"] == flow["text"]
    assert (await api.get("/api/flows/news/hello")).json()["text"] == in_folder["text"]
    wrong = await api.post("/api/snapshots/before/plan", json={"passphrase": "wrong"})
    assert wrong.status_code == 422
    assert "wrong" not in wrong.json()["error"]["message"].replace("the passphrase is wrong", "")


@pytest.mark.parametrize("depth", [70, 300, 950, 30_000])
@pytest.mark.parametrize(("opening", "end"), [("[", "]"), ('{"a":', "}")])
async def test_what_is_nested_too_deep_is_an_error_like_others(api, depth, opening, end):
    await made(api)
    deep = opening * depth + "1" + end * depth
    nodes = f'[{{"id":"a","type":"say","settings":{{"text":{deep}}}}}]'
    document = f'{{"version":1,"name":"x","nodes":{nodes}}}'
    bodies = {
        "/api/flows/check": f'{{"text":"","document":{document}}}',
        "/api/preview": f'{{"text":"","document":{document}}}',
        "/api/flows/hello/runs": f'{{"input":{{"a":{deep}}}}}',
        "/api/connections": f'{{"name":"a","type":"basic","dkim":{deep}}}',
    }
    for path, body in bodies.items():
        answer = await api.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}, path
        assert answer.json()["error"]["message"]
