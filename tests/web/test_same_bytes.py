"""Preview, command line and API make the same mail, byte for byte."""

import json
import re

from mailnode.flow.document import load_flow
from support.command import mailnode
from support.flows import to_server, write_flow
from support.repeats import repeats

COUNT = 50
_OWN = re.compile(rb"^(?:Message-ID|Date): [^\r]*\r\n", re.MULTILINE)
_BOUNDARY = re.compile(rb'boundary="([^"]+)"')


def bare(octets):
    """A mail without what each has of its own."""
    for number, boundary in enumerate(_BOUNDARY.findall(octets)):
        octets = octets.replace(boundary, b"boundary %d" % number)
    return _OWN.sub(b"", octets)


def taken(inbox, already):
    """The mails that came since so many were there, in the order of their numbers."""
    found = [message.octets() for message in inbox.messages()[already:]]
    return [bare(one) for one in sorted(found, key=lambda one: int(re.findall(rb"Subject: (\d+)", one)[0]))]


async def test_mails_with_nested_repetitions_are_the_same_from_all_faces(site, api, inbox, tmp_path):
    given = repeats(3).input
    made = [repeats(seed, given) for seed in range(COUNT)]
    nodes = [
        {
            "id": f"mail{number}",
            "type": "sendSmtpEmail",
            "settings": to_server(inbox.port, subject=str(number), content=one.content),
        }
        for number, one in enumerate(made)
    ]
    path = write_flow(tmp_path, *nodes)
    flow = load_flow(path)
    previews = [(await site.mailnode.dry_run(flow, node["id"], input=given).compose()) for node in nodes]
    # What the test's own way makes of them, which knows nothing of tapes and engines.
    assert [one.email.html for one in previews] == [one.html for one in made]
    wanted = [bare(one.message.octets()) for one in previews]

    for number in (0, COUNT - 1):
        draft = {"text": path.read_text(), "format": "json", "node": f"mail{number}", "input": given}
        shown = (await api.post("/api/preview", json=draft)).json()["preview"]
        assert bare((await api.get(shown["message"])).content) == wanted[number]

    ran = await mailnode("run", path, "--input", json.dumps(given))
    assert ran.status == 0, ran.stderr
    assert taken(inbox, 0) == wanted

    created = await api.post("/api/flows", json={"text": path.read_text(), "format": "json"})
    ran = await api.post(f"/api/flows/{created.json()['name']}/runs", json={"input": given})
    assert ran.json()["status"] == "done"
    assert taken(inbox, COUNT) == wanted
