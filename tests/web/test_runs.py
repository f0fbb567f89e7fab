"""Runs over HTTP, and their pages."""

import json
import re
from urllib.parse import quote

import pytest

from mailnode.web.json_safe import MOST_CHARACTERS, json_text, whole
from support.flows import to_server, write_flow
from support.hostile_markup import ALL_EVIL, EVIL, assert_only_our_markup

HALF = "\ud83d"


@pytest.fixture
def run(site, tmp_path):
    """Run a flow that says something."""

    async def ran(run_id, *, input=None, text="Hello {{ input.name }}", **node):  # noqa: A002 -- the flow's word
        flow = write_flow(tmp_path, {"id": "greet", "type": "say", "settings": {"text": text}, **node})
        return await site.mailnode.run(flow, input={"name": "Jane"} if input is None else input, run_id=run_id)

    return ran


class TestList:
    async def test_gives_the_latest_first_and_by_pages(self, api, run):
        for number in range(3):
            await run(f"run{number}")
        first = (await api.get("/api/runs?limit=2")).json()
        rest = (await api.get("/api/runs", params={"after": first["next"]})).json()
        assert sorted(one["run"] for one in first["runs"] + rest["runs"]) == ["run0", "run1", "run2"]
        assert (len(first["runs"]), rest["next"]) == (2, None)

    async def test_looks_for_flow_and_status(self, api, run):
        await run("good")
        await run("bad", input={})
        (found,) = (await api.get("/api/runs?status=halted&flow=test")).json()["runs"]
        assert (found["run"], found["status"], found["flow"]) == ("bad", "halted", "test")
        assert (await api.get("/api/runs?flow=other")).json()["runs"] == []
        assert (await api.get("/api/runs?status=gone")).status_code == 422


class TestOne:
    async def test_has_what_each_node_did_and_what_was_left(self, api, run):
        await run("one", input={"name": "Jane"})
        told = (await api.get("/api/runs/one")).json()
        assert (told["status"], told["input"], told["output"]) == ("done", {"name": "Jane"}, ["Hello Jane"])
        assert told["nodes"] == [{"id": "greet", "type": "say", "label": "greet", "status": "done"}]

    @pytest.mark.parametrize("run_id", ["a/b", "a b", "50%", "#1?x", "ä", "..a", EVIL[0]])
    async def test_may_have_any_id_that_can_be_printed(self, api, run, run_id):
        await run(run_id)
        link = f"/runs/{quote(run_id, safe='')}"
        assert f'href="{link}"' in (await api.get("/runs")).text
        assert (await api.get(f"/api{link}")).json()["run"] == run_id
        assert (await api.get(link)).status_code == 200

    async def test_that_is_not_there_is_404(self, api):
        for address in ("/api/runs/nowhere", "/api/runs/", "/runs/nowhere", f"/runs/{quote(ALL_EVIL)}"):
            answer = await api.get(address)
            assert answer.status_code == 404
            assert_only_our_markup(answer.text)

    async def test_is_told_as_it_is_though_its_state_is_strange(self, api, run):
        deep = json.loads('{"a":' * 400 + "1" + "}" * 400)
        await run("one", input={"name": HALF, "deep": deep}, text="Hello {{ input.name }}")
        told = json.loads((await api.get("/api/runs/one")).text)
        assert told["input"] == {"name": HALF, "deep": deep}
        assert (await api.get("/runs/one")).status_code == 200
        assert (await api.get("/runs")).status_code == 200

    async def test_says_the_worst_of_its_email_and_follows_what_comes_later(self, api, site, server, tmp_path, run):
        port = (await server({"RCPT": ["550 5.1.1 no such user"]})).port
        nodes = [
            {"id": name, "type": "sendSmtpEmail", "settings": to_server(to, **more)}
            for name, to, more in (
                ("good", site.inbox_port, {}),
                ("later", site.inbox_port, {"asynchronous": True}),
                ("bad", port, {}),
            )
        ]
        assert (await run("none")).mail is None
        for kinds, mail in ((nodes, "failed"), (nodes[:2], "queued"), (nodes[:1], "sent")):
            await api.post("/api/flows", json={"text": json.dumps({"version": 1, "name": mail, "nodes": kinds})})
            answer = await api.post(f"/api/flows/{mail}/runs", json={}, headers={"Idempotency-Key": mail})
            assert (answer.status_code, answer.json()["mail"]) == (200, mail)
        await site.mailnode.work(drain=True)
        assert (await api.get("/api/runs/queued")).json()["mail"] == "sent"
        listed = {one["run"]: one["mail"] for one in (await api.get("/api/runs")).json()["runs"]}
        assert listed == {"none": None, "failed": "failed", "queued": "sent", "sent": "sent"}
        again = await api.post("/api/flows/queued/runs", json={}, headers={"Idempotency-Key": "queued"})
        assert (again.json()["duplicate"], again.json()["mail"]) == (True, "sent")


class TestPages:
    async def test_say_what_to_do_where_there_is_nothing(self, api):
        assert "No runs yet" in (await api.get("/runs")).text
        assert "No matching runs" in (await api.get("/runs?status=halted")).text

    async def test_show_error_and_remedy_beside_the_node(self, api, run):
        await run("bad", input={})
        html = (await api.get("/runs/bad")).text
        assert "badge halted" in html
        assert re.search(r'id="node-greet".*noValue', html, re.DOTALL)
        assert "ive it a value" in html

    async def test_never_call_a_run_done_alone_whose_email_failed(self, api, site, server, tmp_path):
        port = (await server({"RCPT": ["550 5.1.1 no such user"]})).port
        await site.mailnode.run(write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": to_server(port)}))
        good = {"id": "b", "type": "sendSmtpEmail", "settings": to_server(site.inbox_port)}
        await site.mailnode.run(write_flow(tmp_path, good), run_id="good")
        html = (await api.get("/runs")).text
        assert '<span class="badge failed">Done, 1 email failed</span>' in html
        assert '<span class="badge done">Done</span>' in html
        assert "Accepted by 127.0.0.1 for jane@example.org." in (await api.get("/runs/good")).text

    async def test_lead_from_a_node_to_its_delivery(self, api, site, tmp_path):
        node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(site.inbox_port)}
        ran = await site.mailnode.run(write_flow(tmp_path, node), run_id="one")
        assert f'href="/deliveries/{ran.nodes[0].result["deliveryId"]}"' in (await api.get("/runs/one")).text

    async def test_renew_themselves_only_when_something_is_new(self, api, site, run, tmp_path):
        node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(1, asynchronous=True)}
        ran = await site.mailnode.run(write_flow(tmp_path, node), run_id="a/b")
        one = renewal((await api.get("/runs/a%2Fb")).text, "run")
        table = renewal((await api.get("/runs")).text, "runs")
        assert {(await api.get(again)).status_code for again in (one, table)} == {204}
        await site.mailnode.deliveries.cancel(ran.nodes[0].result["deliveryId"])
        answer = await api.get(one)
        assert "badge cancelled" in answer.text
        assert "hx-get" not in answer.text  # it will not change
        assert "badge cancelled" in (await api.get(table)).text

    async def test_show_what_strangers_say_as_text(self, api, site, run, tmp_path, server):
        await run(EVIL[0], input={"name": ALL_EVIL, ALL_EVIL: ALL_EVIL}, label=ALL_EVIL)
        await run(EVIL[1], input={}, text=f"{{{{ input.name }}}} {EVIL[0]}", label=EVIL[2])
        port = (await server({"RCPT": [f"550 {ALL_EVIL}"]})).port
        node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port)}
        await site.mailnode.run(write_flow(tmp_path, node), run_id="refused")
        pages = ["/runs", "/runs/refused", *(f"/runs/{quote(text, safe='')}" for text in EVIL[:2])]
        pages += [f"/runs?{name}={quote(text)}" for name in ("flow", "status", "after") for text in EVIL]
        for address in pages:
            assert_only_our_markup((await api.get(address)).text)


class TestStrangeValues:
    def test_half_a_character_is_replaced_and_a_whole_one_is_not(self):
        assert whole({HALF: [HALF, "\U0001f600"]}) == {"\ufffd": ["\ufffd", "\U0001f600"]}

    def test_a_long_text_is_cut_and_says_so(self):
        for value in ("x" * (MOST_CHARACTERS + 8), ["x"] * MOST_CHARACTERS):
            assert json_text(value).endswith("\n… and more")
            assert len(json_text(value)) < MOST_CHARACTERS + 20
        assert json_text(["x"]) == '[\n  "x"\n]'

    def test_of_a_long_one_the_beginning_alone_is_written(self):
        never_ends = [[0] * 1_000] * 1_000_000
        assert json_text(never_ends).endswith("\n… and more")

    def test_depth_has_no_end(self):
        deep = json.loads("[" * 700 + "]" * 700)
        assert json_text(deep).startswith("[")


def renewal(html, part):
    found = re.search(rf'<div id="{part}" class="live stack" hx-get="([^"]+)"', html)
    assert found is not None
    return found[1].replace("&amp;", "&")
