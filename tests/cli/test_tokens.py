"""`mailnode tokens` and `mailnode audit`, in this process."""

import asyncio
import json

from mailnode.access.audit import Use
from mailnode.app import Mailnode
from mailnode.cli.main import run
from mailnode.cli.signals import Interrupt


def test_a_token_is_shown_once_listed_used_and_deleted(home, capsys):
    def mailnode(*arguments):
        status = run(Interrupt(arguments))
        said = capsys.readouterr()
        return status, said.out, said.err

    async def used():
        async with Mailnode.open() as opened:
            found = await opened.tokens.find(token)
            opened.audit.note(Use(1_796_000_000_000, "token", "crm", "GET", "/api/flows", 200, "10.0.0.7"))
            opened.audit.note(Use(1_796_000_000_001, "browser", None, "POST", "/login", 303, "10.0.0.8"))
            return found

    status, out, err = mailnode("tokens", "create", "crm", "--scope", "run", "--scope", "read")
    token = out.strip()
    assert (status, token[:9]) == (0, "mailnode_"), err
    assert asyncio.run(used()).name == "crm"
    _, out, _ = mailnode("tokens", "list", "--json")
    (listed,) = json.loads(out)
    assert token not in out
    assert (listed["scopes"], listed["lastUsedAt"]) == (["read", "run"], 1_796_000_000_000)
    _, out, _ = mailnode("audit")
    for word in ("2026-11-30", "crm", "(browser)", "10.0.0.7"):
        assert word in out
    _, out, _ = mailnode("audit", "--token", "crm", "--json")
    assert [one["client"] for one in json.loads(out)] == ["10.0.0.7"]
    status, _, err = mailnode("tokens", "create", "crm", "--scope", "run")
    assert (status, "already exists" in err) == (2, True)
    assert mailnode("tokens", "delete", "crm", "--yes")[0] == 0
    status, _, err = mailnode("tokens", "delete", "crm", "--yes")
    assert (status, "mailnode tokens list" in err) == (2, True)
