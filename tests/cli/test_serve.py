"""`mailnode serve` as a process: it says where it is, answers, and ends when it is told to."""

import asyncio
import re
import signal
import socket
from contextlib import asynccontextmanager

import httpx2
import pytest

from support.command import mailnode
from support.scripted_smtp import ScriptedServer
from support.serving_command import serving

SERVE = ("serve", "--port", "0", "--inbox-port", "0")


@asynccontextmanager
async def running(*arguments):
    async with serving(*arguments) as (process, said):
        yield process, re.findall(r"http://127\.0\.0\.1:\d+", said)[0], said


def login(said):
    (token,) = re.findall(r"^token +(\S+)", said, re.MULTILINE)
    return {"Authorization": f"Bearer {token}"}


async def test_a_token_that_was_made_is_shown_once_and_opens_it(home):
    async with running(*SERVE) as (process, url, said):
        async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
            assert (await client.get("/health")).json()["status"] == "ok"
            assert (await client.get("/api/flows")).status_code == 401
            assert (await client.get("/api/flows", headers=login(said))).json() == []
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
    token = (home / "token").read_text().strip()
    assert token in said
    async with running(*SERVE) as (_, _, said):
        assert token not in said
        assert str(home / "token") in said


async def test_mail_that_waits_is_sent_while_it_serves(home):
    async with (
        running(*SERVE) as (_, url, said),
        httpx2.AsyncClient(base_url=url, headers=login(said), timeout=60) as client,
    ):
        flow = (await client.post("/api/flows", json={"name": "later", "sender": "me@example.com"})).json()
        flow["document"]["nodes"][0]["settings"]["asynchronous"] = True
        await client.put("/api/flows/later", json={key: flow[key] for key in ("text", "document", "revision")})
        run = (await client.post("/api/flows/later/runs", json={})).json()
        assert run["nodes"][0]["result"]["status"] == "queued"
        for _ in range(300):
            if caught := (await client.get("/api/inbox")).json():
                break
            await asyncio.sleep(0.1)  # its inbox has no event of ours
        assert "you@example.org" in str(caught)


class TestSigterm:
    """While a page is open, or something is under way, it ends well all the same, and soon."""

    async def ended(self, process):
        process.terminate()
        said = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
        assert (await process.wait(), "Traceback" in said) == (0, False), said

    async def test_with_a_connection_that_is_kept(self, home):
        async with running(*SERVE) as (process, url, _), httpx2.AsyncClient(base_url=url, timeout=60) as client:
            await client.get("/health")
            await self.ended(process)

    async def test_with_a_request_that_is_not_all_there(self, home):
        async with running(*SERVE) as (process, url, said):
            host = url.removeprefix("http://")
            _, writer = await asyncio.open_connection("127.0.0.1", int(host.rpartition(":")[2]))
            head = f"POST /api/flows HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            head += f"Content-Length: 100\r\nAuthorization: {login(said)['Authorization']}\r\n\r\n{{"
            writer.write(head.encode())
            async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
                await client.get("/health")  # behind it, so that it has been read
            await self.ended(process)
            writer.close()

    async def test_with_a_run_that_waits_for_a_server(self, home):
        async with (
            ScriptedServer({"dot": ""}) as server,
            running(*SERVE) as (process, url, said),
            httpx2.AsyncClient(base_url=url, headers=login(said), timeout=60) as client,
        ):
            flow = (await client.post("/api/flows", json={"name": "slow", "sender": "me@example.com"})).json()
            settings = flow["document"]["nodes"][0]["settings"]
            settings["smtp"] = {"host": "127.0.0.1", "port": server.port, "tlsOption": "none"}
            await client.put("/api/flows/slow", json={key: flow[key] for key in ("text", "document", "revision")})
            run = asyncio.create_task(client.post("/api/flows/slow/runs", json={}))
            await server.reached("dot")
            await self.ended(process)
            told = (await run).json()["nodes"][0]["result"]
            assert (told["status"], told["error"]["code"]) == ("unknown", "unknownOutcome")


async def test_ctrl_c_ends_it(home):
    async with running(*SERVE) as (process, _, _):
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 60) == 0


@pytest.mark.parametrize("option", ["--port", "--inbox-port"])
async def test_a_port_that_is_taken_is_named_with_the_remedy(home, option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        others = {"--port": "0", "--inbox-port": "0"} | {option: port}
        ended = await mailnode("serve", *(word for pair in others.items() for word in pair))
    assert ended.status == 2
    assert f"port {port}" in ended.stderr
    assert f"another port with {option}\n" in ended.stderr


async def test_a_token_that_keeps_nobody_out_is_refused_before_anything_listens(home):
    ended = await mailnode(*SERVE, MAILNODE_TOKEN="short")
    assert ended.status == 2
    assert "MAILNODE_TOKEN" in ended.stderr


async def test_the_demo_opens_on_its_finished_example(home):
    async with running("demo") as (process, url, said):
        headers = {"Authorization": f"Bearer {(home / 'token').read_text().strip()}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            flow = (await client.get("/api/flows/order-shipped")).json()
            assert flow["errors"] == []
            shown = await client.post("/api/preview", json={"text": flow["text"], **flow["sample"]})
            assert shown.json()["errors"] == []
            assert len((await client.get("/api/inbox")).json()) >= 1
        assert f"{url}/flows/order-shipped" in said
        code = re.findall(rf"{url}/login\?next=/flows/order-shipped#code=(\S+)", said)[0]
        assert code not in headers["Authorization"]
        async with httpx2.AsyncClient(base_url=url, headers={"Origin": url}, timeout=60) as client:
            assert [(await client.post("/login/code", data={"code": code})).status_code for _ in range(2)] == [204, 401]
            assert (await client.get("/api/flows")).status_code == 200
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
