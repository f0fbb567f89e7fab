"""`mailnode webhooks`: made, tried, looked at, posted again and deleted."""

import asyncio

from support.command import mailnode
from support.flows import to_server, write_flow
from support.webhook_receiver import receiving


async def webhooks(*arguments, **environment):
    return await mailnode("webhooks", *arguments, MAILNODE_WEBHOOK_ALLOW="127.0.0.1", **environment)


async def test_a_webhook_from_its_creation_to_its_end(inbox, tmp_path):
    with receiving() as receiver:
        refused, made = await asyncio.gather(
            mailnode("webhooks", "create", "lan", "--url", receiver.url, "--event", "faild"),
            webhooks("create", "shop", "--url", receiver.url, "--event", "sent"),
        )
        assert (refused.status, refused.stdout) == (2, "")
        assert "--url: http" in refused.stderr
        assert "--event: 'faild'" in refused.stderr
        assert "MAILNODE_WEBHOOK_ALLOW" in refused.stderr
        assert made.status == 0, made.stderr
        receiver.secret = made.stdout.strip()
        assert receiver.secret.startswith("whsec_")
        flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(inbox.port)})
        tested, ran = await asyncio.gather(webhooks("test", "shop"), mailnode("run", flow))
        assert (tested.status, ran.status) == (0, 0), tested.stderr + ran.stderr
        worked = await mailnode("worker", "--drain", MAILNODE_WEBHOOK_ALLOW="127.0.0.1")
        assert worked.status == 0, worked.stderr
        (event,) = [post for post in receiver.posts if post.event["type"] == "delivery.sent"]
        again, shown = await asyncio.gather(webhooks("replay", "shop", event.id), webhooks("show", "shop"))
        assert "1 event of the webhook shop will be posted again" in again.stderr
        assert (shown.json["url"], shown.json["events"]) == (f"{receiver.url[:-11]}?…", ["delivery.sent"])
        assert shown.json["latest"][0]["id"] == event.id
        receiver.status = lambda _: 500
        listed, failed = await asyncio.gather(webhooks("list"), webhooks("test", "shop"))
        assert "shop" in listed.stdout
        assert (failed.status, "the receiver answered 500 Internal Server Error" in failed.stderr) == (1, True)
        assert (await webhooks("delete", "shop", "--yes")).status == 0
        unknown = await webhooks("show", "shop")
        assert (unknown.status, "`mailnode webhooks list` lists them" in unknown.stderr) == (2, True)
