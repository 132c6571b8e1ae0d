"""The storage against a real S3-compatible server on loopback; skipped where there is none (`make s3` brings one)."""

import hashlib
import os
import shutil
import socket
import subprocess
import time
from datetime import timedelta

import httpx2
import pytest
from pydantic import SecretStr

from studio.kit.clock import utc_now
from studio.media import files, library, uploads, variants
from studio.media.models import MediaFile
from studio.providers import storage as storages
from studio.providers.storage import MissingObjectError, StorageError, key_of
from tests.factories.media import picture

KEY = key_of(hashlib.sha256(b"hello").hexdigest())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    command = os.environ.get("STUDIO_TEST_S3_SERVER") or shutil.which("moto_server")
    if not command:
        pytest.skip("no S3-compatible server is here; `make s3` brings one, or STUDIO_TEST_S3_SERVER names one")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path_factory.mktemp("s3") / "log").open("wb")
    process = subprocess.Popen([command, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    with httpx2.Client(trust_env=False) as client:
        for _ in range(300):
            try:
                assert client.put(f"{url}/greenroom").status_code == 200
                break
            except httpx2.HTTPError:
                time.sleep(0.1)
        yield url
    process.terminate()
    process.wait(10)
    log.close()


@pytest.fixture
def made_of(settings):
    def make(url, **changes):
        base = {
            "storage_provider": "s3",
            "storage_bucket": "greenroom",
            "storage_url": url,
            "storage_key_id": SecretStr("id"),
            "storage_key": SecretStr("secret"),
            "storage_timeout": 5.0,
        }
        return storages.from_settings(settings.model_copy(update=base | changes))

    return make


@pytest.fixture
def storage(made_of, server, request):
    # Each test has a folder of its own in the bucket.
    return made_of(server, storage_prefix=hashlib.sha256(request.node.name.encode()).hexdigest()[:12])


class TestBucket:
    def test_does_what_a_folder_does(self, storage, tmp_path):
        assert not storage.exists(KEY)
        storage.put(KEY, b"hello")
        storage.put(KEY, b"hello")
        assert (storage.get(KEY), storage.size(KEY), storage.exists(KEY)) == (b"hello", 5, True)
        assert b"".join(storage.stream(KEY)) == b"hello"
        assert b"".join(storage.stream(KEY, start=1, end=3)) == b"el"
        assert b"".join(storage.stream(KEY, start=2)) == b"llo"
        found = list(storage.walk(int(KEY[:2], 16)))
        assert [(one.sha256, one.size) for one in found] == [(KEY.rpartition("/")[2], 5)]
        assert abs(found[0].changed_at - utc_now()) < timedelta(minutes=5)
        storage.delete(KEY)
        storage.delete(KEY)
        assert not storage.exists(KEY)
        for read in (storage.get, storage.size, storage.stream):
            with pytest.raises(MissingObjectError):
                read(KEY)

    def test_takes_files_larger_than_one_request(self, storage, tmp_path):
        place = tmp_path / "large"
        place.write_bytes(os.urandom(1 << 20) * 18)
        storage.put_file(KEY, place)
        assert storage.size(KEY) == 18 << 20
        assert hashlib.sha256(b"".join(storage.stream(KEY))).digest() == hashlib.sha256(place.read_bytes()).digest()

    def test_keeps_to_its_prefix(self, made_of, server, storage):
        storage.put(KEY, b"hello")
        assert not made_of(server, storage_prefix="somebody-else").exists(KEY)

    def test_holds_a_librarys_whole_life(self, session, storage, creator, now):
        data = picture(600, 900)
        upload = uploads.begin(session, actor=creator, name="x.png", size=len(data), quota=0)
        for start in range(0, len(data), 3_000):
            upload = uploads.receive(
                session,
                actor=creator,
                storage=storage,
                upload_id=upload.id,
                offset=start,
                data=data[start : start + 3_000],
                quota=0,
                now=now,
            )
        assert len(variants.make(session, file_id=upload.file_id, storage=storage)) == 3
        files.drop_unused(session, storage=storage, hashes=uploads.clear(session, upload_id=upload.id))
        hashes = [file.sha256 for file in session.query(MediaFile)]
        library.delete(session, actor=creator, file_id=upload.file_id)
        assert files.drop_unused(session, storage=storage, hashes=hashes) == 4
        assert not any(list(storage.walk(part)) for part in range(storages.PARTS))


class TestRefusals:
    def test_says_what_is_missing_in_the_settings(self, made_of):
        for changes in ({"storage_bucket": ""}, {"storage_key": None}):
            with pytest.raises(StorageError, match="STUDIO_STORAGE_BUCKET"):
                made_of(None, **changes).get(KEY)

    def test_says_in_words_that_the_server_is_away_without_its_key(self, made_of):
        with pytest.raises(StorageError) as refusal:
            made_of("http://127.0.0.1:9", storage_timeout=1.0).get(KEY)
        assert "secret" not in str(refusal.value)
        assert str(refusal.value).endswith(".")

    def test_names_the_bucket_and_its_host(self, made_of):
        assert made_of("http://127.0.0.1:9").label == "The bucket greenroom, at 127.0.0.1"
