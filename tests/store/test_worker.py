from typing import Any

import pytest

from mailnode.errors import StoreError
from mailnode.store.flock_worker import FlockWorker

NO_DATABASE: Any = None


def test_a_worker_lives_as_long_as_it_holds_its_lock(tmp_path):
    with FlockWorker(tmp_path / "workers") as one, FlockWorker(tmp_path / "workers") as other:
        other_id = other.id
        assert one.alive(NO_DATABASE, one.id)
        assert one.alive(NO_DATABASE, other_id)
        other.close()
        assert not one.alive(NO_DATABASE, other_id)
        assert not one.alive(NO_DATABASE, "nobody")


def test_a_place_that_is_no_folder_is_named_with_the_remedy(tmp_path):
    place = tmp_path / "workers"
    place.write_text("in the way")
    with pytest.raises(StoreError) as caught:
        FlockWorker(place)
    assert str(place) in str(caught.value)
    assert caught.value.hint
