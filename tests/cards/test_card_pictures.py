"""Pictures are judged by their header alone."""

import struct

import pytest
from PIL import Image

from studio.cards import limits
from studio.cards.errors import DamagedError, PictureError, TooLargeError
from studio.cards.pictures import inspect_picture
from studio.cards.portraits import as_png, placeholder, without_metadata
from tests.cards import builders as make


class TestInspectPicture:
    @pytest.mark.parametrize(
        ("data", "kind", "media_type"),
        [
            (make.picture("PNG"), "png", "image/png"),
            (make.picture("JPEG"), "jpeg", "image/jpeg"),
            (make.picture("JPEG", progressive=True), "jpeg", "image/jpeg"),
            (make.picture("WEBP"), "webp", "image/webp"),
            (make.picture("WEBP", lossless=True), "webp", "image/webp"),
            (make.picture("GIF"), "gif", "image/gif"),
        ],
    )
    def test_tells_kind_and_size(self, data, kind, media_type):
        header = inspect_picture(data)
        assert (header.kind, header.media_type) == (kind, media_type)
        assert (header.width, header.height, header.size_bytes) == (20, 30, len(data))
        assert not header.is_animated
        assert not header.has_exif

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_sees_exif(self, kind):
        exif = Image.Exif()
        exif[0x010E] = "place"
        assert inspect_picture(make.picture(kind, exif=exif.tobytes())).has_exif

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
    def test_sees_movement(self, kind):
        frames = [Image.new("RGB", (20, 30), color) for color in ("red", "blue")]
        data = make.picture(kind, save_all=True, append_images=frames, duration=50, loop=0)
        header = inspect_picture(data)
        assert header.is_animated
        assert (header.width, header.height) == (20, 30)

    def test_counts_frames_that_reach_beyond_the_screen(self):
        data = bytearray(make.picture("GIF"))
        frame = data.index(b",\0\0\0\0")
        struct.pack_into("<HH", data, frame + 5, 300, 200)
        header = inspect_picture(bytes(data))
        assert (header.width, header.height) == (300, 200)

    def test_sees_text_chunks(self):
        assert inspect_picture(make.png_file(make.text("parameters", b"x"))).has_text_chunks
        assert not inspect_picture(make.png_file()).has_text_chunks

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (make.png_file(header=make.ihdr(10_000, 10_000)), TooLargeError),
            (make.png_file(make.chunk(b"vpAg", bytes(limits.PICTURE_BYTES))), TooLargeError),
            (b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\0\0\0", TooLargeError),
            (make.picture("GIF")[:8], DamagedError),
            (make.picture("JPEG")[:30], DamagedError),
            (make.picture("WEBP")[:16], DamagedError),
            (make.png_file()[:20], DamagedError),
            (b"BM" + bytes(100), PictureError),
            (b"", PictureError),
            (b"\xef\xbb\xbf <svg xmlns='x'/>", PictureError),
            (b"<?xml version='1.0'?><!-- a --><SVG width='1'></SVG>", PictureError),
        ],
    )
    def test_refuses_what_is_too_large_damaged_or_no_picture(self, data, error):
        with pytest.raises(error):
            inspect_picture(data)


class TestHeadersOfManyParts:
    """Megabytes of tiny segments keep a decoder busy for minutes, whatever size the picture says it has."""

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(
                make.picture("JPEG")[:2] + b"\xff\xdb\x00\x02" * 5_000 + make.picture("JPEG")[2:], id="segments"
            ),
            pytest.param(make.picture("JPEG")[:-2] + b"\xff\xdb\x00\x02" * 5_000 + b"\xff\xd9", id="behind the scan"),
            pytest.param(make.picture("JPEG")[:2] + b"\xff" * 100_000 + make.picture("JPEG")[2:], id="fill bytes"),
            pytest.param(make.picture("JPEG")[:20] + bytes(100_000) + make.picture("JPEG")[20:], id="junk"),
            pytest.param(make.picture("JPEG")[:2] + b"\xff\xd0" * 50_000 + make.picture("JPEG")[2:], id="bare markers"),
            pytest.param(make.picture("JPEG")[:-2] + b"\xff\xda\x00\x02" * 200 + b"\xff\xd9", id="scans"),
            pytest.param(make.picture("WEBP") + b"JUNK\0\0\0\0" * 5_000, id="chunks"),
            pytest.param(make.picture("GIF")[:-1] + b"!\xfe\0" * 30_000 + b";", id="extensions"),
            pytest.param(make.picture("GIF")[:-1] + b"!\xfe" + b"\x01a" * 10_000 + b"\0;", id="comment"),
            pytest.param(make.picture("GIF")[:-1] + bytes(100_000) + b";", id="junk in a GIF"),
        ],
    )
    def test_are_refused_before_anything_is_decoded(self, data):
        with pytest.raises(TooLargeError, match="far too many parts"):
            inspect_picture(data)

    def test_of_honest_pictures_are_taken(self):
        profile = make.picture("JPEG", icc_profile=bytes(10_000_000), progressive=True)
        assert inspect_picture(profile).kind == "jpeg"
        frames = [Image.new("RGB", (20, 30), (number % 256, number // 256, 0)) for number in range(600)]
        for kind in ("WEBP", "GIF"):
            assert inspect_picture(make.picture(kind, save_all=True, append_images=frames, duration=50)).is_animated


class TestWithoutMetadata:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
    def test_keeps_the_picture_and_may_be_repeated(self, kind):
        bare = without_metadata(make.picture(kind, comment=b"secret"))
        assert b"secret" not in bare or kind == "GIF"
        assert without_metadata(bare) == bare
        assert inspect_picture(bare).width == 20


class TestAsPng:
    def test_leaves_a_png_as_it_is(self):
        data = make.png_file()
        assert as_png(data) is data

    def test_turns_a_rotated_photograph_upright(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        header = inspect_picture(as_png(make.picture("JPEG", exif=exif.tobytes())))
        assert (header.width, header.height, header.has_exif) == (30, 20, False)

    def test_refuses_what_cannot_be_decoded(self):
        with pytest.raises(PictureError):
            as_png(make.picture("JPEG", (200, 200))[:700])


class TestPlaceholder:
    def test_is_a_plain_picture_and_always_the_same(self):
        assert placeholder() == placeholder()
        assert inspect_picture(placeholder()).kind == "png"
