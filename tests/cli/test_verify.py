"""`mailnode verify` and `mailnode connections test`, as processes, at servers of the test's own."""

import json

import pytest

from support.aiosmtp import submission
from support.command import mailnode
from support.scripted_smtp import ScriptedServer
from support.tls import ca_pem, server_context


@pytest.fixture
def ca(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text(ca_pem())
    return path


@pytest.fixture
def home(tmp_path):
    return {"MAILNODE_HOME": str(tmp_path / "home")}


def at(server, tls_option):
    return ("--host", "127.0.0.1", "--port", str(server.port), "--tls-option", tls_option)


async def create(home, **fields):
    given = json.dumps({"hosts": ["127.0.0.1"], "username": "user", "password": "pencil", **fields})
    done = await mailnode("connections", "create", "shop", "--from-json", "-", stdin=given, **home)
    assert done.status == 0, done.stderr


async def test_a_good_server_is_well_and_gets_no_mail(home, ca):
    async with ScriptedServer(tls=server_context()) as server:
        tried = ("--from", "a@x.example", "--to", "b@y.example")
        done = await mailnode("verify", *at(server, "starttls"), "--ca", ca, *tried, **home)
    assert done.status == 0, done.stdout
    assert f"no problems: --host 127.0.0.1 --port {server.port} --tls-option starttls" in done.stdout
    assert "b@y.example" in done.stdout
    assert not server.accepted
    assert not server.visit.count("DATA")


async def test_a_wrong_tls_option_is_named_with_the_settings_that_would_work(home, ca):
    async with ScriptedServer(tls=server_context()) as server:
        done = await mailnode("verify", *at(server, "tls"), "--ca", ca, **home)
    assert done.status == 1
    assert "greets in clear text" in done.stdout
    assert "set --tls-option to starttls" in " ".join(done.stdout.split())
    assert "tlsOption" not in done.stdout
    assert f"settings that would work: --host 127.0.0.1 --port {server.port} --tls-option starttls" in done.stdout


async def test_a_step_is_a_line_with_its_mark_and_its_hint_below(home, ca):
    async with ScriptedServer(tls=server_context(expired=True), implicit_tls=True) as server:
        done = await mailnode("verify", *at(server, "tls"), "--ca", ca, **home)
    assert done.status == 1
    lines = done.stdout.splitlines()
    assert lines[0] == f"127.0.0.1:{server.port}, TLS option tls"
    assert [line.split()[:2] for line in lines[2:4]] == [["✓", "resolve"], ["✓", "connect"]]
    assert lines[4].startswith("✗  tls")
    assert "it expired on 2020-01-01" in lines[4]
    assert lines[5].strip() == "hint: ask the server's operator to renew the certificate"
    assert lines[-1] == "failed: tls; no email was sent"


async def test_a_terminal_without_unicode_gets_letters(home):
    async with ScriptedServer() as server:
        done = await mailnode("verify", *at(server, "none"), PYTHONIOENCODING="latin-1", **home)
    assert done.status == 0, done.stderr
    assert done.stdout.splitlines()[2].startswith("o  resolve")


async def test_the_findings_are_json_for_programs(home):
    async with ScriptedServer({"MAIL": "550 5.7.1 not you"}) as server:
        done = await mailnode("verify", *at(server, "none"), "--from", "a@x.example", "--json", **home)
    assert done.status == 1
    assert not done.json["ok"]
    (failed,) = [finding for finding in done.json["findings"] if finding["status"] == "failed"]
    assert (failed["step"], failed["code"]) == ("mail", "senderRefused")
    assert "550 5.7.1 not you" in failed["found"]
    assert failed["hint"]


async def test_a_connection_is_tested_with_its_own_server(home):
    await create(home)
    async with submission(login=True) as server:
        done = await mailnode("connections", "test", "shop", "--port", str(server.port), "--tls-option", "none", **home)
    assert done.status == 0, done.stdout
    assert "logged in as user" in done.stdout
    assert "tested" in (await mailnode("connections", "list", **home)).stdout
    assert (await mailnode("connections", "test", "shop", "--port", str(server.port), **home)).status == 1
    assert "test failed" in (await mailnode("connections", "list", **home)).stdout


async def test_a_wrong_password_is_refused_and_never_shown(home):
    await create(home, password="hunter2")
    async with submission(login=True) as server:
        done = await mailnode("verify", *at(server, "none"), "--connection", "shop", **home)
    assert done.status == 1
    assert "check user name and password" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give --service, --host or --connection"),
        (("--host", "127.0.0.1", "--to", "b@y.example"), "give a sender"),
        (("--host", "127.0.0.1", "--from", "nobody"), "nobody"),
        (("--host", "127.0.0.1:25"), "mailnode: --host: '127.0.0.1:25' is not a valid value"),
        (("--connection", "nowhere"), "nowhere"),
    ],
)
async def test_bad_usage_is_said_with_its_remedy(home, arguments, said):
    done = await mailnode("verify", *arguments, **home)
    assert done.status == 2
    assert said in done.stderr
    assert "hint:" in done.stderr


@pytest.mark.parametrize(("host", "shown"), [("bücher.invalid", "xn--bcher-kva.invalid:9,"), ("[::1]", "[::1]:9,")])
async def test_a_host_is_taken_as_people_write_it(home, host, shown):
    done = await mailnode("verify", "--host", host, "--port", "9", **home)
    assert done.status == 1
    assert done.stdout.startswith(shown)


async def test_a_connection_with_several_hosts_wants_to_know_which(home):
    await create(home, hosts=["a.example", "b.example"])
    done = await mailnode("connections", "test", "shop", **home)
    assert done.status == 2
    assert "choose one of them" in done.stderr
