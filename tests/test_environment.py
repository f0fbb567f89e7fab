import base64
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from mailnode.environment import Environment, open_database
from mailnode.errors import StoreError, UsageError
from mailnode.smtp.proxy import Proxy


def test_a_proxy_is_read():
    environment = Environment.read({"MAILNODE_SMTP_PROXY": "socks5://10.0.0.1:1080"})
    assert environment.smtp_proxy == Proxy("socks5", "10.0.0.1", 1080)


def test_an_empty_variable_is_none():
    environment = Environment.read({"MAILNODE_SMTP_PROXY": "", "MAILNODE_EHLO_NAME": ""})
    assert (environment.smtp_proxy, environment.ehlo_name) == (None, None)


def test_line_ends_of_files_that_variables_come_from_are_none_of_them():
    given = {"EHLO_NAME": "mail.example\n", "TOKEN": " \n", "SECRET_KEY": "a2V5\r\n", "NOTIFICATION_PORT": "587\n"}
    environment = Environment.read({f"MAILNODE_{name}": text for name, text in given.items()})
    assert (environment.ehlo_name, environment.token, environment.secret_key) == ("mail.example", None, "a2V5")
    assert environment.notification == {"MAILNODE_NOTIFICATION_PORT": "587"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MAILNODE_EHLO_NAME", "two words"),
        ("MAILNODE_EHLO_NAME", "a\r\nMAIL"),
        ("MAILNODE_SMTP_PROXY", "ftp://proxy:1"),
        ("MAILNODE_REDIRECT_ALL_TO", "nobody"),
    ],
)
def test_a_value_that_is_none_is_blamed_on_its_variable(name, text):
    with pytest.raises(UsageError) as caught:
        Environment.read({name: text})
    assert str(caught.value).startswith(f"{name}: ")
    assert caught.value.hint


def test_a_database_for_many_machines_needs_a_key_that_all_have(postgres_url):
    environment = Environment.read({"MAILNODE_DATABASE_URL": postgres_url})
    with pytest.raises(StoreError, match="MAILNODE_SECRET_KEY is not set") as caught:
        open_database(environment)
    assert "openssl" in caught.value.hint
    key = base64.b64encode(b"1" * 32).decode()
    open_database(replace(environment, secret_key=key)).close()


def test_what_the_environment_holds_is_shown_without_its_secrets():
    variables = {"MAILNODE_DATABASE_URL": "postgresql://a:canary@b/c", "MAILNODE_SECRET_KEY": "canary"}
    environment = Environment.read(variables)
    assert "canary" not in repr(environment)


def test_the_libraries_for_postgresql_are_loaded_for_it_alone(tmp_path):
    code = (
        "import sys; from mailnode.environment import *; open_database(Environment.read()).close();"
        "print({'psycopg', 'procrastinate'} & set(sys.modules))"
    )
    variables = {**os.environ, "MAILNODE_DATABASE_URL": f"sqlite:///{tmp_path}/other.db"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"set()\n"
    assert (tmp_path / "other.db").exists()
