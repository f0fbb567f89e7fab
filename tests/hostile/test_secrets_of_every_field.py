"""A canary in every secret field and variable: no database, page, answer, command or process tells a piece of one."""

import base64
import json
import pickle
import re
import traceback
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import click
import pytest
from sqlalchemy import text

from mailnode.app import Mailnode
from mailnode.cli.main import cli, main
from mailnode.connections import values
from mailnode.connections.fields import COMMON, DKIM, SECRET_PATHS, TYPE_FIELDS
from mailnode.connections.token_rows import TOKEN_FIELDS
from mailnode.delivery.route import OtherServer, route
from mailnode.environment import Environment, open_connections
from mailnode.errors import MailnodeError
from mailnode.node.expression import Evaluator
from mailnode.node.template import parse_template
from mailnode.store import retry
from mailnode.web import application
from support.canaries import (
    DATABASE_PASSWORD,
    ENVIRONMENT,
    PASSPHRASE,
    SECRET_CHECKS,
    URL_PASSWORD,
    connection_fields,
    scan,
    secret_fields,
)
from support.command import mailnode as command
from support.flows import to_server, write_flow
from support.scripted_smtp import ScriptedServer
from support.web import asking, opened_site

PUBLIC_CHECKS = {
    *(values.to_addr_spec, values.to_expiry, values.to_flag, values.to_hosts, values.to_mailbox, values.to_recipients),
    *(values.to_service, values.to_tenant, values.to_text, values.to_texts, values.to_tls_option, values.to_url),
}
OFFER = ("PIPELINING", "AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2")
QUOTES = {"AUTH": "535 5.7.8 no: {said}"}
MIME = "https://jane:{}@files.example/a.pdf"


def checks():
    return [*COMMON.items(), *DKIM.items(), *(item for kind in TYPE_FIELDS.values() for item in kind.checks.items())]


def test_every_check_of_a_field_is_one_of_secrets_or_one_of_what_may_be_shown():
    """A new one is decided upon here, and so gets its canary."""
    known = {check.__name__ for check in SECRET_CHECKS | PUBLIC_CHECKS} | {"to_rate_limit", "_dkim"}
    assert {check.__name__ for _, check in checks()} == known


@pytest.mark.parametrize("kind", TYPE_FIELDS)
def test_every_secret_field_is_kept_sealed(kind):
    assert secret_fields(kind) <= {*SECRET_PATHS, *TOKEN_FIELDS}


@pytest.fixture
def variables(monkeypatch):
    for name, secret in ENVIRONMENT.items():
        if name != "MAILNODE_SMTP_PROXY":
            monkeypatch.setenv(name, secret)


def flow_of(folder, port, kind):
    settings = to_server(port, connection=kind, timeoutSeconds=1, content="<p>{{ (() => 1 + 1)() }}</p>")
    wrong = settings | {"attachments": [{"type": "url", "url": MIME.format(URL_PASSWORD)}]}
    return write_flow(
        folder,
        {"id": "tell", "type": "sendSmtpEmail", "settings": settings},
        {"id": "fetch", "type": "sendSmtpEmail", "settings": wrong},
        {"id": "later", "type": "sendSmtpEmail", "settings": settings | {"asynchronous": True}},
        name=f"{kind}.json",
    )


async def used(mailnode, folder, port):
    """Have a connection of each type, and use it; what was told by it."""
    for kind in TYPE_FIELDS:
        await mailnode.connections.create(kind, kind, connection_fields(kind))
        await mailnode.connections.create(f"{kind}-proxy", kind, connection_fields(kind, proxy=True))
        yield await mailnode.run(flow_of(folder, port, kind), run_id=kind)


def without_own(told):
    """What the author of a flow has put into it is the author's."""
    return told.replace(MIME.format(URL_PASSWORD), "")


@pytest.fixture
def heard(caplog):
    caplog.set_level("DEBUG")
    yield caplog
    scan(caplog.text, "a log")


async def test_no_database_file_result_or_object_tells_one(home, tmp_path, variables, heard, database_kind):
    async with ScriptedServer(QUOTES, extensions=OFFER) as server, Mailnode.open() as mailnode:
        async for ran in used(mailnode, tmp_path, server.port):
            scan(without_own(json.dumps(ran.to_json())), "a run")
            scan(pickle.dumps(ran.nodes[0].result), "a pickle")
        for kind in TYPE_FIELDS:
            connection = await mailnode.connections.get(kind)
            way = route(OtherServer(host="127.0.0.1", port=server.port, tls_option="none"), connection)
            scan(
                f"{connection!r}{connection}{way!r}{connection.login!r}{connection.grant!r}{connection.dkim!r}",
                "a repr",
            )
            scan(json.dumps(await mailnode.connections.show(kind)), "what is shown")
        scan(f"{mailnode!r}{Environment.read(ENVIRONMENT)!r}", "a repr")
    async with open_connections(Environment.read()) as opened:
        scan(repr(opened), "a repr")
        scan(await opened.database.read(dumped), "the database")
    scan_files(home)


def dumped(db):
    """Every row of every table."""
    if db.dialect.name == "sqlite":
        names = db.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    else:
        names = db.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
    assert len(names) > 10
    return "".join(str(db.execute(text(f'SELECT * FROM "{name}"')).all()) for name in names)


def scan_files(home):
    """Free pages and the write-ahead log too; the key's own file has the key."""
    for file in home.rglob("*"):
        if file.is_file() and file.name not in {"secret.key", "token"}:
            scan(file.read_bytes(), file.name)


async def test_deleted_and_changed_secrets_leave_nothing(home, variables):
    async with Mailnode.open() as mailnode:
        for kind in TYPE_FIELDS:
            await mailnode.connections.create(kind, kind, connection_fields(kind))
            with suppress(MailnodeError):
                await mailnode.connections.update(kind, {"proxy": connection_fields(kind, proxy=True)["proxy"]})
            await mailnode.connections.delete(kind)
        scan_files(home)
    scan_files(home)


async def test_no_answer_of_the_web_tells_one(home, tmp_path, variables, heard):
    async with ScriptedServer(QUOTES, extensions=OFFER) as server, opened_site(home) as site:
        app = application.create_app(site, ENVIRONMENT["MAILNODE_TOKEN"])
        async with asking(app, ENVIRONMENT["MAILNODE_TOKEN"]) as client:
            async for _ in used(site.mailnode, tmp_path, server.port):
                pass
            shop = {"text": flow_of(tmp_path, server.port, "basic").read_text(), "format": "json"}
            flow = (await client.post("/api/flows", json=shop)).json()["name"]
            deliveries = (await client.get("/api/deliveries")).json()
            names = {
                "flow": flow,
                "number": ["1", "0", "x"],
                "delivery_id": [found["deliveryId"] for found in deliveries["deliveries"][:2]],
            }
            count = 0
            for method, path in sorted(walked()):
                for place in placed(path, names):
                    for body in bodies() if method in {"POST", "PUT", "PATCH"} else [None]:
                        answer = await client.request(method, place, json=body)
                        count += 1
                        scan(without_own(answer.text), f"{method} {place}")
                        scan(str(answer.headers), f"{method} {place}")
            assert count > 700, count


def walked():
    """Every route, but those that delete, and the streams, whose first event is what the page beside them has."""
    for module in (*application.API, *application._PAGES):
        for found in module.router.routes:
            for method in found.methods - {"HEAD", "DELETE"}:
                if "/live" not in found.path and found.path not in {"/logout", "/login"}:
                    yield method, found.path


def placed(path, names):
    places = [path]
    for name in re.findall(r"{(\w+)[^}]*}", path):
        fills = names.get(name) or ["basic", "oauth2", names["flow"], "basic-proxy", "nobody"]
        places = [re.sub(rf"{{{name}[^}}]*}}", fill, place, count=1) for place in places for fill in fills]
    return places


def bodies():
    """What is refused, or changes nothing that matters, with secrets in every place."""
    yield {}
    yield {"name": "x" * 300, "type": "basic", "fields": connection_fields("basic", password=["no"])}
    for kind in TYPE_FIELDS:
        fields = connection_fields(kind, proxy=True, strange=connection_fields("basic")["password"])
        yield {"name": "new", "type": kind, "fields": fields}
        yield {"name": "new", "type": kind, **fields}
        yield {"fields": fields, "settings": fields, "text": json.dumps(fields), "passphrase": PASSPHRASE}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://jane:{}@127.0.0.1:9/mail",
        "postgresql://jane:{}@127.0.0.1:x/mail",
        "postgresql://jane:{}@[::1/mail",
        "mysql://jane:{}@127.0.0.1/mail",
        "postgresql://127.0.0.1:9/mail?password={}&user=jane",
        "postgresql://jane:{}@127.0.0.1:9/mail?strange=1",
        "host=127.0.0.1 port=9 password={}",
        "sqlite:////proc/nowhere/mail.db?mode=ro&password={}",
    ],
)
async def test_no_error_of_a_database_tells_its_password(url, monkeypatch, heard, variables):
    monkeypatch.setenv("MAILNODE_DATABASE_URL", url.replace("{}", DATABASE_PASSWORD))
    monkeypatch.setattr(retry, "RETRY_SECONDS", 0.0)
    try:
        async with Mailnode.open():
            pass
    except MailnodeError as error:
        scan("".join(traceback.format_exception(error)) + error.hint + repr(vars(error)), "an error")
    said = await command("deliveries", "list")
    scan(said.stdout + said.stderr, "the command")


def test_no_command_tells_one(home, tmp_path, variables, capsys):
    phrase = tmp_path / "phrase"
    phrase.write_text(PASSPHRASE)
    by = ("--passphrase-file", phrase)
    commands = [("services",), ("worker", "--drain")]
    for kind in TYPE_FIELDS:
        right, wrong = tmp_path / f"{kind}.fields", tmp_path / f"{kind}.wrong"
        right.write_text(json.dumps(connection_fields(kind)))
        wrong.write_text(json.dumps(connection_fields(kind, strange=1, proxy=True)))
        commands += [("connections", "create", kind, "--type", kind, "--from-json", right)]
        commands += [("connections", "create", "bad", "--type", kind, "--from-json", wrong)]
        commands += [("connections", "update", kind, "--from-json", wrong), ("connections", "show", kind)]
        commands += [("preview", flow_of(tmp_path, 9, kind), "--node", "tell")]
    commands += [("connections", "list"), ("connections", "list", "--json"), ("deliveries", "list", "--json")]
    commands += [("snapshot", "create", "kept", *by, "--yes"), ("snapshot", "list"), ("snapshot", "show", "kept", *by)]
    statuses = []
    for arguments in commands:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        statuses.append(ended.value.code)
        scan(said.out + said.err, " ".join(map(str, arguments)))
    assert statuses.count(0) >= 2 + 3 * len(TYPE_FIELDS), statuses
    scan_files(home)


def test_no_option_takes_one():
    """Arguments are seen by everybody on the machine: secrets come by a file, by stdin or by the environment."""

    def options(command):
        yield from command.params
        context = click.Context(command)
        for name in command.list_commands(context) if isinstance(command, click.Group) else ():
            yield from options(command.get_command(context, name))

    named = [option for option in options(cli) if re.search(r"pass|secret|token|key|credential", option.name)]
    files = {"key_file", "passphrase_file", "tls_key", "submission_key"}
    assert {option.name for option in named} == {*files, "token"}
    assert {option.metavar for option in named if option.name == "token"} == {"NAME"}


def engines():
    """The processes that evaluate expressions for this one."""
    children = {pid for listed in Path("/proc/self/task").glob("*/children") for pid in listed.read_text().split()}
    found = [Path("/proc", pid) for pid in children]
    return [process for process in found if b"javascript.py" in (process / "cmdline").read_bytes()]


async def test_no_child_has_one_in_its_arguments_or_environment(monkeypatch):
    for name, secret in ENVIRONMENT.items():
        monkeypatch.setenv(name, secret)
    assert await Evaluator({}, {}).text(parse_template("{{ (() => 1 + 1)() }}")) == "2"
    assert engines()
    for process in engines():
        scan((process / "cmdline").read_bytes(), "arguments")
        environment = (process / "environ").read_bytes()
        scan(environment, "an environment")
        assert b"MAILNODE" not in environment


@pytest.mark.parametrize("form", ["{}", "x{}x", "{b64}", "{percent}"])
def test_what_is_looked_for_is_found(form):
    """A test of this test: whole, cut at either end, and encoded wherever it stands."""
    for secret in (connection_fields("basic")["password"], URL_PASSWORD, *ENVIRONMENT.values()):
        for whole in (secret, secret[:-8], secret[8:]) if form == "{}" else (secret,):
            for before in ("", "a", "ab"):
                encoded = base64.b64encode(f"{before}{whole}".encode()).decode()
                with pytest.raises(AssertionError):
                    scan(form.format(whole, b64=encoded, percent=quote(whole, safe="")))
