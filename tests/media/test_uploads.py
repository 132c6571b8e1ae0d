"""Uploads: parts in order, within a quota, swept when nobody goes on."""

import io
from datetime import timedelta

import pytest
import sqlalchemy as sa
from PIL import Image

from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError
from studio.media import files, queries, rules, uploads
from studio.media.errors import (
    FullLibraryError,
    TooLargeFileError,
    TooManyUploadsError,
    UnusableFileError,
    UploadOffsetError,
)
from studio.media.models import MediaFile, MediaPurpose, MediaUpload, MediaUploadPart
from studio.providers.storage import key_of
from studio.work.models import JobRun
from tests.factories.media import picture, send


def count(session, table) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table))


class TestReceive:
    @pytest.mark.parametrize("part", [10_000_000, 700])
    def test_puts_the_parts_together(self, session, storage, creator, now, part):
        data = picture(300, 400)
        upload = send(session, creator, storage, data, part=part, now=now)
        file = session.get_one(MediaFile, upload.file_id)
        assert (file.purpose, file.is_kept, file.width, file.height) == (MediaPurpose.PORTRAIT, True, 300, 400)
        assert Image.open(io.BytesIO(storage.get(key_of(file.sha256)))).size == (300, 400)
        jobs = session.scalars(sa.select(JobRun.name)).all()
        assert "media.make_variants" in jobs
        hashes = uploads.clear(session, upload_id=upload.id)
        assert count(session, MediaUploadPart) == 0
        files.drop_unused(session, storage=storage, hashes=hashes)
        assert [found.sha256 for part in range(256) for found in storage.walk(part)] == [file.sha256]

    def test_goes_on_where_it_stopped_and_takes_no_byte_twice(self, session, storage, creator, now):
        data = picture()
        upload = uploads.begin(session, actor=creator, name="x", size=len(data), quota=0)
        give = {"actor": creator, "storage": storage, "upload_id": upload.id, "quota": 0, "now": now}
        uploads.receive(session, offset=0, data=data[:100], **give)
        for offset in (0, 99, 101, len(data)):
            with pytest.raises(UploadOffsetError) as refusal:
                uploads.receive(session, offset=offset, data=data[100:], **give)
            assert refusal.value.arrived == 100
        with pytest.raises(InvalidError, match="More bytes"):
            uploads.receive(session, offset=100, data=data[100:] + b"!", **give)
        assert uploads.receive(session, offset=100, data=data[100:], **give).file_id is not None

    def test_keeps_the_sentence_where_the_file_is_refused(self, session, storage, creator, now):
        upload = send(session, creator, storage, b"\x89PNG\r\n\x1a\nbroken" * 20, part=100, now=now)
        assert upload.file_id is None
        assert upload.refusal["sentence"].endswith(".")
        assert count(session, MediaFile) == 0

    def test_tells_a_file_that_is_there_already(self, session, storage, creator, now):
        first = send(session, creator, storage, picture(), part=500, now=now)
        again = send(session, creator, storage, picture(), part=10_000, now=now)
        assert (first.was_there, again.was_there) == (False, True)
        assert first.file_id == again.file_id

    def test_is_nobody_elses(self, session, storage, creator, outsider, moderator, now):
        upload = uploads.begin(session, actor=creator, name="x", size=10, quota=0)
        with pytest.raises(NotFoundError):
            uploads.receive(
                session,
                actor=outsider,
                storage=storage,
                upload_id=upload.id,
                offset=0,
                data=b"x",
                quota=0,
                now=now,
            )
        with pytest.raises(ForbiddenError):
            uploads.begin(session, actor=moderator, name="x", size=10, quota=0)

    def test_refuses_what_is_empty_too_large_or_too_many(self, session, creator, monkeypatch):
        begin = {"actor": creator, "name": "x", "quota": 0}
        with pytest.raises(UnusableFileError):
            uploads.begin(session, size=0, **begin)
        with pytest.raises(TooLargeFileError):
            uploads.begin(session, size=rules.MOST_UPLOADED + 1, **begin)
        monkeypatch.setattr(uploads, "MOST_OPEN", 2)
        uploads.begin(session, size=1, **begin)
        uploads.begin(session, size=1, **begin)
        with pytest.raises(TooManyUploadsError):
            uploads.begin(session, size=1, **begin)

    def test_a_name_is_never_a_path(self, session, creator):
        upload = uploads.begin(session, actor=creator, name="../../etc/\\passwd\0\n" + "x" * 500, size=1, quota=0)
        assert "/" not in upload.name
        assert "\\" not in upload.name
        assert len(upload.name) <= 200


class TestQuota:
    def test_counts_what_is_kept_and_what_is_on_its_way(self, session, storage, creator, now):
        data = picture()
        send(session, creator, storage, data, part=500, now=now)
        kept = queries.bytes_of(session, owner_id=creator.user_id)
        assert 0 < kept <= len(data)
        uploads.begin(session, actor=creator, name="x", size=1_000, quota=kept + 1_500)
        with pytest.raises(FullLibraryError, match="Delete files"):
            uploads.begin(session, actor=creator, name="x", size=1_000, quota=kept + 1_500)

    def test_holds_for_pictures_that_come_another_way(self, session, storage, creator):
        with pytest.raises(FullLibraryError):
            files.keep(session, actor=creator, storage=storage, data=picture(), purpose=MediaPurpose.PORTRAIT, quota=10)

    def test_takes_once_more_what_is_there_where_the_library_is_full(self, session, storage, creator):
        given = {"actor": creator, "storage": storage, "data": picture(), "purpose": MediaPurpose.PORTRAIT}
        kept = files.keep(session, **given, quota=0)
        assert files.keep(session, **given, quota=1).id == kept.id
        with pytest.raises(FullLibraryError):
            files.keep(session, **{**given, "data": picture(30, 30)}, quota=1)


class TestSweep:
    def test_forgets_what_nothing_arrived_for_since_a_day(self, session, storage, creator, now):
        data = picture()
        upload = uploads.begin(session, actor=creator, name="x", size=len(data), quota=0)
        uploads.receive(
            session,
            actor=creator,
            storage=storage,
            upload_id=upload.id,
            offset=0,
            data=data[:500],
            quota=0,
            now=now,
        )
        assert uploads.sweep(session, now=now + timedelta(hours=23)) == (0, [])
        gone, hashes = uploads.sweep(session, now=now + timedelta(hours=25))
        assert (gone, len(hashes)) == (1, 1)
        assert files.drop_unused(session, storage=storage, hashes=hashes) == 1
        assert count(session, MediaUpload) == 0
