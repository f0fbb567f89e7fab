"""How often each command looks for cyclic garbage."""

import pytest

from support.command import ended
from support.flows import to_server, write_flow

# Says at the end of the process what the command has set.
PROGRAM = """
import atexit, gc, sys
atexit.register(lambda: print("threshold", gc.get_threshold()[0]))
from mailnode.__main__ import main
sys.argv[0] = "mailnode"
main()
"""
LONG, SHORT = 10_000, 1_000_000


async def threshold_of(*arguments):
    result = await ended(("-c", PROGRAM), arguments, "", {})
    assert result.status == 0, result.stderr
    return int(result.stdout.split()[-1])


@pytest.fixture
def flow(inbox, tmp_path):
    settings = to_server(inbox.port, asynchronous=True)
    return write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})


async def test_a_short_command_all_but_never_looks():
    assert await threshold_of("deliveries", "list") == SHORT


async def test_a_worker_looks():
    assert await threshold_of("worker", "--drain") == LONG


async def test_a_run_that_waits_for_its_queued_email_looks(flow):
    assert await threshold_of("run", flow) == LONG


async def test_a_run_over_rows_looks(flow, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("name\nJane\n")
    assert await threshold_of("run", flow, "--inputs", rows) == LONG
