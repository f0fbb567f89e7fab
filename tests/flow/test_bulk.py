from collections import Counter

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.flow.rows import RowsFile
from mailnode.flow.runner import RUNS_AT_ONCE
from support.flows import to_server, write_flow


class WatchedRows(RowsFile):
    """Rows that tell how many of them have been taken."""

    taken = 0

    def read(self):
        for row in RowsFile.read(self):
            WatchedRows.taken += 1
            yield row


async def test_a_thousand_rows_are_a_thousand_mails_and_are_read_as_they_are_needed(inbox, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["email", *[f"n{number}@y.example" for number in range(1000)], ""]))
    settings = to_server(inbox.port, to="{{ input.email }}")
    flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
    rows = WatchedRows.check(path)
    WatchedRows.taken = 0
    ended: list[int] = []
    async with Mailnode.open(Environment.read()) as mailnode:
        async for end in mailnode.run_rows(flow, rows):
            # Those that ended in one turn of the loop are told one after the other, before any more are read.
            assert WatchedRows.taken - len(ended) <= RUNS_AT_ONCE
            ended.append(end.number)
            assert end.run is not None
            assert end.run.status == "done"
    assert sorted(ended) == list(range(1, 1001))
    reached = Counter(to for one in inbox.messages() for to in one.rcpt_to)
    assert reached == {f"n{number}@y.example": 1 for number in range(1000)}
