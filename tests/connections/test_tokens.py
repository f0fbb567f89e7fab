"""The keeper of tokens against a real endpoint: one renewal at a time, nothing lost, and words that help."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailnode.errors import ConnectionsError, ErrorCode, StoreError, TokenError
from support.database import both
from support.http_server import reply, stalling
from support.token_endpoint import CLIENT_ID, CLIENT_SECRET, USER, in_ms, refusal

APP = {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}
DEAD = reply(b"", status=503)


async def shop(process, endpoint, **fields):
    """A connection that can renew; its access token is over."""
    over = {"accessToken": "at-old", "expiryDate": in_ms(-1), "refreshToken": endpoint.consent()}
    given = {"hosts": ["mail.example"], "user": USER, "accessUrl": endpoint.url, **APP, **over, **fields}
    await process.repository.create("shop", "oauth2", given)


async def refused(awaitable):
    with pytest.raises(TokenError) as caught:
        await awaitable
    assert caught.value.hint
    assert "canary" not in f"{caught.value}{caught.value.hint}"
    return caught.value


class TestATokenIsUsedWhileItIsGood:
    async def test_nobody_is_asked(self, one, endpoint):
        await shop(one, endpoint, accessToken="at-good", expiryDate=in_ms(120))
        assert await one.token() == "at-good"
        assert endpoint.requests == []

    async def test_it_is_renewed_a_minute_before_its_end(self, one, endpoint, clock):
        await shop(one, endpoint, accessToken="at-good", expiryDate=in_ms(120))
        clock.move(58)
        assert await one.token() == "at-good"
        clock.move(4)
        assert endpoint.accepts(await one.token()) == USER
        assert endpoint.grants == ["refresh_token"]

    async def test_a_new_one_lasts_as_long_as_the_endpoint_says(self, one, endpoint, clock):
        endpoint.expires_in = 300
        await shop(one, endpoint)
        first = await one.token()
        clock.move(238)
        assert await one.token() == first
        clock.move(4)
        assert await one.token() != first
        assert len(endpoint.requests) == 2

    async def test_one_that_nobody_gave_an_end_is_good_until_a_server_refuses_it(self, one, endpoint, clock):
        endpoint.expires_in = None
        await shop(one, endpoint, accessToken=None, expiryDate=None)
        first = await one.token()
        clock.move(10**7)
        assert await one.token() == first
        second = await one.renewed(first)
        assert second != first
        assert await one.token() == second
        assert len(endpoint.requests) == 2

    @pytest.mark.parametrize(
        ("said", "is_good"), [("3600", True), (3600.5, True), (0, False), (-5, True), ("soon", True)]
    )
    async def test_what_an_endpoint_may_say_of_the_end(self, one, endpoint, said, is_good):
        endpoint.expires_in = said
        await shop(one, endpoint)
        first = await one.token()
        assert (await one.token() == first) is is_good

    async def test_the_last_minute_is_used_while_the_endpoint_is_down(self, one, endpoint, clock):
        endpoint.fail_next(DEAD)
        await shop(one, endpoint, accessToken="at-good", expiryDate=in_ms(70))
        clock.move(20)
        assert (await refused(one.token())).code == ErrorCode.TOKEN_FAILED
        assert await one.token() == "at-good"
        clock.move(60)
        assert endpoint.accepts(await one.token()) == USER


@both
class TestOneRenewalAtATime:
    async def test_for_all_tasks_of_two_processes(self, one, other, endpoint):
        await shop(one, endpoint)
        endpoint.hold()
        tasks = [asyncio.create_task(process.token()) for process in (one, other) for _ in range(100)]
        await endpoint.asked.wait()
        endpoint.release()
        tokens = set(await asyncio.gather(*tasks))
        assert len(tokens) == 1
        assert endpoint.grants == ["refresh_token"]

    async def test_a_token_that_was_renewed_meanwhile_is_not_renewed_again(self, one, other, endpoint):
        await shop(one, endpoint)
        old = await one.token()
        new = await one.renewed(old)
        assert await other.renewed(old) == new
        assert len(endpoint.requests) == 2

    async def test_who_loses_patience_leaves_the_answer_to_the_others(self, one, endpoint):
        await shop(one, endpoint)
        endpoint.hold()
        impatient = asyncio.create_task(one.token())
        await endpoint.asked.wait()
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        endpoint.release()
        assert endpoint.accepts(await one.token()) == USER
        assert len(endpoint.requests) == 1

    async def test_closing_waits_for_the_answer(self, one, other, endpoint):
        endpoint.rotate = True
        await shop(one, endpoint)
        endpoint.hold()
        impatient = asyncio.create_task(one.token())
        await endpoint.asked.wait()
        impatient.cancel()
        closing_down = asyncio.create_task(one.keeper.close())
        endpoint.release()
        await closing_down
        assert endpoint.accepts(await other.token()) == USER
        assert len(endpoint.requests) == 1

    async def test_the_last_minute_of_a_token_is_used_while_another_renews(self, one, other, endpoint, clock):
        await shop(one, endpoint, accessToken="at-good", expiryDate=in_ms(70))
        clock.move(20)
        endpoint.hold()
        renewing = asyncio.create_task(one.token())
        await endpoint.asked.wait()
        assert await other.token() == "at-good"
        endpoint.release()
        assert await renewing != "at-good"


@both
class TestARotatedRefreshTokenIsKept:
    async def test_over_fifty_renewals(self, one, other, endpoint, clock):
        endpoint.rotate = True
        await shop(one, endpoint)
        for number in range(50):
            assert endpoint.accepts(await (one, other)[number % 2].token()) == USER
            clock.move(4000)
        assert len({form["refresh_token"] for form in endpoint.requests}) == 50

    async def test_it_stays_where_the_endpoint_gives_no_other(self, one, endpoint, clock):
        await shop(one, endpoint)
        await one.token()
        clock.move(4000)
        await one.token()
        assert len({form["refresh_token"] for form in endpoint.requests}) == 1

    async def test_an_answer_that_comes_late_is_kept_though_another_has_claimed(self, one, other, endpoint, clock):
        endpoint.rotate, endpoint.revoke_on_reuse = True, False
        await shop(one, endpoint)
        endpoint.hold()
        slow = asyncio.create_task(one.token())
        await endpoint.asked.wait()
        clock.move(61)  # its lease is over
        endpoint.asked.clear()
        quick = asyncio.create_task(other.token())
        await endpoint.asked.wait()
        endpoint.release()
        assert endpoint.accepts(await slow) == USER
        await asyncio.wait({quick})  # the old refresh token was refused: an error, or the other's token by now
        assert quick.exception() is None or isinstance(quick.exception(), TokenError)
        assert endpoint.accepts(await other.token()) == USER

    async def test_what_a_person_gives_meanwhile_is_newer(self, one, other, endpoint, clock):
        await shop(one, endpoint)
        endpoint.hold()
        renewing = asyncio.create_task(one.token())
        await endpoint.asked.wait()
        given = endpoint.consent("joe@mail.example")
        await other.repository.update("shop", {"refreshToken": given, "user": "joe@mail.example"})
        endpoint.release()
        await renewing
        assert endpoint.accepts(await other.token()) == "joe@mail.example"
        assert endpoint.requests[-1]["refresh_token"] == given


@both
class TestARenewalThatWasCutOff:
    """The claim of a process that is gone tells that a renewal began whose answer nobody has."""

    async def begin_and_die(self, one, endpoint, *, acts):
        endpoint.rotate = True
        await shop(one, endpoint)
        endpoint.fail_next(stalling(), acts=acts)
        dying = asyncio.create_task(one.token())
        await endpoint.asked.wait()
        one.process.close()  # all that others can see of a death
        dying.cancel()

    async def test_the_old_refresh_token_is_tried_once(self, one, other, endpoint):
        await self.begin_and_die(one, endpoint, acts=False)
        assert endpoint.accepts(await other.token()) == USER
        assert len(endpoint.requests) == 2

    async def test_and_when_it_is_refused_the_error_names_the_crash_and_the_remedy(self, one, other, endpoint):
        await self.begin_and_die(one, endpoint, acts=True)
        error = await refused(other.token())
        assert error.code == ErrorCode.CONSENT_NEEDED
        assert "interrupted by a crash" in error.message
        assert "authorize the connection" in error.hint
        assert not error.transient
        # and nobody goes on showing it
        assert (await refused(other.token())).message == error.message
        assert len(endpoint.requests) == 2
        assert (await other.repository.show("shop"))["state"] == "needsConsent"

    async def test_a_live_process_that_takes_too_long_is_not_waited_for_for_ever(self, one, other, endpoint, clock):
        await shop(one, endpoint)
        endpoint.fail_next(stalling(), acts=False)
        asleep = asyncio.create_task(one.token())
        await endpoint.asked.wait()
        clock.move(61)
        assert endpoint.accepts(await other.token()) == USER
        asleep.cancel()


class TestAFailingEndpointIsLeftAlone:
    async def test_for_a_growing_time(self, one, endpoint, clock):
        endpoint.fail_next(DEAD, times=5)
        await shop(one, endpoint)
        for number, seconds in enumerate((1, 2, 4, 8, 16), 1):
            error = await refused(one.token())
            assert (error.code, error.transient) == (ErrorCode.TOKEN_FAILED, True)
            clock.move(seconds - 0.9)
            assert "the next request is made in" in (await refused(one.token())).message
            assert len(endpoint.requests) == number
            clock.move(0.9)
        assert endpoint.accepts(await one.token()) == USER

    async def test_for_as_long_as_it_asks_for(self, one, other, endpoint, clock):
        endpoint.fail_next(reply(b"", status=429, retry_after="120"))
        await shop(one, endpoint)
        await refused(one.token())
        clock.move(118)
        assert "the next request is made in 2 s" in (await refused(other.token())).message
        clock.move(3)
        assert endpoint.accepts(await other.token()) == USER

    async def test_a_person_may_have_it_asked_at_once(self, one, endpoint):
        endpoint.fail_next(DEAD)
        await shop(one, endpoint)
        await refused(one.token())
        await one.repository.renew("shop")
        assert endpoint.accepts(await one.token()) == USER

    async def test_an_edit_forgets_what_went_wrong_before(self, one, endpoint):
        await shop(one, endpoint, clientSecret="wrong-canary")
        assert (await refused(one.token())).code == ErrorCode.TOKEN_REFUSED
        await one.repository.update("shop", {"clientSecret": CLIENT_SECRET})
        assert endpoint.accepts(await one.token()) == USER

    async def test_a_storm_of_callers_is_one_request(self, one, endpoint, clock):
        clock.stop()  # a slow machine takes longer over so many than the endpoint is left alone
        endpoint.fail_next(DEAD, times=1000)
        await shop(one, endpoint)
        errors = await asyncio.gather(*(one.token() for _ in range(1000)), return_exceptions=True)
        assert all(isinstance(error, TokenError) for error in errors)
        assert len(set(map(id, errors))) == 1000  # each may be told where it happened
        assert len(endpoint.requests) == 1


@both
class TestRefusals:
    async def test_a_refused_refresh_token_needs_consent_and_is_not_shown_again(self, one, endpoint):
        await shop(one, endpoint, refreshToken="rt-unknown")
        for _ in range(3):
            error = await refused(one.token())
            assert error.code == ErrorCode.CONSENT_NEEDED
            assert "the refresh token is not good any more" in error.message
            assert "crash" not in error.message
            assert "authorize the connection" in error.hint
        assert len(endpoint.requests) == 1
        await one.repository.update("shop", {"refreshToken": endpoint.consent()})
        assert endpoint.accepts(await one.token()) == USER

    async def test_a_connection_without_consent_says_how_to_get_it(self, one, endpoint):
        await shop(one, endpoint, accessToken=None, expiryDate=None, refreshToken=None)
        error = await refused(one.token())
        assert error.code == ErrorCode.CONSENT_NEEDED
        assert "authorize the connection" in error.hint

    async def test_an_access_token_alone_works_until_its_end_and_then_says_so(self, one, clock):
        fields = {"hosts": ["mail.example"], "user": USER, "accessToken": "at-1", "expiryDate": in_ms(30)}
        await one.repository.create("shop", "oauth2", fields)
        assert await one.token() == "at-1"
        clock.move(31)
        error = await refused(one.token())
        assert error.code == ErrorCode.TOKEN_EXPIRED
        assert "has expired" in error.message

    async def test_an_access_token_alone_that_a_server_refused(self, one):
        await one.repository.create("shop", "oauth2", {"hosts": ["mail.example"], "user": USER, "accessToken": "at-1"})
        error = await refused(one.renewed("at-1"))
        assert error.code == ErrorCode.TOKEN_EXPIRED
        assert "was refused by the server" in error.message

    async def test_a_connection_that_is_gone(self, one, other, endpoint):
        await shop(one, endpoint)
        login = (await one.repository.get("shop")).login
        await other.repository.delete("shop")
        with pytest.raises(ConnectionsError) as caught:
            await login.tokens.token()
        assert caught.value.code == ErrorCode.UNKNOWN_CONNECTION

    async def test_an_edit_makes_other_tokens_of_its_own(self, one, other, endpoint):
        await shop(one, endpoint)
        before = (await one.repository.get("shop")).login
        assert (await one.repository.get("shop")).login == before
        await other.repository.update("shop", {"from": "Shop <shop@mail.example>"})
        assert (await one.repository.get("shop")).login != before
        assert endpoint.accepts(await one.token()) == USER


class TestOtherGrants:
    async def test_client_credentials(self, one, endpoint, clock):
        await one.repository.create(
            "shop",
            "oauth2ClientCredentials",
            {"hosts": ["mail.example"], "user": USER, "accessUrl": endpoint.url, "scope": "smtp", **APP},
        )
        assert endpoint.accepts(await one.token()) == USER
        clock.move(4000)
        assert endpoint.accepts(await one.token()) == USER
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        assert endpoint.requests == [{**form, "scope": "smtp"}] * 2

    async def test_a_service_account_is_told_what_may_be_wrong(self, one, endpoint):
        key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        await one.repository.create(
            "shop",
            "oauth2ServiceAccount",
            {
                "hosts": ["mail.example"],
                "user": USER,
                "accessUrl": endpoint.url,
                "serviceClient": "robot",
                "privateKey": key.decode(),
            },
        )
        endpoint.fail_next(refusal("invalid_grant", "Invalid JWT Signature."))
        error = await refused(one.token())
        assert "domain-wide delegation" in error.hint
        assert (await one.repository.show("shop"))["state"] == "ready"

    @pytest.mark.parametrize(
        ("word", "description", "remedy"),
        [
            ("invalid_grant", "Token has been expired or revoked.", "In production"),
            ("invalid_grant", "AADSTS50173: The provided grant has expired due to it being revoked.", "password"),
            ("invalid_grant", "AADSTS700082: The refresh token has expired due to inactivity.", "too long"),
            ("invalid_grant", "reauth related error (invalid_rapt)", "session control"),
            ("interaction_required", "AADSTS50076: you must use multi-factor authentication", "second factor"),
            ("interaction_required", "AADSTS53003: Access has been blocked", "Conditional Access"),
            ("consent_required", "AADSTS65001: The user has not consented", "administrator"),
            ("login_required", "", "authorize the connection again"),
        ],
    )
    async def test_who_must_come_by_again_is_told_so_and_what_else_helps(
        self, one, endpoint, word, description, remedy
    ):
        await shop(one, endpoint)
        endpoint.fail_next(refusal(word, description))
        error = await refused(one.token())
        assert error.code == ErrorCode.CONSENT_NEEDED
        assert "authorize the connection again" in error.hint
        assert remedy in error.hint
        assert (await one.repository.show("shop"))["state"] == "needsConsent"


class TestWhatIsKept:
    async def test_no_token_can_be_read_in_the_file(self, one, endpoint, tmp_path):
        await shop(one, endpoint, clientSecret=CLIENT_SECRET)
        access = await one.token()
        kept = b"".join(file.read_bytes() for file in tmp_path.glob("mailnode.db*"))
        assert CLIENT_ID.encode() in kept
        for secret in (access, endpoint.requests[0]["refresh_token"], CLIENT_SECRET, "at-old"):
            assert secret.encode() not in kept

    async def test_show_tells_their_state_and_no_secret(self, one, endpoint):
        await shop(one, endpoint)
        access = await one.token()
        shown = await one.repository.show("shop")
        assert shown["state"] == "ready"
        assert shown["secrets"] == ["accessToken", "clientSecret", "refreshToken"]
        assert in_ms(3500) < shown["expiryDate"] < in_ms(3700)
        assert access not in json.dumps(shown)
        assert access not in repr(await one.repository.get("shop"))

    async def test_show_tells_what_the_last_renewal_came_to(self, one, endpoint):
        endpoint.fail_next(DEAD)
        await shop(one, endpoint)
        error = await refused(one.token())
        assert (await one.repository.show("shop"))["trouble"] == error.message

    async def test_deleting_a_connection_deletes_its_tokens(self, one, endpoint, tmp_path):
        await shop(one, endpoint)
        await one.repository.delete("shop")
        with closing(sqlite3.connect(tmp_path / "mailnode.db")) as file:
            assert file.execute("SELECT count(*) FROM tokens").fetchone() == (0,)


def tamper(home, **columns):
    """Change the row by another hand than ours."""
    with closing(sqlite3.connect(home / "mailnode.db")) as db, db:
        for column, value in columns.items():
            db.execute(f"UPDATE tokens SET {column} = ?", (value,))


class TestARowThatAnotherHandHasChanged:
    @pytest.mark.parametrize(
        "columns",
        [
            {"secrets": "{bad"},
            {"secrets": "[1]"},
            {"secrets": '{"refreshToken": 5}'},
            {"trouble": "x"},
            {"trouble": "[1]"},
            {"trouble": '{"message": "m", "code": "nope"}'},
            {"trouble": '{"code": "consentNeeded"}'},
            {"generation": "x"},
            {"generation": 2**63 - 1},
            {"refreshing_until": "x"},
            {"expires_at": 2**62},
            {"in_doubt_since": 2**62},
            {"failures": -5},
            {"retry_at": "x"},
        ],
    )
    async def test_is_told_with_the_remedy_which_helps(self, one, endpoint, tmp_path, columns):
        await shop(one, endpoint)
        tamper(tmp_path, **columns)
        for work in (
            one.token,
            lambda: one.repository.renew("shop"),
            lambda: one.repository.update("shop", {"scope": "x"}),
        ):
            with pytest.raises(StoreError, match="'shop'") as caught:
                await work()
            assert "delete the connection" in caught.value.hint
        assert endpoint.requests == []
        await one.repository.delete("shop")
        await shop(one, endpoint)
        assert endpoint.accepts(await one.token()) == USER

    @pytest.mark.parametrize("columns", [{"secrets": "{bad"}, {"trouble": "[1]"}])
    async def test_is_told_where_it_would_be_shown(self, one, endpoint, tmp_path, columns):
        await shop(one, endpoint)
        tamper(tmp_path, **columns)
        with pytest.raises(StoreError, match="'shop'"):
            await one.repository.show("shop")
        (listed,) = await one.repository.list()
        assert (listed["name"], listed["state"], listed["secrets"]) == ("shop", "unreadable", [])
        assert "are damaged" in listed["trouble"]


async def test_a_claim_made_by_a_clock_that_was_set_back_since_ends_all_the_same(one, endpoint, tmp_path):
    await shop(one, endpoint)
    tamper(tmp_path, refreshing_by=one.process.id, refreshing_until=in_ms(86_400))
    elapsed = iter([0.0, 1.0, 59.0, 61.0])
    one.keeper._ticks = lambda: next(elapsed)
    assert endpoint.accepts(await one.token()) == USER
    assert len(endpoint.requests) == 1
