"""Named tokens and the audit log as the database has them."""

import pytest

from mailnode.access.audit import AuditLog, Use
from mailnode.access.tokens import SCOPES, ApiTokens, _meant
from mailnode.errors import StoreError, UsageError


def use_of(token, at):
    return Use(at, "token", token, "GET", "/api/flows", 200, "127.0.0.1")


async def test_a_token_needs_a_name_and_scopes(database):
    for name, scopes, told in (
        ("", ["run"], "not a name"),
        ("a b", ["run"], "not a name"),
        ("x" * 65, ["run"], "not a name"),
        ("crm", [], "needs scopes"),
        ("crm", ["all"], "needs scopes"),
    ):
        with pytest.raises(UsageError, match=told):
            await ApiTokens(database).create(name, scopes)


async def test_tokens_are_known_by_name_and_kept_as_hashes(database):
    tokens, audit = ApiTokens(database), AuditLog(database)
    token = await tokens.create("crm", ["run", "edit", "run"])
    with pytest.raises(UsageError, match="already exists"):
        await tokens.create("crm", ["read"])
    (shown,) = await tokens.list()
    assert (shown["name"], shown["scopes"], shown["lastUsedAt"]) == ("crm", ["edit", "run"], None)
    found = await tokens.find(token)
    assert found == ("crm", frozenset({"run", "edit", "read"}))
    stored = await database.read(lambda db: db.exec_driver_sql("SELECT * FROM api_tokens").all())
    assert token.removeprefix("mailnode_") not in str(stored)
    assert await tokens.find("other") is None
    audit.note(use_of("crm", 2**41))
    await audit.close()
    (shown,) = await tokens.list()
    assert shown["lastUsedAt"] == 2**41
    await audit.clear(30)
    assert len(await audit.list()) == 1, "it is dated in the future"
    with pytest.raises(UsageError, match="there is no token named 'x'"):
        await tokens.delete("x")
    assert _meant(["admin"]) == frozenset(SCOPES)


async def test_what_can_t_be_stored_waits_and_is_stored_once(database, monkeypatch):
    audit = AuditLog(database)
    monkeypatch.setattr("mailnode.access.audit.GROUP_SECONDS", 0.0)
    write = database.write

    async def stored_and_lost(work):
        await write(work)
        raise StoreError("the connection was lost")

    monkeypatch.setattr(database, "write", stored_and_lost)
    audit.note(use_of("crm", 5))
    with pytest.raises(StoreError):
        await audit.flush()
    monkeypatch.undo()
    await audit.close()
    assert [one["at"] for one in await audit.list()] == [5]
    await audit.clear(30)
    assert await audit.list() == []
