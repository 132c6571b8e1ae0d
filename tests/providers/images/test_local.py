"""The placeholder drawn here: the same for the same seed, and every name."""

import io

import pytest
from PIL import Image

from studio.providers.images import local
from studio.providers.images.protocol import PictureRequest


class TestLocal:
    def test_draws_the_same_for_the_same_seed(self):
        request = PictureRequest("x", width=256, height=384, name="独孤求败", hue=3)
        assert local.draw(request, 7) == local.draw(request, 7)
        assert local.draw(request, 7) != local.draw(request, 8)

    @pytest.mark.parametrize("name", ["", "Mei", "独孤求败", "A very long name of a very long person " * 4, "🜁"])
    def test_draws_every_name(self, name):
        data = local.draw(PictureRequest("prompt", width=2048, height=64, name=name), 1)
        assert Image.open(io.BytesIO(data)).size == (1024, 32)

    @pytest.mark.parametrize(
        ("name", "same_as"),
        [
            ("مريم Layla", "Layla"),
            ("😀 Bob 😀", "Bob"),
            ("独孤求败 👾", "独孤求败"),
            # Of these nothing can be drawn: the shapes stand alone.
            ("مريم", "한나"),
            ("👨\u200d👩\u200d👧", "مريم"),
        ],
    )
    def test_draws_no_boxes_for_signs_that_its_fonts_lack(self, name, same_as):
        made = [local.draw(PictureRequest("x", width=128, height=192, name=one, hue=3), 7) for one in (name, same_as)]
        assert made[0] == made[1]

    def test_draws_accents_and_other_alphabets(self):
        shapes = local.draw(PictureRequest("x", width=128, height=192, name="مريم"), 7)
        for name in ("Élodie", "Анна", "Ωμέγα", "独孤求败"):
            assert local.draw(PictureRequest("x", width=128, height=192, name=name), 7) != shapes
