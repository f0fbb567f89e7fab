"""Deliveries over HTTP, and their pages."""

import asyncio
import json
import re
import threading
from datetime import datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx2
import pytest
from playwright.sync_api import expect

from mailnode.flow.document import parse_flow
from support.damaged_rows import CONTENT_DAMAGES, DAMAGES, damage
from support.flows import to_server, write_flow
from support.hostile_markup import ALL_EVIL, EVIL, assert_only_our_markup
from support.scripted_smtp import DROP, HOLD, TAKE, USUAL, ScriptedServer

NO = {"RCPT TO:<no@": [f"550 5.1.1 no such user {ALL_EVIL}"]}


@pytest.fixture
def send(site, tmp_path):
    """Send a mail by a flow, and give the id of its delivery."""

    async def sent(port=None, **settings):
        run_id = settings.pop("run_id", None)
        node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port or site.inbox_port, **settings)}
        run = await site.mailnode.run(write_flow(tmp_path, node), run_id=run_id)
        return run.nodes[0].result["deliveryId"]

    return sent


@pytest.fixture
def queue(send):
    """Queue a mail to a port where nobody listens."""

    async def queued(**settings):
        return await send(1, asynchronous=True, **settings)

    return queued


def problem(answer, status):
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


class TestList:
    async def test_gives_the_latest_first_and_by_pages(self, api, send):
        ids = [await send() for _ in range(3)]
        first = (await api.get("/api/deliveries?limit=2")).json()
        rest = (await api.get("/api/deliveries", params={"limit": 2, "after": first["next"]})).json()
        found = [one["deliveryId"] for one in first["deliveries"] + rest["deliveries"]]
        assert sorted(found) == sorted(ids)
        assert (len(first["deliveries"]), rest["next"]) == (2, None)

    async def test_tells_of_each_what_a_table_shows(self, api, send):
        one = await send(run_id="order-1")
        (told,) = (await api.get("/api/deliveries")).json()["deliveries"]
        assert (told["deliveryId"], told["state"], told["run"], told["node"]) == (one, "sent", "order-1", "tell")
        assert (told["from"], told["to"], told["attempts"]) == ("shop@example.com", ["jane@example.org"], 1)

    @pytest.mark.parametrize(
        ("query", "fits"),
        [
            ("state=sent", True),
            ("state=failed", False),
            ("state=failed&state=sent", True),
            ("recipient=JANE", True),
            ("recipient=john", False),
            ("run=order-1", True),
            ("run=order", False),
            ("flow=test", True),
            ("flow=tes", False),
            ("subject=hi", True),
            ("subject=hoi&state=sent", False),
            ("since=1&until=99999999999999", True),
            ("until=1", False),
            ("connection=", True),
            ("connection=shop", False),
        ],
    )
    async def test_looks_for_what_is_wanted(self, api, send, query, fits):
        await send(run_id="order-1")
        assert bool((await api.get(f"/api/deliveries?{query}")).json()["deliveries"]) is fits

    @pytest.mark.parametrize("query", ["state=gone", "limit=0", "limit=501", "after=x", "since=x", "stat=sent"])
    async def test_says_what_can_not_be_looked_for(self, api, query):
        problem(await api.get(f"/api/deliveries?{query}"), 422)


class TestOne:
    async def test_is_told_with_every_attempt_and_its_remedy(self, api, send, server):
        port = (await server(NO)).port
        one = await send(port, to="no@y.example, yes@y.example")
        told = (await api.get(f"/api/deliveries/{one[:8]}")).json()
        assert (told["state"], told["deliveryId"]) == ("partial", one)
        assert [(each["address"], each["status"]) for each in told["recipients"]] == [
            ("no@y.example", "refused"),
            ("yes@y.example", "accepted"),
        ]
        (attempt,) = told["attempts"]
        assert (attempt["phase"], attempt["replyCode"]) == ("rcpt", 550)
        assert attempt["hint"] == told["hint"] == "check the recipient's address: the server knows no such mailbox"
        assert "C: RCPT TO:<no@y.example>" in attempt["dialogue"]
        assert told["result"]["status"] == "partial"

    @pytest.mark.parametrize("which", ["nowhere", "a%2Fb", quote(EVIL[0])])
    async def test_that_is_not_there_is_404(self, api, which):
        assert (await api.get(f"/api/deliveries/{which}")).status_code == 404
        assert_only_our_markup((await api.get(f"/deliveries/{which}")).text)


class TestRetry:
    async def test_puts_it_into_the_queue(self, api, send, server):
        port = (await server(NO)).port
        one = await send(port, to="no@y.example")
        told = (await api.post(f"/api/deliveries/{one}/retry")).json()
        assert (told["state"], told["result"]) == ("queued", None)

    async def test_of_one_in_doubt_wants_somebody_to_be_sure(self, api, send, server):
        port = (await server({"dot": [DROP]})).port
        one = await send(port, onUnknown="hold")
        told = problem(await api.post(f"/api/deliveries/{one}/retry", json={"isSure": False}), 409)
        assert told["code"] == "unknownOutcome"
        assert "isSure" in told["hint"]
        assert "--yes" not in told["hint"]
        sure = await api.post(f"/api/deliveries/{one}/retry", json={"isSure": True})
        assert sure.json()["state"] == "queued"

    async def test_of_one_that_was_sent_is_refused(self, api, send):
        assert "was sent" in problem(await api.post(f"/api/deliveries/{await send()}/retry"), 422)["message"]

    async def test_of_nothing_is_404(self, api):
        problem(await api.post("/api/deliveries/nowhere/retry"), 404)


class TestManyAtOnce:
    async def test_all_that_match_are_found_retried_and_cancelled_as_each_alone(self, api, send, queue, server):
        sent, left = await send(), [await queue(subject=f"Order {number}") for number in range(3)]
        held = await send((await server({"dot": [DROP]})).port, onUnknown="hold")
        refused = await send((await server(NO)).port, to="no@y.example")
        flow = (await api.get(f"/api/deliveries/{sent}")).json()["flow"]
        told = (await api.post("/api/deliveries/retry", json={"flow": flow, "dryRun": True})).json()
        assert (sorted(told["deliveryIds"]), told["more"]) == (sorted([*left, held, refused]), False)
        told = (await api.post("/api/deliveries/retry", json={"state": ["failed", "held"]})).json()
        assert told["deliveryIds"] == [refused]
        assert [(one["deliveryId"], one["error"]["code"]) for one in told["refused"]] == [(held, "unknownOutcome")]
        told = (
            await api.post("/api/deliveries/retry", json={"deliveryIds": [held, sent, "gone"], "isSure": True})
        ).json()
        assert told["deliveryIds"] == [held]
        assert [one["deliveryId"] for one in told["refused"]] == [sent, "gone"]
        assert "was sent" in told["refused"][0]["error"]["message"]
        assert told["refused"][1]["error"]["code"] == "unknownDelivery"
        told = (await api.post("/api/deliveries/cancel", json={"subject": "order", "limit": 2})).json()
        assert (told["deliveryIds"], told["refused"], told["more"]) == ([left[2], left[1]], [], True)
        assert (await api.get("/api/deliveries?state=cancelled")).json()["deliveries"][0]["deliveryId"] == left[2]
        told = (await api.post("/api/deliveries/retry", json={"subject": "order", "dryRun": True})).json()
        assert told["deliveryIds"] == [left[0]]
        told = (await api.post("/api/deliveries/retry", json={"state": ["cancelled"], "dryRun": True})).json()
        assert told["deliveryIds"] == [left[2], left[1]]

    @pytest.mark.parametrize("body", [{}, {"stat": ["failed"]}, {"deliveryIds": ["a"], "flow": "f"}, {"state": []}])
    @pytest.mark.parametrize("action", ["retry", "cancel"])
    async def test_nothing_is_done_to_all_by_mistake(self, api, queue, action, body):
        one = await queue()
        problem(await api.post(f"/api/deliveries/{action}", json=body), 422)
        assert (await api.get(f"/api/deliveries/{one}")).json()["state"] == "queued"

    async def test_the_page_asks_with_a_count_and_tells_what_it_did(self, api, send, queue):
        left = [await queue(subject=f"Order {number}") for number in range(3)]
        sent = await send()
        asked = (await api.post("/deliveries/ask/cancel", data={"subject": "order", "hours": "24"})).text
        assert "Cancel 3 emails?" in asked
        asked = (await api.post("/deliveries/ask/retry", data={"id": [left[0], sent], "subject": "nothing"})).text
        assert "Send 1 email again?" in asked
        assert "1 of those that you chose is left out" in asked
        assert "No email to cancel" in (await api.post("/deliveries/ask/cancel", data={"state": "sent"})).text
        done = (await api.post("/deliveries/all/cancel", data={"ids": " ".join([*left, sent])})).text
        assert "3 emails are cancelled" in done
        assert f'href="/deliveries/{sent}"' in done
        assert "has already ended: sent" in done

    async def test_days_are_those_of_the_reader(self, api, queue):
        one = await queue()
        created = (await api.get(f"/api/deliveries/{one}")).json()["createdAt"] / 1000
        for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "America", "../x", ""):
            known = zone.startswith("Pacific")
            day = datetime.fromtimestamp(created, ZoneInfo(zone) if known else None).date()
            for since, until, fits in ((0, 0, True), (1, 1, False), (-1, -1, False), (-2, 3, True)):
                days = {"since": f"{day + timedelta(since)}", "until": f"{day + timedelta(until)}", "zone": zone}
                assert (one in (await api.get("/deliveries", params=days)).text) is fits, (zone, since)


class TestRetryOfAMendedFlow:
    @pytest.fixture
    async def failed(self, api, server):
        """Give a delivery whose flow on the flow files named a server that refuses, and one that mends it."""
        wrong = (await server({"MAIL": "550 5.7.1 not from here"})).port

        async def save(port, subject="Hi"):
            node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port, subject=subject)}
            text = json.dumps({"version": 1, "name": "tell", "nodes": [node]})
            there = await api.get("/api/flows/tell")
            if there.status_code == 404:
                return await api.post("/api/flows", json={"text": text, "format": "json"})
            return await api.put("/api/flows/tell", json={"text": text, "revision": there.json()["revision"]})

        await save(wrong)
        run = (await api.post("/api/flows/tell/runs", json={}, headers={"Idempotency-Key": "r1"})).json()
        return run["nodes"][0]["result"]["deliveryId"], wrong, save

    async def test_goes_where_the_flow_says_by_now_and_its_run_is_a_duplicate(self, api, site, failed, server):
        one, _, save = failed
        right = await server({})
        await save(right.port)
        told = (await api.post(f"/api/deliveries/{one}/retry")).json()
        assert (told["port"], told["retry"], told["origin"]["flow"]) == (
            right.port,
            {"route": "flow", "why": ""},
            "tell",
        )
        await site.mailnode.work(drain=True)
        again = (await api.post("/api/flows/tell/runs", json={}, headers={"Idempotency-Key": "r1"})).json()
        assert (again["duplicate"], again["nodes"][0]["result"]["status"]) == (True, "sent")
        assert len(right.accepted) == 1

    async def test_as_queued_goes_where_it_went(self, api, failed, server):
        one, wrong, save = failed
        await save((await server({})).port)
        told = (await api.post(f"/api/deliveries/{one}/retry", json={"asQueued": True})).json()
        assert (told["port"], told["retry"]) == (wrong, {"route": "asQueued", "why": ""})

    async def test_the_page_offers_both_and_says_why_the_old_one_is_used(self, api, failed, server):
        one, wrong, save = failed
        right = (await server({})).port
        page = (await api.get(f"/deliveries/{one}")).text
        assert 'id="retry-as-queued"' in page
        assert "that the flow “tell” has now" in page
        await save(right, subject="Another mail")
        answer = await api.post(f"/deliveries/{one}/retry")
        assert f"127.0.0.1:{wrong}" in answer.text
        assert "The retry uses the same server and connection as before" in answer.text
        await save(right)
        assert f"127.0.0.1:{wrong}" in (await api.post(f"/deliveries/{one}/retry", data={"asQueued": "true"})).text
        mended = (await api.post(f"/deliveries/{one}/retry")).text
        assert f"127.0.0.1:{right}" in mended
        assert "retry-note" not in mended

    async def test_the_page_tells_warnings_and_what_is_kept_of_what_was_said(self, api, send, server):
        page = (await api.get(f"/deliveries/{await send((await server({'dot': [DROP, '250 ok']})).port)}")).text
        assert "<p>Warning: It was sent again after an attempt" in page
        assert "The SMTP dialogue is kept only for failed attempts." in page
        assert "There was no SMTP dialogue." not in page

    async def test_a_mail_of_no_flow_file_has_no_second_button(self, api, site, server):
        port = (await server({"MAIL": "550 no"})).port
        node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port)}
        flow = parse_flow(json.dumps({"version": 1, "name": "tell", "nodes": [node]}), file="", json=True)
        one = (await site.mailnode.run(flow)).nodes[0].result["deliveryId"]
        page = (await api.get(f"/deliveries/{one}")).text
        assert 'id="retry"' in page
        assert "as-queued" not in page


class TestCancel:
    async def test_takes_it_out_of_the_queue(self, api, queue):
        one = await queue()
        assert (await api.post(f"/api/deliveries/{one}/cancel")).json()["state"] == "cancelled"
        assert "already ended" in problem(await api.post(f"/api/deliveries/{one}/cancel"), 422)["message"]


class TestHistory:
    async def test_counts_over_time(self, api, send, queue):
        await send()
        await queue()
        told = (await api.get("/api/deliveries/history?hours=1")).json()
        assert (told["hours"], told["bucketMs"], len(told["buckets"])) == (1, 60_000, 60)
        assert sum(one["accepted"] for one in told["buckets"]) == 1
        assert told["buckets"][-1]["waiting"] == 1

    @pytest.mark.parametrize("hours", ["0", "100000", "x"])
    async def test_has_an_end(self, api, hours):
        problem(await api.get(f"/api/deliveries/history?hours={hours}"), 422)


class TestListPage:
    async def test_says_what_to_do_where_there_is_nothing(self, api, site):
        html = (await api.get("/deliveries")).text
        assert "No deliveries yet" in html
        assert str(site.inbox_port) in html
        assert "No matching deliveries" in (await api.get("/deliveries?state=failed")).text

    async def test_has_the_chart_as_numbers_too(self, api, send, queue):
        await send()
        await queue()
        html = (await api.get("/deliveries?hours=1")).text
        assert re.search(r'role="img" aria-label="1 accepted, 0 failed, 0 unknown, 1 waiting now', html)
        assert '<rect class="accepted"' in html
        assert re.search(r"<td>1</td><td>0</td><td>0</td><td>1</td>", html)

    async def test_keeps_what_was_chosen_in_its_address(self, api, send):
        await send()
        answer = await api.get("/deliveries?state=sent&recipient=jane&run=&connection=&hours=24")
        assert answer.headers["HX-Push-Url"] == "/deliveries?state=sent&recipient=jane"
        assert 'value="jane"' in answer.text
        assert re.search(r'127\.0\.0\.1:\d+ <span class="muted">\(no login\)</span>', answer.text)
        assert '<option value="sent" selected>' in answer.text

    async def test_what_is_under_way_is_sending_whichever_step_it_is_at(self, api, send, server):
        for stage, script in (("MAIL", {"MAIL": [[HOLD, USUAL]]}), ("content", {"content": [[HOLD, TAKE]]})):
            silent = await server(script)
            sending = asyncio.create_task(send(silent.port))
            await silent.reached(stage)
            page = (await api.get("/deliveries?state=sending")).text
            assert '<option value="sending" selected>Sending</option>' in page
            assert page.count(">Sending</span>") == 1
            listed = (await api.get("/api/deliveries?state=sending&state=failed")).json()["deliveries"]
            assert [one["state"] for one in listed] == [{"MAIL": "claimed", "content": "handingOver"}[stage]]
            assert "No matching deliveries" in (await api.get("/deliveries?state=queued")).text
            silent.release()
            await sending
        assert "No matching deliveries" in (await api.get("/deliveries?state=sending")).text

    async def test_leads_to_older_ones_with_the_same_filter(self, api, send):
        for _ in range(51):
            await send(asynchronous=True)
        older = re.search(r'href="([^"]*after=[^"]*)"', (await api.get("/deliveries?recipient=jane")).text)
        assert older is not None
        page = (await api.get(older[1].replace("&amp;", "&"))).text
        assert "recipient=jane" in older[1]
        assert page.count('<th scope="row" class="id"') == 1
        assert "Latest" in page

    async def test_renews_its_table_only_when_something_is_new(self, api, send):
        await send()
        again = renewal((await api.get("/deliveries")).text, "deliveries")
        assert (await api.get(again)).status_code == 204
        await send()
        answer = await api.get(again)
        assert answer.status_code == 200
        assert (await api.get(renewal(answer.text, "deliveries"))).status_code == 204

    async def test_renews_its_chart_likewise(self, api, send):
        again = renewal((await api.get("/deliveries")).text, "chart")
        assert (await api.get(again)).status_code == 204
        await send()
        assert (await api.get(again)).status_code == 200


class TestOnePage:
    async def test_shows_the_remedy_and_what_was_said(self, api, send, server):
        port = (await server(NO)).port
        one = await send(port, to="no@y.example", run_id="order/1")
        html = (await api.get(f"/deliveries/{one}")).text
        assert "Check the recipient&#39;s address" in html
        assert '<span class="client">C: RCPT TO:&lt;no@y.example&gt;</span>' in html
        assert 'href="/runs/order%2F1"' in html
        assert 'id="retry"' in html
        assert 'id="cancel"' not in html
        assert "hx-get" not in html  # it will not change

    async def test_of_one_that_waits_renews_itself_until_it_is_over(self, api, queue):
        one = await queue()
        again = renewal((await api.get(f"/deliveries/{one}")).text, "delivery")
        assert (await api.get(again)).status_code == 204
        cancelled = await api.post(f"/deliveries/{one}/cancel")
        assert "badge cancelled" in cancelled.text
        assert "hx-get" not in cancelled.text
        assert (await api.get(again)).text == cancelled.text

    async def test_asks_before_one_in_doubt_is_sent_again_and_says_why(self, api, send, server):
        port = (await server({"dot": [DROP]})).port
        one = await send(port, onUnknown="hold")
        asked = await api.post(f"/deliveries/{one}/retry")
        assert asked.headers["HX-Retarget"] == "#asked"
        assert "the server never answered" in asked.text
        assert "jane@example.org" in asked.text
        sent = await api.post(f"/deliveries/{one}/retry", data={"isSure": "true"})
        assert "HX-Retarget" not in sent.headers
        assert "badge queued" in sent.text

    async def test_says_why_something_can_not_be_done(self, api, send):
        answer = await api.post(f"/deliveries/{await send()}/cancel")
        assert answer.status_code == 200
        assert "Only a delivery that is still to be sent can be cancelled" in answer.text


class TestStrangers:
    async def test_what_servers_and_settings_say_is_text_on_every_page(self, api, send, server):
        port = (await server({**NO, "MAIL": [f"250 {ALL_EVIL}"]})).port
        one = await send(port, to="no@y.example", run_id=EVIL[0], subject=EVIL[1])
        pages = ["/deliveries", f"/deliveries/{one}"]
        pages += [f"/deliveries?{name}={quote(text)}" for name in ("recipient", "flow", "run") for text in EVIL]
        pages += [f"/deliveries?{name}={quote(text)}" for name in ("since", "after", "zone") for text in EVIL]
        for answer in await asyncio.gather(*map(api.get, pages)):
            assert answer.status_code in {200, 422}
            assert_only_our_markup(answer.text)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in (await api.get(f"/deliveries/{one}")).text


def renewal(html, part):
    found = re.search(rf'<div id="{part}" class="live stack" hx-get="([^"]+)"', html)
    assert found is not None
    return found[1].replace("&amp;", "&")


async def test_what_can_not_be_read_is_listed_shown_and_cancelled_like_any_other(site, api, queue):
    ids = {}
    for what in (*DAMAGES, *CONTENT_DAMAGES):
        ids[await queue(run_id=what)] = what
    words = {one: await damage(site.mailnode.deliveries._database, one, what) for one, what in ids.items()}
    assert len((await api.get("/api/deliveries")).json()["deliveries"]) == len(ids)
    assert (await api.get("/deliveries")).status_code == 200
    for one, said in words.items():
        assert (await api.get(f"/api/deliveries/{one}")).status_code == 200, said
        assert (await api.get(f"/deliveries/{one}")).status_code == 200, said
        answer = await api.post(f"/api/deliveries/{one}/retry", json={"isSure": True, "asQueued": True})
        if said != "warnings":
            assert said in problem(answer, 422)["message"]
            assert answer.json()["error"]["code"] == "unreadableDelivery"
        cancelled = await api.post(f"/api/deliveries/{one}/cancel")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled"), said
        assert (await api.get(f"/deliveries/{one}")).status_code == 200, said


async def test_one_whose_service_is_gone_goes_by_the_server_that_its_flow_names_now(site, api, send, tmp_path):
    one = await send(1, asynchronous=True, run_id="r")
    await damage(site.mailnode.deliveries._database, one, "a service that is gone")
    node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(site.inbox_port, asynchronous=True)}
    write_flow(tmp_path, node)
    told = await api.post(f"/api/deliveries/{one}/retry")
    assert (told.status_code, told.json()["retry"]["route"]) == (200, "flow"), told.text
    async with site.mailnode.working():
        (report,) = [report async for _, report in site.mailnode.drained([one])]
    assert report["status"] == "sent"


class TestBrowser:
    """In a real one, logged in; the queue is worked."""

    @pytest.fixture
    def sent(self, served):
        """Send a mail by a flow over HTTP, and give the id of its delivery."""

        def send(port=None, **settings):
            flow = {"version": 1, "name": "tell", "nodes": []}
            settings = to_server(port or served.site.inbox_port, **settings)
            flow["nodes"] = [{"id": "tell", "type": "sendSmtpEmail", "settings": settings}]
            with httpx2.Client(
                base_url=served.url, headers={"Authorization": f"Bearer {served.token}"}, timeout=60
            ) as client:
                client.delete("/api/flows/tell")
                made = client.post("/api/flows", json={"text": json.dumps(flow), "format": "json"})
                assert made.status_code == 201, made.text
                run = client.post("/api/flows/tell/runs", json={}).json()
            return run["nodes"][0]["result"]["deliveryId"]

        return send

    @pytest.fixture
    def dropping(self):
        """Run a server that takes a message and hangs up without a word."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        server = ScriptedServer({"dot": [DROP, "250 taken"]})
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(60)
        yield server.port
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()

    def test_the_table_follows_and_keeps_what_was_chosen(self, page, sent):
        page.goto("/deliveries")
        page.get_by_text("No deliveries yet").wait_for()
        sent()
        page.locator("#deliveries .badge.sent").wait_for()
        page.get_by_label("State").select_option("failed")
        page.get_by_text("No matching deliveries").wait_for()
        assert page.url.endswith("/deliveries?state=failed")
        page.get_by_label("State").select_option("")
        page.get_by_label("Recipient").fill("jane")
        page.wait_for_url("**/deliveries?recipient=jane")
        page.locator("#deliveries .badge.sent").wait_for()
        page.reload()
        expect(page.get_by_label("Recipient")).to_have_value("jane")
        page.go_back()
        page.wait_for_url("**/deliveries")
        page.locator("#deliveries .badge.sent").wait_for()
        expect(page.get_by_label("Recipient")).to_have_value("")

    def test_what_is_open_stays_open_when_the_page_renews_itself(self, page, sent):
        page.goto("/deliveries")
        page.get_by_text("Show as table").click()
        sent()
        page.locator("#chart td", has_text="1").first.wait_for()
        expect(page.locator("#chart-table")).to_have_attribute("open", "")

    def test_one_in_doubt_of_a_mended_flow_goes_as_queued_where_that_is_asked_for(self, dropping, page, sent):
        one = sent(dropping, onUnknown="hold")
        sent(subject="Hi")  # the same flow, and it names the inbox now
        page.goto(f"/deliveries/{one}")
        page.get_by_text("that the flow “tell” has now").wait_for()
        page.get_by_role("button", name="Send again as it was queued").click()
        page.get_by_role("dialog").get_by_role("button", name="Send again").click()
        page.locator("#delivery .badge.sent").first.wait_for()
        expect(page.locator("#delivery dl.facts")).to_contain_text(f"127.0.0.1:{dropping}")

    def test_one_in_doubt_is_sent_again_after_a_question(self, dropping, page, sent):
        one = sent(dropping, onUnknown="hold")
        page.goto(f"/deliveries/{one}")
        again = page.get_by_role("button", name="Send again with today's settings")
        again.click()
        asked = page.get_by_role("dialog", name="Send it again?")
        asked.get_by_text("the server never answered").wait_for()
        asked.get_by_role("button", name="Cancel").click()
        expect(asked).to_be_hidden()
        expect(page.locator(".badge.held")).to_be_visible()
        again.click()
        asked.get_by_role("button", name="Send again").click()
        page.locator("#delivery .badge.sent").first.wait_for()
        expect(page.locator("dialog[open]")).to_have_count(0)

    def test_the_remedy_stands_there_while_it_is_tried_and_it_can_be_cancelled(self, page, sent):
        one = sent(1, asynchronous=True)
        page.goto(f"/deliveries/{one}")
        page.get_by_text("Could not connect").first.wait_for()
        expect(page.locator("#delivery .notice.bad p").nth(1)).not_to_be_empty()
        is_cancelled = False
        while not is_cancelled:  # the moment may be that of an attempt
            with page.expect_response("**/cancel") as answer:
                page.get_by_role("button", name="Cancel delivery").click()
            is_cancelled = "badge cancelled" in answer.value.text()
        page.locator("#delivery .badge.cancelled").wait_for()

    def test_what_a_reader_is_at_stays_while_the_page_renews_itself(self, page, sent):
        one = sent(1, asynchronous=True)
        page.set_viewport_size({"width": 400, "height": 300})
        page.goto(f"/deliveries/{one}")
        page.get_by_text("Could not connect").first.wait_for()
        with page.expect_response(lambda said: "seen=" in said.url and said.status == 200):
            page.evaluate("""() => {
                const table = document.querySelector("#delivery [aria-label='Recipient table']");
                table.focus();
                scrollTo(0, 123);
                table.querySelector("th[scope=row]").firstChild.mark = "the same";
                getSelection().selectAllChildren(document.querySelector("#message-id dd"));
            }""")
        kept = page.evaluate("""async () => {
            await new Promise((settled) => setTimeout(settled, 100));
            const table = document.activeElement;
            const { mark } = table.querySelector("th[scope=row]").firstChild;
            return [table.ariaLabel, scrollY, mark, getSelection().toString().includes("@")];
        }""")
        assert kept == ["Recipient table", 123, "the same", True]

    def test_a_button_that_is_pressed_while_the_page_renews_itself_does_what_it_says(self, page, sent):
        def without_it(route):  # something new each time: the part as it is, but for the button
            part = route.fetch(url=route.request.url.partition("?")[0])
            route.fulfill(response=part, body=part.text().replace('id="cancel"', 'id="cancel" hidden'))

        one = sent(1, asynchronous=True)
        page.goto(f"/deliveries/{one}")
        page.get_by_text("Could not connect").first.wait_for()
        is_cancelled = False
        for _ in range(10):  # the moment may be that of an attempt
            page.get_by_role("button", name="Cancel delivery").hover()
            page.mouse.down()
            if page.locator("#cancel:active").count():
                with page.expect_response(lambda said: "seen=" in said.url and said.status == 200):
                    page.route("**/part?*", without_it)
                page.unroute("**/part?*")
                with page.expect_response("**/cancel") as answer:
                    page.mouse.up()
                if is_cancelled := "badge cancelled" in answer.value.text():
                    break
            else:  # what an attempt told has moved it away
                page.mouse.up()
        assert is_cancelled
        page.locator("#delivery .badge.cancelled").wait_for()
