import hashlib
import os
from datetime import timedelta

import pytest

from studio.kit.clock import utc_now
from studio.providers import storage as storages
from studio.providers.storage import LocalStorage, MissingObjectError, StorageError, key_of


def key(data: bytes) -> str:
    return key_of(hashlib.sha256(data).hexdigest())


class TestKeyOf:
    def test_spreads_objects_over_folders(self):
        sha256 = "ab" + "cd" + "0" * 60
        assert key_of(sha256) == f"ab/cd/{sha256}"

    @pytest.mark.parametrize("name", ["", "avatar.png", "../../etc/passwd", "A" * 64, "ab/cd" + "0" * 59])
    def test_takes_nothing_but_a_hash(self, name):
        with pytest.raises(ValueError):
            key_of(name)


class TestLocalStorage:
    def test_gives_back_what_was_put(self, storage):
        storage.put(key(b"hello"), b"hello")
        assert storage.get(key(b"hello")) == b"hello"
        assert storage.exists(key(b"hello"))
        assert storage.size(key(b"hello")) == 5

    def test_puts_twice_as_once(self, storage):
        storage.put(key(b"hello"), b"hello")
        storage.put(key(b"hello"), b"hello")
        assert storage.get(key(b"hello")) == b"hello"

    def test_heals_an_object_that_was_cut_off(self, storage, tmp_path):
        storage.put(key(b"hello"), b"hello")
        place = tmp_path / "media" / key(b"hello")
        place.write_bytes(b"he")
        storage.put(key(b"hello"), b"hello")
        assert storage.get(key(b"hello")) == b"hello"

    def test_says_that_an_object_is_missing(self, storage):
        with pytest.raises(MissingObjectError):
            storage.get(key(b"nothing"))
        with pytest.raises(MissingObjectError):
            storage.size(key(b"nothing"))

    def test_deletes_twice_as_once(self, storage):
        storage.put(key(b"hello"), b"hello")
        storage.delete(key(b"hello"))
        storage.delete(key(b"hello"))
        assert not storage.exists(key(b"hello"))

    def test_drops_what_a_killed_worker_had_half_written_after_a_day(self, storage, tmp_path):
        storage.put(key(b"hello"), b"hello")
        place = tmp_path / "media" / key(b"hello")
        part = int(place.name[:2], 16)
        staged = [place.with_name(f"{place.name}#{number}") for number in (1, 2)]
        for one in (*staged, place.with_name("notes#1")):
            one.write_bytes(b"hel")
        old = (utc_now() - timedelta(days=2)).timestamp()
        for one in (staged[0], place.with_name("notes#1"), place):
            os.utime(one, (old, old))
        before = utc_now() - timedelta(days=1)
        assert storage.drop_staged(part, before=before) == 1
        assert not staged[0].exists()
        # What is being written just now, what is whole and what is not ours stay.
        assert staged[1].exists()
        assert place.with_name("notes#1").exists()
        assert storage.get(key(b"hello")) == b"hello"
        assert storage.drop_staged((part + 1) % 256, before=before) == 0

    @pytest.mark.parametrize("name", ["../outside", "/absolute", "ab/cd/../../../x", "avatar.png"])
    def test_takes_no_path(self, storage, name):
        with pytest.raises(ValueError):
            storage.put(name, b"hello")

    def test_leaves_no_folder_behind_before_it_is_used(self, tmp_path):
        LocalStorage(tmp_path / "never")
        assert not (tmp_path / "never").exists()

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_says_so_where_the_folder_cannot_be_written(self, tmp_path):
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(StorageError):
            LocalStorage(tmp_path / "locked").put(key(b"hello"), b"hello")

    def test_is_what_the_settings_name(self, settings):
        made = storages.from_settings(settings)
        made.put(key(b"hello"), b"hello")
        assert (settings.media_folder / key(b"hello")).read_bytes() == b"hello"
