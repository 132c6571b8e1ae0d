"""What is brought is what it says it is, and tells nothing of its maker."""

import hashlib
import io
import os
import struct
import threading
import time
import zipfile

import numpy as np
import pytest
import soundfile
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from studio.cards.pictures import inspect_picture
from studio.kit.errors import InvalidError
from studio.media import cleaning, files, library, matroska, pixels, rules
from studio.media.errors import (
    TooLargeFileError,
    UnusableFileError,
)
from studio.media.models import MediaFile, MediaPurpose
from studio.providers.storage import key_of
from tests.factories.media import document, picture, take, wav


def count(session, table) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table))


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def movie(*, told: bytes = b"", content: bytes = b"\x01" * 64) -> bytes:
    head = box(b"ftyp", b"isom\0\0\x02\0isomiso2mp41")
    told_box = box(b"udta", box(b"\xa9xyz", told)) if told else b""
    return head + box(b"moov", box(b"mvhd", b"\0" * 100) + told_box) + box(b"mdat", content)


class TestContent:
    @pytest.mark.parametrize(
        ("data", "media_type"),
        [
            (picture(), "image/png"),
            (picture(kind="WEBP"), "image/webp"),
            (wav(), "audio/wav"),
            (b"ID3\x04\0\0\0\0\0\0\xff\xfb\x90\0" + b"\0" * 400, "audio/mpeg"),
            (b"\xff\xfb\x90\0" + b"\0" * 400, "audio/mpeg"),
            (b"OggS" + b"\0" * 100, "audio/ogg"),
            (b"fLaC" + b"\0" * 100, "audio/flac"),
            (movie(), "video/mp4"),
            (b"\x1aE\xdf\xa3" + b"\0" * 100, "video/webm"),
            (document(), "application/pdf"),
            ("独孤求败的笔记。".encode() * 400, "text/plain"),
            (b'{"spec": "x"}', "application/json"),
        ],
    )
    def test_decides_what_a_file_is_whatever_its_name(self, session, storage, creator, data, media_type):
        file = take(session, creator, storage, data, name="evil.exe")
        assert file.media_type == media_type
        assert file.purpose is rules.PURPOSES[media_type]

    @pytest.mark.parametrize(
        "data",
        [
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            b"<html><script>alert(1)</script></html>",
            b"MZ\x90\0" + b"\0" * 100,
            b"PK\x03\x04" + b"\0" * 100,
            b"\x00\x00\x00\x18ftypheic" + b"\0" * 100,
            b"\x7fELF" + b"\0" * 100,
        ],
        ids=["svg", "page", "program", "zip", "heic", "elf"],
    )
    def test_refuses_other_kinds(self, session, storage, creator, data):
        with pytest.raises(InvalidError):
            take(session, creator, storage, data, name="nice.png")
        assert count(session, MediaFile) == 0

    def test_tells_what_to_do_with_a_picture_of_a_phone(self, session, storage, creator):
        for brand in (b"heic", b"mif1", b"avif"):
            with pytest.raises(UnusableFileError, match="HEIC and AVIF pictures are not taken"):
                take(session, creator, storage, b"\x00\x00\x00\x18ftyp" + brand + bytes(100), name="IMG_0042.HEIC")

    def test_keeps_to_the_limit_of_each_kind(self, session, storage, creator):
        with pytest.raises(TooLargeFileError, match="20 MB"):
            take(session, creator, storage, b"%PDF-1.7" + bytes(20_000_001))


class TestCleaning:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
    def test_takes_away_what_hangs_behind_and_hides_inside(self, kind):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("evil.html", "<script>alert(1)</script>")
        data = picture(kind=kind) + archive.getvalue() + b"<?php evil(); ?>"
        clean, _ = cleaning.picture(data)
        assert not zipfile.is_zipfile(io.BytesIO(clean))
        assert b"<?php" not in clean
        assert Image.open(io.BytesIO(clean)).convert("RGB").size == (240, 360)

    def test_takes_away_segments_that_nothing_needs(self):
        data = picture(kind="JPEG")
        payload = b"<?php evil(); ?>"
        hidden = data[:2] + b"\xff\xe5" + struct.pack(">H", len(payload) + 2) + payload + data[2:]
        clean, was_again = cleaning.picture(hidden)
        assert payload not in clean
        assert not was_again
        assert Image.open(io.BytesIO(clean)).tobytes() == Image.open(io.BytesIO(data)).tobytes()

    @pytest.mark.parametrize(
        ("hidden", "told"),
        [
            (b"PK\x05\x06", False),
            (b"%PDF-1.7", True),
            (b"<?PHP echo", True),
            (b"<ScRipt\n", True),
            (b"<SCRIPT>", True),
            (b"<html>", True),
            (b"<!DOCTYPE HTML>", True),
            (b"<scripture>", False),
            (b"< script>", False),
            (b"%PNG-1", False),
        ],
    )
    def test_knows_what_other_programs_would_read(self, hidden, told):
        assert cleaning.is_ambiguous(b"<" * 40 + hidden + b"<\xff" * 20) is told

    def test_frees_a_pdf_and_remembers_what_else_was_in_it(self, session, storage, creator):
        file = take(session, creator, storage, document("Meng of Shanghai"), name="notes.pdf")
        assert b"Meng" not in storage.get(key_of(file.sha256))
        assert file.details == {"is_freed": True, "had_active": True, "had_files": False}
        assert not library.keeps_words(file)
        assert take(session, creator, storage, document("Meng of Shanghai")).id == file.id
        with pytest.raises(UnusableFileError, match="damaged"):
            take(session, creator, storage, b"%PDF-1.7\n" + bytes(100))

    def test_encodes_anew_what_could_be_read_as_something_else(self):
        # A comment would be cut out; a palette of a GIF is part of the picture.
        image = Image.new("P", (16, 16))
        image.putpalette((b"<script>alert(1)</script>" * 40)[:768])
        image.putdata(list(range(256)))
        out = io.BytesIO()
        image.save(out, "GIF")
        assert b"<script>" in out.getvalue()
        clean, was_again = cleaning.picture(out.getvalue())
        assert was_again
        assert b"<script>" not in clean
        assert Image.open(io.BytesIO(clean)).convert("RGB").tobytes() == image.convert("RGB").tobytes()

    def test_finds_an_archive_by_its_whole_record_alone(self):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("evil.html", "Hello.")
        assert cleaning.is_ambiguous(bytes(100_000) + archive.getvalue() + bytes(60_000))
        noise = b"PK\x05\x06".join(hashlib.sha512(bytes([number])).digest() for number in range(200))
        assert not cleaning.is_ambiguous(noise)

    def test_leaves_no_picture_that_is_a_script_too(self):
        frames = [Image.linear_gradient("L").rotate(90 * number) for number in range(3)]
        out = io.BytesIO()
        frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], loop=0)
        gif = bytearray(out.getvalue())
        # Its width opens a comment, which the palette closes.
        gif[6:8] = b"/*"
        gif[13:43] = b"*/=1;alert(document.domain);//"
        jpeg = io.BytesIO()
        Image.new("RGB", (20, 20), "red").save(jpeg, "JPEG")
        # The length of the first segment does.
        jfif = b"JFIF\0\1\1\0\0\1\0\1\0\0*/=1;alert(1);/*"
        script = jpeg.getvalue()[:4] + b"/*" + jfif + bytes(0x2F2A - 2 - len(jfif)) + jpeg.getvalue()[20:]
        webp = picture(20, 20, kind="WEBP")
        # Its length, which is even, opens a template.
        filler = 0x2A60 - len(webp)
        webp = b"RIFF" + b"`*\0\0" + webp[8:] + b"JUNK" + struct.pack("<I", filler) + bytes(filler)
        for data, count in ((bytes(gif), 3), (script, 1), (webp, 1)):
            assert cleaning.is_script(data)
            clean, _ = cleaning.picture(data)
            assert not cleaning.is_script(clean)
            with Image.open(io.BytesIO(clean)) as opened:
                opened.load()
                assert getattr(opened, "n_frames", 1) == count
            assert cleaning.picture(clean)[0] == clean
        for kind in ("GIF", "JPEG", "WEBP", "PNG"):
            honest = cleaning.picture(picture(kind=kind))[0]
            assert cleaning.picture(honest) == (honest, False)

    def test_refuses_what_encoding_anew_made_too_large(self, session, storage, creator, monkeypatch):
        image = Image.frombytes("RGB", (100, 100), os.urandom(30_000))
        out = io.BytesIO()
        image.save(out, "WEBP", quality=1)
        data = out.getvalue()
        monkeypatch.setattr(cleaning, "is_ambiguous", lambda _data: True)
        monkeypatch.setitem(rules.MOST_BYTES, MediaPurpose.PORTRAIT, len(data) + 10)
        with pytest.raises(TooLargeFileError):
            files.keep(session, actor=creator, storage=storage, data=data, purpose=MediaPurpose.PORTRAIT)

    def test_holds_the_pixels_of_two_pictures_at_once_however_many_are_encoded_anew(self, monkeypatch):
        held, most, lock = 0, 0, threading.Lock()
        really = cleaning._encoded

        def encoded(*arguments, **options):
            nonlocal held, most
            with lock:
                held += 1
                most = max(most, held)
            time.sleep(0.05)
            with lock:
                held -= 1
            return really(*arguments, **options)

        monkeypatch.setattr(cleaning, "is_ambiguous", lambda _data: True)
        monkeypatch.setattr(cleaning, "_encoded", encoded)
        data = picture(20, 20)
        threads = [threading.Thread(target=cleaning.picture, args=(data,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == 2

    def test_leaves_an_animation_its_frames_and_loop(self):
        frames = [Image.new("RGB", (20, 20), color) for color in ("red", "green", "blue")]
        out = io.BytesIO()
        frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], loop=0, comment=b"taken at home")
        clean, _ = cleaning.picture(out.getvalue())
        assert b"taken at home" not in clean
        with Image.open(io.BytesIO(clean)) as opened:
            assert (opened.n_frames, opened.info["loop"]) == (3, 0)

    def test_frees_a_jpeg_of_places_and_keeps_it_upright(self, session, storage, creator):
        exif = Image.Exif()
        exif[0x0112] = 6
        exif.get_ifd(0x8825)[1] = "N"
        exif[0x010E] = "taken at home"
        file = take(session, creator, storage, picture(kind="JPEG", exif=exif.tobytes()))
        kept = storage.get(key_of(file.sha256))
        opened = Image.open(io.BytesIO(kept))
        assert dict(opened.getexif()) == {0x0112: 6}
        assert not opened.getexif().get_ifd(0x8825)
        assert pixels.opened(kept)[1].size == (360, 240)
        assert inspect_picture(kept).kind == "jpeg"

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(tail=st.binary(max_size=60), cut=st.integers(min_value=0, max_value=400))
    # It breaks off right behind a marker: what stands before that marker is there once.
    @example(tail=b"\xff\x01", cut=2)
    def test_never_fails_otherwise_than_by_a_refusal(self, tail, cut):
        data = picture(30, 40, kind="JPEG")
        try:
            clean, _ = cleaning.picture(data[: len(data) - cut] + tail)
        except (InvalidError, OSError, ValueError):
            return
        assert cleaning.picture(clean)[0] == clean

    def test_silences_a_film_in_place(self, session, storage, creator):
        data = movie(told=b"+52.5200+013.4050/")
        file = take(session, creator, storage, data)
        kept = storage.get(key_of(file.sha256))
        assert len(kept) == len(data)
        assert b"+52.52" not in kept
        assert kept.endswith(b"\x01" * 64)
        assert b"mvhd" in kept

    @pytest.mark.parametrize("size", [0, 1, 7, 2**31])
    def test_reads_no_film_for_ever(self, tmp_path, size):
        place = tmp_path / "film"
        place.write_bytes(box(b"ftyp", b"isom") + struct.pack(">I", size) + b"moov" + b"\0" * 20)
        cleaning.recording(place, "video/mp4")

    @pytest.mark.parametrize("kind", ["FLAC", "WAV"])
    def test_silences_a_recording_in_place_and_leaves_its_sound(self, session, storage, creator, tmp_path, kind):
        place = tmp_path / "sound"
        with soundfile.SoundFile(place, "w", 8_000, 1, format=kind) as made:
            made.title, made.artist, made.comment = "my home address", "Mei Lin", "recorded at 52.52, 13.40"
            made.write(np.sin(np.arange(8_000) / 20))
        data = place.read_bytes()
        assert b"my home address" in data
        kept = storage.get(key_of(take(session, creator, storage, data).sha256))
        assert len(kept) == len(data)
        assert not any(told in kept for told in (b"my home", b"Mei Lin", b"52.52"))
        heard, before = (soundfile.read(io.BytesIO(one))[0] for one in (kept, data))
        assert np.array_equal(heard, before)

    @pytest.mark.parametrize(("kind", "length"), [("VORBIS", 40), ("VORBIS", 90_000), ("OPUS", 40)])
    def test_empties_the_comments_of_an_ogg_and_leaves_its_sound(
        self, session, storage, creator, tmp_path, kind, length
    ):
        place = tmp_path / "sound"
        with soundfile.SoundFile(place, "w", 48_000, 1, format="OGG", subtype=kind) as made:
            # Longer than a page: the comments go on over several of them.
            made.title, made.comment = "my home address", "recorded at 52.52, 13.40 ".ljust(length, ".")
            made.write(np.sin(np.arange(48_000) / 20))
        data = place.read_bytes()
        assert b"my home address" in data
        file = take(session, creator, storage, data)
        kept = storage.get(key_of(file.sha256))
        assert len(kept) == len(data)
        assert b"my home" not in kept
        assert b"52.52" not in kept
        assert not library.keeps_words(file)
        heard, before = (soundfile.read(io.BytesIO(one))[0] for one in (kept, data))
        assert len(before) >= 48_000
        assert np.array_equal(heard, before)

    def test_says_that_an_ogg_keeps_its_words_where_it_cannot_be_understood(self, session, storage, creator, tmp_path):
        place = tmp_path / "sound"
        with soundfile.SoundFile(place, "w", 48_000, 1, format="OGG", subtype="VORBIS") as made:
            made.title = "my home address"
            made.write(np.zeros(4_800))
        data = place.read_bytes()
        for odd in (data + b"more", data.replace(b"\x01vorbis", b"\x01strange"[:7]), data[:-9]):
            file = take(session, creator, storage, odd)
            assert storage.get(key_of(file.sha256)) == odd
            assert library.keeps_words(file)

    @pytest.mark.parametrize("is_live", [False, True])
    def test_blanks_the_words_of_a_webm_in_place(self, session, storage, creator, is_live):
        """Made by hand: live, the segment and its clusters do not say how long they are."""

        def element(name, data, *, is_endless=False):
            size = b"\x01" + len(data).to_bytes(7)
            return bytes.fromhex(name) + (b"\xff" if is_endless else size) + data

        frames = bytes(range(256)) * 40
        told = [element("7ba9", b"my home address"), element("bf", b"\1\2\3\4"), element("2ad7b1", b"\x0f\x42\x40")]
        track = element("ae", element("d7", b"\1") + element("536e", b"Mei Lin"))
        parts = [
            element("1549a966", b"".join(told)),
            element("1654ae6b", track),
            element("1f43b675", element("e7", b"\0") + element("a3", frames), is_endless=is_live),
            element("1254c367", element("7373", b"at 52.52, 13.40" * 20)),
            # The shortest: what stands in its place has no room for a longer head.
            bytes.fromhex("1254c36780"),
            element("1941a469", b"cover"),
        ]
        data = element("1a45dfa3", element("4282", b"webm")) + element("18538067", b"".join(parts), is_endless=is_live)
        file = take(session, creator, storage, data)
        kept = storage.get(key_of(file.sha256))
        assert (file.media_type, len(kept)) == ("video/webm", len(data))
        assert not any(one in kept for one in (b"my home", b"Mei Lin", b"52.52", b"cover", b"\1\2\3\4\x2a"))
        assert frames in kept
        assert b"\x0f\x42\x40" in kept
        assert not library.keeps_words(file)
        # Doing it twice finds nothing more to do, and what breaks off says so.
        place = io.BytesIO(kept)
        assert matroska.blank_words(place, len(kept))
        assert place.getvalue() == kept
        assert library.keeps_words(take(session, creator, storage, data[: -len(parts[-1]) - 2]))

    @pytest.mark.parametrize("media_type", ["audio/flac", "audio/wav", "audio/ogg", "video/webm"])
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"fLaC",
            b"fLaC\x84\xff\xff\xff" + bytes(9),
            b"RIFF\x00\x00\x00\x00WAVELIST\xff\xff\xff\xff",
            b"OggS",
            b"OggS\x00\x02" + bytes(20) + b"\xff",
            b"\x1aE\xdf\xa3\x84webm" + b"\x18S\x80g\xff" + b"\x12T\xc3g\xf0",
        ],
    )
    def test_reads_no_recording_for_ever_and_never_makes_it_longer(self, tmp_path, media_type, data):
        place = tmp_path / "sound"
        place.write_bytes(data)
        cleaning.recording(place, media_type)
        assert place.stat().st_size == len(data)

    def test_says_that_a_track_of_places_stays(self, tmp_path):
        film = tmp_path / "film.mp4"
        handler = box(b"hdlr", bytes(8) + b"meta" + bytes(12))
        for told, is_freed in ((box(b"trak", box(b"mdia", handler)), False), (b"", True)):
            film.write_bytes(movie().replace(box(b"mdat", b"\x01" * 64), box(b"moov", told) + box(b"mdat", b"")))
            assert cleaning.recording(film, "video/mp4") is is_freed

    def test_cuts_the_tags_off_a_song(self, session, storage, creator):
        sound = b"\xff\xfb\x90\0" + bytes(range(256)) * 9
        tag = b"ID3\x04\0\0\0\0\x01\x00" + b"my home address".ljust(128, b"\0")
        file = take(session, creator, storage, tag + sound + b"TAG" + b"me".ljust(125, b"\0"))
        assert storage.get(key_of(file.sha256)) == sound
