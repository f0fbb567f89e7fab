import copy
import pickle
import traceback

import pytest

from mailnode import errors
from mailnode.errors import MailnodeError, SessionLost

CLASSES = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, MailnodeError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_pickling_with_all_it_says(kind):
    error = kind("no", hint="do", transient=True).locate(file="f", line=3, node="n", key="k")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == "f, line 3, node n, k: no"


@pytest.mark.parametrize("kind", CLASSES)
def test_the_tree_in_the_docstring_names_it(kind):
    assert kind.__name__ in (errors.__doc__ or "")


def test_a_traceback_shows_the_hint_once_and_the_message_does_not():
    error = MailnodeError("no", hint="first")
    error.add_note("from elsewhere")
    error.hint = "do this"
    for one in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        shown = "".join(traceback.format_exception(one))
        assert shown.splitlines() == ["mailnode.errors.MailnodeError: no", "hint: do this", "from elsewhere"]
        assert str(one) == "no"
    assert traceback.format_exception(MailnodeError("no")) == ["mailnode.errors.MailnodeError: no\n"]


def test_keys_are_joined_from_the_outside_in():
    error = MailnodeError("no").locate(key="url").locate(key="attachments[1]").locate(key="settings")
    assert error.key == "settings.attachments[1].url"
    assert MailnodeError("no").locate(key="[0]").locate(key="hosts").key == "hosts[0]"


def test_the_inner_place_stays():
    error = MailnodeError("no").locate(node="inner", line=1).locate(node="outer", line=2, file="f")
    assert (error.node, error.line, error.file) == ("inner", 1, "f")


def test_a_session_lost_after_the_dot_says_so_in_its_code():
    assert SessionLost("no", unknown=True).code == "unknownOutcome"
    assert SessionLost("no").code == "sessionLost"
