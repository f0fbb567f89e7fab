"""Node types that an installed package brings."""

import textwrap

import pytest

from support.command import mailnode
from support.flows import write_flow

SHOUT = """
from mailnode.node.node_api import NodeReturn, Write

class Shout:
    def __init__(self, text):
        self.text = text

    async def execute(self, call):
        return NodeReturn(writes=(Write("context", "shouted", f"{self.text} {call.input['name']}".upper()),))

class ShoutType:
    def prepare(self, settings):
        return Shout(settings["text"])

shout = ShoutType()
"""


@pytest.fixture
def site(tmp_path):
    """A folder of installed packages, one of which can't be loaded."""
    info = tmp_path / "site" / "shout-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shout\nVersion: 1.0\n")
    points = "[mailnode.nodes]\nshout = shout:shout\nbroken = nowhere:node\nsay = shout:shout\n"
    (info / "entry_points.txt").write_text(points)
    (tmp_path / "site" / "shout.py").write_text(textwrap.dedent(SHOUT))
    return str(tmp_path / "site")


async def test_a_node_of_a_package_runs_like_our_own(site, tmp_path):
    flow = write_flow(
        tmp_path,
        {"id": "a", "type": "shout", "settings": {"text": "hello"}},
        {"id": "b", "type": "say", "settings": {"text": "{{ context.shouted }}"}},
    )
    done = await mailnode("run", flow, "--input", '{"name": "zoë"}', PYTHONPATH=site)
    assert done.json["output"] == ["HELLO ZOË"]


async def test_one_that_can_not_be_loaded_is_an_error_before_the_run(site, tmp_path):
    flow = write_flow(tmp_path, {"id": "a", "type": "broken"})
    done = await mailnode("run", flow, PYTHONPATH=site)
    assert done.status == 2
    assert "node a, type: the package of node type 'broken' can't be loaded" in done.stderr
