import pytest

from mailnode.environment import Environment
from mailnode.errors import UsageError
from mailnode.smtp.proxy import Proxy


def test_a_proxy_is_read():
    environment = Environment.read({"MAILNODE_SMTP_PROXY": "socks5://10.0.0.1:1080"})
    assert environment.smtp_proxy == Proxy("socks5", "10.0.0.1", 1080)


def test_an_empty_variable_is_none():
    environment = Environment.read({"MAILNODE_SMTP_PROXY": "", "MAILNODE_EHLO_NAME": ""})
    assert (environment.smtp_proxy, environment.ehlo_name) == (None, None)


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
