import pytest

from mailnode.errors import StoreError
from mailnode.store.worker import Worker


def test_a_worker_lives_as_long_as_it_holds_its_lock(tmp_path):
    with Worker(tmp_path / "workers") as one, Worker(tmp_path / "workers") as other:
        other_id = other.id
        assert one.is_alive(one.id)
        assert one.is_alive(other_id)
        other.close()
        assert not one.is_alive(other_id)
        assert not one.is_alive("nobody")


def test_a_place_that_is_no_folder_is_named_with_the_remedy(tmp_path):
    place = tmp_path / "workers"
    place.write_text("in the way")
    with pytest.raises(StoreError) as caught:
        Worker(place)
    assert str(place) in str(caught.value)
    assert caught.value.hint
