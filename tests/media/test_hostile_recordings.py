"""Recordings made to hurt: nested, endless, countless or lying parts are read within bounds, or said to be not understood."""

import io
import struct
import tempfile
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.media import cleaning, matroska, ogg

MOST_MEMORY = 6_000_000


def page(body=b"", *, flags=0, serial=1, segments=None):
    """An OGG page whose checksum nobody looks at here."""
    segments = segments if segments is not None else [len(body)]
    return (
        b"OggS\0"
        + bytes([flags])
        + bytes(8)
        + struct.pack("<III", serial, 0, 0)
        + bytes([len(segments), *segments])
        + body
    )


def tags(told, *, mark=b"OpusTags", vendor=b"enc"):
    return mark + struct.pack("<I", len(vendor)) + vendor + struct.pack("<II", 1, len(told)) + told


def head():
    return page(b"OpusHead" + bytes(11), flags=2)


def element(name, data, size=None):
    return bytes.fromhex(name) + (size if size is not None else b"\x01" + len(data).to_bytes(7)) + data


def freed(cleaner, data):
    """(what the cleaner says, the bytes afterwards, the memory that it took)."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        tracemalloc.start()
        try:
            told = cleaner(file, len(data))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        file.seek(0)
        kept = file.read()
    assert len(kept) == len(data)
    return told, kept, peak


class TestOgg:
    def test_gives_up_on_more_streams_than_a_recording_has(self):
        data = b"".join(page(flags=2, serial=number) for number in range(30_000))
        told, kept, memory = freed(ogg.empty_comments, data)
        assert (told, kept == data) == (False, True)
        assert memory < MOST_MEMORY

    def test_empties_comments_of_many_megabytes_within_its_bound(self):
        cover = tags(b"METADATA_BLOCK_PICTURE=" + b"home" * 2_500_000)
        pieces = [cover[at : at + 65_025] for at in range(0, len(cover), 65_025)]
        pages = [
            page(
                piece,
                flags=bool(number),
                segments=[255] * (len(piece) // 255) + ([len(piece) % 255] if len(piece) < 65_025 else []),
            )
            for number, piece in enumerate(pieces)
        ]
        data = head() + b"".join(pages) + page(b"sound" * 9)
        told, kept, memory = freed(ogg.empty_comments, data)
        assert told is True
        assert b"home" not in kept
        assert kept.endswith(b"sound" * 9)
        assert memory < MOST_MEMORY

    def test_says_so_where_a_page_claims_to_go_on_with_what_nobody_began(self):
        # Players pass over the first, and read the second as the comments.
        data = head() + page(tags(b"none"), flags=1) + page(tags(b"at home")) + page(b"sound")
        assert freed(ogg.empty_comments, data)[0] is False
        # And where something that was begun is not gone on with, what follows stands for itself.
        data = head() + page(b"OpusTags".ljust(255, b"\0"), segments=[255]) + page(tags(b"at home")) + page(b"sound")
        assert freed(ogg.empty_comments, data)[0] is False

    def test_reads_lacing_of_nothing_and_of_whole_multiples(self):
        whole = tags(b"at home".ljust(510 - len(tags(b"")), b"."))
        data = head() + page(whole, segments=[255, 255, 0]) + page(b"sound" * 3)
        told, kept, _memory = freed(ogg.empty_comments, data)
        assert (told, b"home" in kept, kept.endswith(b"sound" * 3)) == (True, False, True)
        assert freed(ogg.empty_comments, head() + page(segments=[0, 0, 0]) + page(tags(b"at home")))[0] is False

    @pytest.mark.parametrize("vendor", [2**32 - 1, 4_097, 30])
    def test_believes_no_vendor_that_is_longer_than_its_packet(self, vendor):
        data = head() + page(b"OpusTags" + struct.pack("<I", vendor) + b"enc" + bytes(8)) + page(b"sound")
        assert freed(ogg.empty_comments, data)[:2] == (False, data)

    def test_leaves_a_chained_recording_its_sound_and_no_words(self, tmp_path):
        place = tmp_path / "sound.ogg"
        made = []
        for title in ("my home", "her home"):
            with soundfile.SoundFile(place, "w", 48_000, 1, format="OGG", subtype="VORBIS") as file:
                file.title = title
                file.write(np.sin(np.arange(9_600) / 20))
            made.append(place.read_bytes())
        told, kept, _memory = freed(ogg.empty_comments, b"".join(made))
        assert (told, b"home" in kept) == (True, False)
        for one, before in ((kept[: len(made[0])], made[0]), (kept[len(made[0]) :], made[1])):
            assert np.array_equal(soundfile.read(io.BytesIO(one))[0], soundfile.read(io.BytesIO(before))[0])


class TestMatroska:
    def test_does_not_follow_a_nest_of_segments(self):
        data = b""
        for _depth in range(3_000):
            data = element("18538067", data)
        assert freed(matroska.blank_words, element("1a45dfa3", b"webm") + data)[0] is False

    @pytest.mark.parametrize("size", [b"\x01" + b"\xff" * 6 + b"\xfe", b"\x08\xff\xff\xff\xff", b"\xfe"])
    def test_drops_what_claims_to_be_larger_than_the_file(self, size):
        data = element("1a45dfa3", b"webm") + element("1254c367", b"at home", size)
        told, kept, _memory = freed(matroska.blank_words, data)
        assert (told, b"home" in kept) == (True, False)
        # What stands in its place holds nothing, and ends with the file.
        assert freed(matroska.blank_words, kept)[:2] == (True, kept)

    def test_gives_up_on_countless_elements(self):
        data = element("1a45dfa3", b"") + b"\xec\x80" * 300_001
        assert matroska.blank_words(io.BytesIO(data), len(data)) is False

    def test_says_so_where_something_endless_is_no_cluster(self):
        data = element("1a45dfa3", b"") + element("18538067", element("1254c367", b"at home", b"\xff"), b"\xff")
        assert freed(matroska.blank_words, data)[0] is False


def box(name, body, size=None):
    return struct.pack(">I", size if size is not None else len(body) + 8) + name + body


class TestFilm:
    def recorded(self, tmp_path, data, media_type="video/mp4"):
        place = tmp_path / "film"
        place.write_bytes(data)
        told = cleaning.recording(place, media_type)
        assert media_type == "audio/mpeg" or place.stat().st_size == len(data)
        return told, place.read_bytes()

    def test_does_not_follow_a_nest_of_boxes(self, tmp_path):
        data = b""
        for _depth in range(3_000):
            data = box(b"moov", data)
        assert self.recorded(tmp_path, box(b"ftyp", b"isom") + data)[0] is False

    def test_finds_what_is_told_behind_an_hour_of_fragments_and_says_where_it_gave_up(self, tmp_path):
        fragment = box(b"moof", box(b"mfhd", b"") + box(b"traf", box(b"trun", b""))) + box(b"mdat", b"x")
        told = box(b"udta", b"at home")
        fine, kept = self.recorded(tmp_path, box(b"ftyp", b"isom") + fragment * 4_000 + told)
        assert (fine, b"home" in kept) == (True, False)
        assert self.recorded(tmp_path, box(b"ftyp", b"isom") + box(b"free", b"") * 300_001 + told)[0] is False

    def test_says_where_it_gave_up_on_a_flac(self, tmp_path):
        told = b"\x84\x00\x00\x07at home"
        assert self.recorded(tmp_path, b"fLaC" + b"\x01\0\0\0" * 90 + told, "audio/flac")[0] is True
        assert self.recorded(tmp_path, b"fLaC" + b"\x01\0\0\0" * 300_001 + told, "audio/flac")[0] is False

    def test_cuts_every_tag_off_a_song(self, tmp_path):
        sound = b"\xff\xfb\x90\0" + bytes(range(256)) * 9
        front = b"ID3\x04\0\0\0\0\x00\x20" + b"my home".ljust(32, b"\0")
        body = b"\x08\0\0\0\0\0\0\0Artist\0Mei Lin!"
        footer = b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, 1, 0x8000_0000) + bytes(8)
        header = b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, 1, 0xA000_0000) + bytes(8)
        old = b"TAG" + b"me".ljust(125, b"\0")
        data = front + front + sound + header + body + footer + old
        assert self.recorded(tmp_path, data, "audio/mpeg") == (True, sound)
        # A length that cannot be leaves the sound alone.
        lying = b"APETAGEX" + struct.pack("<IIII", 2000, 2**32 - 1, 1, 0) + bytes(8)
        assert self.recorded(tmp_path, sound + lying, "audio/mpeg")[1].startswith(sound)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(["ogg", "webm", "mp4", "flac"]),
    changes=st.lists(st.tuples(st.integers(0, 4_000), st.binary(min_size=1, max_size=9)), max_size=6),
)
def test_no_recording_makes_them_fail_or_grow(kind, changes):
    whole = {
        "ogg": head() + page(tags(b"at home")) + page(b"sound" * 30),
        "webm": element("1a45dfa3", b"webm")
        + element(
            "18538067", element("1549a966", element("7ba9", b"home")) + element("1f43b675", b"\xa3\x81x"), b"\xff"
        )
        + element("1254c367", b"home"),
        "mp4": box(b"ftyp", b"isom") + box(b"moov", box(b"trak", box(b"udta", b"home")) + box(b"mvhd", bytes(40))),
        "flac": b"fLaC\0\0\0\x22" + bytes(34) + b"\x84\0\0\x04home" + bytes(99),
    }[kind]
    data = bytearray(whole)
    for place, new in changes:
        at = place % len(data)
        data[at : at + len(new)] = new[: len(data) - at]
    cleaner = {
        "ogg": ogg.empty_comments,
        "webm": matroska.blank_words,
        "mp4": cleaning._silence_boxes,
        "flac": cleaning._silence_flac,
    }[kind]
    told, kept, memory = freed(cleaner, bytes(data))
    assert told in {True, False}
    assert memory < MOST_MEMORY
    # Doing it twice finds nothing more to do.
    if told:
        assert freed(cleaner, kept)[:2] == (True, kept)
