import io
import uuid

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from studio.cards.pictures import inspect_picture
from studio.media import pixels, rules, variants
from studio.media.models import MediaFile, VariantKind
from studio.media.rules import VARIANTS
from studio.providers.storage import key_of
from tests.factories.media import make_portrait, picture

SIDES = st.integers(min_value=1, max_value=9_000)


class TestMake:
    def test_makes_every_size_without_metadata(self, session, storage, creator):
        source = make_portrait(session, actor=creator, storage=storage, data=picture(1000, 1600, texts={"a": "b"}))
        made = variants.make(session, file_id=source.id, storage=storage)
        assert {file.variant: (file.width, file.height) for file in made} == {
            VariantKind.AVATAR: (96, 96),
            VariantKind.CARD: (400, 600),
            VariantKind.COVER: (750, 1200),
        }
        for file in made:
            header = inspect_picture(storage.get(key_of(file.sha256)))
            assert (header.kind, header.has_exif, header.has_text_chunks) == ("webp", False, False)
            assert (file.owner_id, file.source_id) == (creator.user_id, source.id)

    def test_makes_them_once(self, session, storage, creator):
        source = make_portrait(session, actor=creator, storage=storage)
        assert len(variants.make(session, file_id=source.id, storage=storage)) == 3
        assert variants.make(session, file_id=source.id, storage=storage) == []
        assert session.scalar(sa.select(sa.func.count()).where(MediaFile.source_id == source.id)) == 3

    def test_makes_what_is_missing(self, session, storage, creator):
        source = make_portrait(session, actor=creator, storage=storage)
        variants.make(session, file_id=source.id, storage=storage)
        session.execute(sa.delete(MediaFile).where(MediaFile.variant == VariantKind.CARD))
        assert [file.variant for file in variants.make(session, file_id=source.id, storage=storage)] == [
            VariantKind.CARD
        ]

    def test_has_nothing_to_do_for_a_picture_that_is_gone(self, session, storage):
        assert variants.make(session, file_id=uuid.uuid4(), storage=storage) == []

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
    def test_takes_every_kind_of_pixels(self, session, storage, creator, mode):
        image = Image.new("L", (80, 120), 128)
        image = Image.new("I;16", (80, 120), 30_000) if mode == "I;16" else image.convert(mode)
        out = io.BytesIO()
        image.save(out, "PNG")
        source = make_portrait(session, actor=creator, storage=storage, data=out.getvalue())
        avatar = variants.make(session, file_id=source.id, storage=storage)[0]
        shown = Image.open(io.BytesIO(storage.get(key_of(avatar.sha256)))).convert("RGB")
        # The average, since black and white alone are dithered.
        assert 100 <= shown.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))[0] <= 150

    def test_turns_a_picture_upright(self, session, storage, creator):
        exif = Image.Exif()
        exif[0x0112] = 6
        source = make_portrait(
            session, actor=creator, storage=storage, data=picture(600, 400, kind="JPEG", exif=exif.tobytes())
        )
        cover = variants.make(session, file_id=source.id, storage=storage)[-1]
        assert (cover.width, cover.height) == (400, 600)

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "JPEG"])
    def test_takes_other_formats(self, session, storage, creator, kind):
        source = make_portrait(session, actor=creator, storage=storage, data=picture(kind=kind))
        assert len(variants.make(session, file_id=source.id, storage=storage)) == 3


class TestSizes:
    @given(width=SIDES, height=SIDES, kind=st.sampled_from(VariantKind))
    def test_never_enlarge_nor_leave_the_box(self, width, height, kind):
        box = VARIANTS[kind]
        for shown in (rules.fitted(width, height, box), rules.whole(width, height, box)):
            assert 1 <= shown[0] <= max(1, min(width, box.width))
            assert 1 <= shown[1] <= max(1, min(height, box.height))


class TestDifferenceHash:
    def test_is_near_for_a_picture_saved_again_smaller(self):
        _, first = pixels.opened(picture(600, 900))
        _, second = pixels.opened(picture(300, 450, kind="JPEG"))
        distance = (pixels.difference_hash(first) ^ pixels.difference_hash(second)) & (2**64 - 1)
        assert distance.bit_count() <= 6

    def test_fits_a_signed_bigint(self):
        striped = Image.new("RGB", (90, 80))
        for x in range(0, 90, 20):
            striped.paste((255, 255, 255), (x, 0, x + 10, 80))
        assert -(2**63) <= pixels.difference_hash(striped) < 2**63


class TestVariants:
    """Sizes that are made from the largest one look as if they were made from the picture itself."""

    @pytest.mark.parametrize("size", [(1024, 1536), (2000, 3000), (3000, 1000), (300, 400)])
    @pytest.mark.parametrize(("crop", "focus"), [(None, None), ((0.1, 0.2, 0.9, 1.0), (0.7, 0.4))])
    def test_are_as_good_as_from_the_picture_and_show_the_same(self, size, crop, focus):
        soft = Image.effect_noise((24, 36), 90).resize(size, Image.Resampling.BICUBIC)
        image = Image.merge("RGB", (soft, Image.effect_noise(size, 40), soft))
        together = pixels.variants(image, list(VariantKind), crop=crop, focus=focus)
        assert [kind for kind, *_ in together] == list(VariantKind)
        for kind, data, width, height in together:
            ((_, alone, *alone_size),) = pixels.variants(image, [kind], crop=crop, focus=focus)
            assert [width, height] == alone_size
            one, other = (Image.open(io.BytesIO(each)).convert("RGB") for each in (data, alone))
            error = ImageStat.Stat(ImageChops.difference(one, other)).rms
            # Of 255; grain of 40 is the hardest case, and a difference of four is below what WebP itself adds.
            assert max(error) < 6, (kind, error)
