import errno
import fcntl
import os
from contextlib import closing
from typing import Any

import pytest

from mailnode.errors import StoreError
from mailnode.store.database import Database
from mailnode.store.process_lock import ProcessLock

NO_DATABASE: Any = None


def test_a_worker_lives_as_long_as_it_holds_its_lock(tmp_path):
    with ProcessLock(tmp_path / "workers") as one, ProcessLock(tmp_path / "workers") as other:
        other_id = other.id
        assert one.is_alive(NO_DATABASE, one.id)
        assert one.is_alive(NO_DATABASE, other_id)
        other.close()
        assert not one.is_alive(NO_DATABASE, other_id)
        assert not one.is_alive(NO_DATABASE, "nobody")


def test_a_place_that_is_no_folder_is_named_with_the_remedy(tmp_path):
    place = tmp_path / "workers"
    place.write_text("in the way")
    with pytest.raises(StoreError) as caught:
        ProcessLock(place)
    assert str(place) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS], ids=errno.errorcode.get)
def test_a_file_system_without_locks_is_told_with_the_remedy(tmp_path, monkeypatch, number):
    path = tmp_path / "mailnode.db"
    with closing(Database.open(path)) as database:

        def refuse(_file, _how):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", refuse)
        with pytest.raises(StoreError, match="no locks") as one:
            database.register(tmp_path / "workers")
        with pytest.raises(StoreError, match="no locks") as other:
            Database.open(tmp_path / "fresh.db")
    for caught in (one, other):
        assert os.strerror(number) in caught.value.message
        assert "PostgreSQL" in caught.value.hint
    assert not [*(tmp_path / "workers").iterdir()]


def test_a_file_system_whose_locks_keep_nobody_out_is_told_too(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda _file, _how: None)
    with pytest.raises(StoreError, match="ignores locks"):
        ProcessLock(tmp_path)
    assert not [*tmp_path.iterdir()]


def test_what_can_not_be_told_now_is_no_death(tmp_path, monkeypatch):
    with ProcessLock(tmp_path) as one, ProcessLock(tmp_path) as other:

        def none_left(*_):
            raise OSError(errno.EMFILE, "Too many open files")

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", none_left)
            with pytest.raises(StoreError, match="Too many open files") as caught:
                one.is_alive(NO_DATABASE, other.id)
        assert caught.value.transient
        assert one.is_alive(NO_DATABASE, other.id)
