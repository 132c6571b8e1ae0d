"""Pictures as phones, scanners and printers make them: colours and the side that is up are the same after all is taken out."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from studio.cards import portraits
from studio.cards.colors import as_srgb
from studio.kit.errors import InvalidError
from studio.media import cleaning, files, pixels
from studio.media.models import VariantKind
from tests.factories.media import picture

GREEN = (60, 200, 60)
ADOBE = {
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
}


def profile(primaries=ADOBE):
    """A wide one: sRGB's own with other primaries, under its old name."""
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for number in range(struct.unpack_from(">I", made, 128)[0]):
        name, place, _size = struct.unpack_from(">4sII", made, 132 + 12 * number)
        for at, value in enumerate(primaries.get(name, ())):
            struct.pack_into(">i", made, place + 8 + 4 * at, round(value * 65_536))
    return bytes(made)


# Made once: the day and second on which it is made stand in it.
WIDE = profile()


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def variants(data):
    clean, facts = files.checked_picture(data)
    made = pixels.variants(pixels.opened(clean, shown=pixels.needed(None))[1], list(VariantKind))
    return clean, facts, {kind: Image.open(io.BytesIO(found)) for kind, found, _width, _height in made}


def near(one, other, by=6):
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


class TestColors:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_of_a_wide_profile_are_the_same_in_every_size(self, kind):
        flat = Image.new("RGB", (300, 400), GREEN)
        wide = ImageCms.ImageCmsProfile(io.BytesIO(WIDE))
        seen = ImageCms.profileToProfile(flat, wide, ImageCms.createProfile("sRGB"), outputMode="RGB").getpixel((5, 5))
        assert not near(seen, GREEN, 20)
        clean, _facts, made = variants(encoded(flat, kind, icc_profile=WIDE))
        # The file itself keeps its pixels, and the profile that they need.
        with Image.open(io.BytesIO(clean)) as kept:
            assert kept.info["icc_profile"] == WIDE
        for one in made.values():
            assert near(one.convert("RGB").getpixel((40, 40)), seen)
            assert "icc_profile" not in one.info
        if kind != "PNG":
            with Image.open(io.BytesIO(portraits.as_png(clean))) as card:
                assert near(card.getpixel((5, 5)), seen)

    def test_of_print_and_of_sixteen_bits_are_shown(self):
        red = Image.new("RGB", (300, 400), (200, 30, 40))
        for one in variants(encoded(red.convert("CMYK"), "JPEG"))[2].values():
            assert near(one.convert("RGB").getpixel((40, 40)), (200, 30, 40))
        deep = np.full((400, 300), 51_400, dtype=np.uint16)
        for one in variants(encoded(Image.fromarray(deep), "PNG"))[2].values():
            assert near(one.convert("RGB").getpixel((40, 40)), (200, 200, 200))

    @pytest.mark.parametrize("broken", [b"", b"\0" * 200, WIDE[:300], WIDE.replace(b"RGB ", b"CMYK"), b"x" * 5_000_000])
    def test_of_a_broken_profile_are_taken_as_they_are(self, broken):
        image = Image.new("RGB", (4, 4), GREEN)
        image.info["icc_profile"] = broken
        assert as_srgb(image).getpixel((1, 1)) == GREEN


class TestTurned:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("orientation", [3, 6, 8])
    def test_pictures_stay_upright_when_their_exif_goes(self, kind, orientation):
        lying = Image.new("RGB", (400, 300), (0, 0, 255))
        lying.paste((255, 0, 0), (0, 0, 400, 60))
        exif = Image.Exif()
        exif[0x0112], exif[0x010E] = orientation, "taken at home"
        data = encoded(lying, kind, exif=exif.tobytes())
        clean, facts, made = variants(data)
        assert b"taken at home" not in clean
        with Image.open(io.BytesIO(clean)) as kept:
            assert dict(kept.getexif()) == {0x0112: orientation}
        upright = (400, 300) if orientation == 3 else (300, 400)
        assert (facts["width"], facts["height"]) == upright
        cover = made[VariantKind.COVER].convert("RGB")
        assert cover.size == upright
        # Where the red edge is once the picture stands.
        edge = {3: (200, 295), 6: (295, 200), 8: (4, 200)}[orientation]
        assert near(cover.getpixel(edge), (255, 0, 0), 40)
        assert cleaning.picture(clean) == (clean, False)


class TestAnimated:
    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
    def test_pictures_keep_their_frames_and_have_their_first_in_every_size(self, kind):
        count = 500 if kind == "GIF" else 12
        frames = [Image.new("RGB", (120, 160), (number % 250, 40, 90)) for number in range(count)]
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=20, loop=0)
        clean, facts, made = variants(data)
        assert facts["details"]["is_animated"]
        with Image.open(io.BytesIO(clean)) as kept, Image.open(io.BytesIO(data)) as before:
            assert kept.n_frames == before.n_frames > 1
        assert all(near(one.convert("RGB").getpixel((40, 40)), (0, 40, 90)) for one in made.values())


def test_nothing_and_what_is_too_large_are_refused_in_words():
    with pytest.raises(InvalidError):
        files.checked_picture(b"")
    with pytest.raises(InvalidError, match="megapixels"):
        files.checked_picture(picture(1, 1).replace(struct.pack(">II", 1, 1), struct.pack(">II", 7_000, 6_000)))
