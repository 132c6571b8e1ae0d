import hashlib
import io
import struct
import zlib

import pytest
import sqlalchemy as sa
from PIL import Image

from studio.cards.errors import CardError
from studio.cards.pictures import inspect_picture
from studio.kit.errors import InvalidError
from studio.media import files
from studio.media.errors import TooLargeFileError, UnusableFileError
from studio.media.models import MediaFile, MediaPurpose
from studio.providers.storage import StorageError, key_of
from tests.factories.media import make_portrait, picture


def count(session) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(MediaFile))


def giant_png(width: int = 10_000, height: int = 10_000) -> bytes:
    """A PNG of 100 megapixels by its header, a few hundred bytes by its content."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


class TestKeep:
    def test_keeps_bytes_and_row(self, session, storage, creator):
        data = picture(120, 180)
        file = make_portrait(session, actor=creator, storage=storage, data=data)
        assert (file.owner_id, file.width, file.height) == (creator.user_id, 120, 180)
        assert file.media_type == "image/png"
        assert file.perceptual_hash is not None
        assert storage.size(key_of(file.sha256)) == file.size_bytes

    def test_keeps_equal_bytes_of_one_person_once(self, session, storage, creator, outsider):
        first = make_portrait(session, actor=creator, storage=storage)
        assert make_portrait(session, actor=creator, storage=storage) is first
        theirs = make_portrait(session, actor=outsider, storage=storage)
        assert theirs.id != first.id
        assert theirs.sha256 == first.sha256

    def test_heals_lost_bytes_when_the_file_is_kept_again(self, session, storage, creator):
        file = make_portrait(session, actor=creator, storage=storage)
        storage.delete(key_of(file.sha256))
        make_portrait(session, actor=creator, storage=storage)
        assert storage.exists(key_of(file.sha256))

    def test_frees_a_portrait_of_texts_and_places(self, session, storage, creator):
        data = picture(texts={"parameters": "a secret prompt", "chara": "eyJuYW1lIjoi"})
        file = make_portrait(session, actor=creator, storage=storage, data=data)
        kept = storage.get(key_of(file.sha256))
        assert b"secret prompt" not in kept
        assert not inspect_picture(kept).has_text_chunks
        assert file.details["had_texts"] is True
        assert Image.open(io.BytesIO(kept)).tobytes() == Image.open(io.BytesIO(data)).tobytes()

    @pytest.mark.parametrize("orientation", [1, 3, 6, 8])
    def test_tells_the_sides_of_a_picture_as_they_are_shown(self, session, storage, creator, orientation):
        """A phone keeps an upright picture lying, and says so beside it."""
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = picture(300, 200, kind="JPEG", exif=exif.tobytes())
        file = make_portrait(session, actor=creator, storage=storage, data=data)
        assert (file.width, file.height) == ((300, 200) if orientation < 5 else (200, 300))

    def test_frees_a_jpeg_of_exif(self, session, storage, creator):
        exif = Image.Exif()
        exif[0x010E] = "taken at home"
        data = picture(kind="JPEG", exif=exif.tobytes())
        file = make_portrait(session, actor=creator, storage=storage, data=data)
        assert b"taken at home" not in storage.get(key_of(file.sha256))
        assert file.details["had_exif"] is True

    def test_keeps_a_card_byte_for_byte(self, session, storage, creator):
        data = picture(texts={"chara": "eyJuYW1lIjoi"})
        file = files.keep(
            session, actor=creator, storage=storage, data=data, purpose=MediaPurpose.CARD, name="C:\\cards\\a.png"
        )
        assert storage.get(key_of(file.sha256)) == data
        assert file.sha256 == hashlib.sha256(data).hexdigest()
        assert file.original_name == "a.png"

    def test_looks_at_the_bytes_and_not_at_the_name(self, session, storage, creator):
        file = make_portrait(session, actor=creator, storage=storage, data=picture(kind="WEBP"), name="evil.svg")
        assert file.media_type == "image/webp"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"hello",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            giant_png(),
            picture()[:200],
            b"\xff\xd8\xff\xe0" + b"\0" * 40,
        ],
        ids=["nothing", "text", "svg", "100 megapixels", "cut off", "no jpeg"],
    )
    def test_refuses_what_is_no_usable_picture(self, session, storage, creator, data):
        with pytest.raises(InvalidError) as refusal:
            make_portrait(session, actor=creator, storage=storage, data=data)
        assert str(refusal.value).endswith(".")
        assert count(session) == 0

    def test_refuses_too_many_bytes(self, session, storage, creator, monkeypatch):
        monkeypatch.setattr("studio.media.rules.MOST_BYTES", dict.fromkeys(MediaPurpose, 100))
        with pytest.raises(TooLargeFileError):
            make_portrait(session, actor=creator, storage=storage)

    def test_writes_no_row_where_the_storage_fails(self, session, storage, creator, monkeypatch):
        def broken(key: str, data: bytes) -> None:
            raise StorageError("The disk is full.")

        monkeypatch.setattr(storage, "put", broken)
        with pytest.raises(StorageError):
            make_portrait(session, actor=creator, storage=storage)
        assert count(session) == 0

    def test_refuses_a_picture_whose_content_is_broken(self, session, storage, creator):
        whole = picture(400, 600)
        broken = bytearray(whole)
        start = whole.index(b"IDAT") + 40
        broken[start : start + 400] = b"\xff" * 400
        with pytest.raises((UnusableFileError, CardError)):
            make_portrait(session, actor=creator, storage=storage, data=bytes(broken))


class TestForget:
    def test_lets_go_of_rows_first_and_of_bytes_afterwards(self, session, storage, creator):
        file = make_portrait(session, actor=creator, storage=storage)
        hashes = files.forget(session, file_ids=[file.id])
        assert storage.exists(key_of(hashes[0]))
        assert files.drop_unused(session, storage=storage, hashes=hashes) == 1
        assert not storage.exists(key_of(hashes[0]))

    def test_leaves_bytes_that_somebody_else_has(self, session, storage, creator, outsider):
        mine = make_portrait(session, actor=creator, storage=storage)
        theirs = make_portrait(session, actor=outsider, storage=storage)
        hashes = files.forget(session, file_ids=[mine.id])
        assert files.drop_unused(session, storage=storage, hashes=hashes) == 0
        assert storage.exists(key_of(theirs.sha256))
