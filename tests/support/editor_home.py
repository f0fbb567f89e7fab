"""A home with something in it, as an editor has it after a day: for screenshots, and for what looks at pages."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from mailnode.flow.flow_files import FlowFile
from support.web import Served

EXAMPLES = Path(__file__).parents[2] / "examples"


def sample() -> dict[str, Any]:
    """Give the example's input, and what its first node makes of it."""
    return {
        "input": json.loads((EXAMPLES / "order-shipped.input.json").read_text()),
        "context": {"order": {"total": 78}},
    }


def example(served: Served) -> FlowFile:
    """Put the example on the flow files; it sends to the inbox, and fetches nothing."""
    text = (EXAMPLES / "order-shipped.flow.yaml").read_text().replace("port: 1025", f"port: {served.site.inbox_port}")
    flow = served.site.flow_files.create(text.replace('        - {type: url, url: "{{ input.invoiceUrl }}"}\n', ""))
    served.site.flow_files.store_sample(flow.name, sample())
    shutil.copytree(EXAMPLES / "layouts", served.site.flow_files.folder / "layouts", dirs_exist_ok=True)
    return flow


def filled(served: Served) -> None:
    """Run the example some times, once against a server that is not there, and keep two connections."""
    flow = example(served)
    broken = flow.text.replace(f"port: {served.site.inbox_port}", "port: 1").replace(
        "name: order-shipped", "name: broken"
    )
    served.site.flow_files.create(broken.replace("name: order-shipped", "name: broken"))

    async def work() -> None:
        site = served.site
        for number in range(5):
            await site.mailnode.run(flow.document(), input=sample()["input"] | {"order": f"2026-{1047 + number}"})
        await site.mailnode.run(site.flow_files.get("broken").document(), input=sample()["input"])
        basic = {"service": "Gmail", "username": "shop@gmail.com", "password": "a"}
        await site.mailnode.connections.create("shop", "basic", basic)
        oauth2 = {"service": "Outlook365", "user": "billing@example.com", "clientId": "a-client"}
        await site.mailnode.connections.create("billing", "oauth2", oauth2)
        await site.mailnode.apps.create("website", {"connection": "shop", "rateLimit": "60/min"})
        await site.mailnode.webhooks.create("shop", "https://shop.example/hooks/mail")

    asyncio.run_coroutine_threadsafe(work(), served.loop).result(60)
