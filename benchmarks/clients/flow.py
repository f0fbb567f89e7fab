"""The flow that is run: one Send SMTP Email node, which names its server and waits for the outcome."""

import json
from pathlib import Path

FROM, TO, SUBJECT = "Shop <shop@example.com>", "Jane <jane@example.org>", "Your order has shipped"
# 800 octets; the first expression is a plain path, the second one is for the engine.
TEMPLATE = (
    "<h1>It is on its way</h1>\n<p>Dear Jane, your order {{ input.order }} left our house today and will be with you in"
    " two or three days. It is one parcel, and the driver rings once.</p>\n<p>You have paid {{ (input.cents /"
    " 100).toFixed(2) }} euro; the invoice follows by post.</p>\n<ul>\n<li>If nobody is at home he leaves it with a"
    " neighbour, and a card in your letter box says with whom.</li>\n<li>What does not fit can come back within thirty"
    " days: the label is in the parcel, and the money is with you a day after we have it.</li>\n<li>A cup that broke on"
    " its way is replaced, and nobody asks how.</li>\n</ul>\n<p>Thank you for buying from a small shop. If something is"
    ' not as it should be, answer this mail: a person reads it.</p>\n<p><a href="https://shop.example.com/help">Help'
    "</a>, 12 Mill Lane, Bath</p>\n"
)
FLOW = {
    "version": 1,
    "name": "whole-node",
    "nodes": [
        {
            "id": "tell",
            "type": "sendSmtpEmail",
            "settings": {"emailService": "other", "from": FROM, "to": TO, "subject": SUBJECT, "content": TEMPLATE},
        }
    ],
}


def flow_file(folder: Path, port: int) -> Path:
    """Write the flow for a server on this port."""
    flow = json.loads(json.dumps(FLOW))
    flow["nodes"][0]["settings"]["smtp"] = {"host": "127.0.0.1", "port": port, "tlsOption": "none"}
    path = folder / f"{FLOW['name']}.flow.json"
    path.write_text(json.dumps(flow))
    return path
