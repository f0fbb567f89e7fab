import base64
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailnode.connections.secrets.cipher import Cipher
from mailnode.errors import ErrorCode, StoreError

FIRST, SECOND = (base64.b64encode(octet * 32).decode() for octet in (b"\1", b"\2"))
CIPHER = Cipher([b"\1" * 32])


def refused(error):
    assert error.code is ErrorCode.WRONG_SECRET_KEY
    assert error.hint
    return error.message


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_opens_again(secret):
    assert CIPHER.unseal(CIPHER.seal(secret, "id", "password"), "id", "password") == secret


def test_a_sealed_secret_says_its_version_and_key_and_differs_each_time():
    one, other = (CIPHER.seal("hunter2", "id", "password") for _ in range(2))
    assert one != other
    assert one.split(".")[:2] == ["v1", CIPHER.key_id]
    assert "hunter2" not in one


@pytest.mark.parametrize(("connection", "field"), [("id2", "password"), ("id", "dkim.privateKey"), ("idp", "assword")])
def test_a_secret_that_was_moved_does_not_open(connection, field):
    sealed = CIPHER.seal("hunter2", "id", "password")
    with pytest.raises(StoreError) as caught:
        CIPHER.unseal(sealed, connection, field)
    refused(caught.value)


@given(st.data())
def test_a_secret_that_was_changed_does_not_open(data):
    sealed = CIPHER.seal("hunter2", "id", "password")
    octets = bytearray(base64.urlsafe_b64decode(sealed.split(".")[2]))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    changed = ".".join([*sealed.split(".")[:2], base64.urlsafe_b64encode(octets).decode()])
    with pytest.raises(StoreError) as caught:
        CIPHER.unseal(changed, "id", "password")
    refused(caught.value)


@given(st.text())
def test_what_is_no_sealed_secret_does_not_open(text):
    with pytest.raises(StoreError) as caught:
        CIPHER.unseal(f"v1.{CIPHER.key_id}.{text}", "id", "password")
    refused(caught.value)


def test_several_keys_read_and_the_first_one_writes(tmp_path):
    old = Cipher.open(tmp_path, FIRST)
    new = Cipher.open(tmp_path, f"{SECOND}, {FIRST}")
    assert new.unseal(old.seal("hunter2", "id", "f"), "id", "f") == "hunter2"
    sealed = new.seal("hunter2", "id", "f")
    assert Cipher.open(tmp_path, SECOND).unseal(sealed, "id", "f") == "hunter2"
    with pytest.raises(StoreError, match="not available") as caught:
        old.unseal(sealed, "id", "f")
    refused(caught.value)


@pytest.mark.parametrize("text", ["no Base64!", FIRST[:-8], f"{FIRST},", "é", base64.b64encode(b"x" * 64).decode()])
def test_a_key_that_is_none_is_refused_without_showing_it(tmp_path, text):
    with pytest.raises(StoreError, match="MAILNODE_SECRET_KEY contains no valid key") as caught:
        Cipher.open(tmp_path, text)
    refused(caught.value)
    assert text not in str(caught.value)


def test_a_given_key_makes_no_file(tmp_path):
    Cipher.open(tmp_path, FIRST)
    assert list(tmp_path.iterdir()) == []


def test_the_key_file_is_made_once_for_its_owner_alone(tmp_path):
    home = tmp_path / "home"
    sealed = Cipher.open(home, None).seal("hunter2", "id", "f")
    assert Cipher.open(home, None).unseal(sealed, "id", "f") == "hunter2"
    (file,) = home.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_processes_that_race_for_the_first_key_all_get_the_same(tmp_path):
    code = (
        "import sys; from pathlib import Path; from mailnode.connections.secrets.cipher import Cipher\n"
        "sys.stdin.read(); print(Cipher.open(Path(sys.argv[1]), None).key_id)"
    )
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "home"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    # The end of its input sets each one off.
    for process in crowd:
        assert process.stdin
        process.stdin.close()
        process.stdin = None
    ids = {process.communicate(timeout=60)[0].strip() for process in crowd}
    assert ids == {Cipher.open(tmp_path / "home", None).key_id}
    assert [file.name for file in (tmp_path / "home").iterdir()] == ["secret.key"]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 44])
def test_a_damaged_key_file_is_refused_and_stays(tmp_path, content):
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(StoreError, match=r"secret\.key"):
        Cipher.open(tmp_path, None)
    assert (tmp_path / "secret.key").read_bytes() == content


def test_a_home_that_can_not_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be read"):
        Cipher.open(tmp_path / "file", None)


def test_a_cipher_shows_no_key():
    assert "\\x01" not in repr(CIPHER)


def test_cryptography_is_not_imported_before_it_is_needed():
    code = (
        "import sys, mailnode.connections.repository; print({'cryptography', 'pydantic', 'alembic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
