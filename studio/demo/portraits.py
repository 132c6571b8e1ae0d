"""Portraits drawn by code for the demo's characters: flat shapes in two tones, no likeness of anyone."""

import hashlib
import io
import math

from PIL import Image, ImageDraw, ImageFilter

SIZE = (640, 800)
_FOLDS, _PARTS = 9, 3
_PALETTES = (
    ("#1f2a44", "#e8b04a", "#f4d9b8"),
    ("#20343a", "#7fb7a3", "#ecd3b4"),
    ("#4a1f3d", "#e2725b", "#f0c9a8"),
    ("#16233b", "#6d83f2", "#e6c6a4"),
    ("#2f2a1c", "#d9c36a", "#d8b48c"),
    ("#112b2a", "#58c4b8", "#f1d6bd"),
)


def draw(name: str) -> bytes:
    """A PNG of 640 × 800 for `name`: the same name gives the same picture."""
    seed = hashlib.sha256(name.encode()).digest()
    dark, accent, skin = _PALETTES[seed[9] % len(_PALETTES)]
    picture = _gradient(dark, accent)
    picture.paste(accent, mask=_curtain(seed))
    width, height = SIZE
    pen = ImageDraw.Draw(picture, "RGBA")
    _halo(pen, seed, accent)
    middle = width // 2 + (seed[1] % 5 - 2) * 55
    _hair(pen, middle, seed, dark)
    pen.rounded_rectangle((middle - 46, 430, middle + 46, 600), 40, fill=skin)
    pen.ellipse((middle - 120, 210, middle + 120, 500), fill=skin)
    pen.pieslice((middle - 290, 560, middle + 290, height + 320), 180, 360, fill=dark)
    pen.polygon([(middle - 70, 566), (middle + 70, 566), (middle, 690)], fill=accent)
    _fringe(pen, middle, seed, dark)
    for side in (-1, 1):
        pen.arc((middle + side * 52 - 26, 352, middle + side * 52 + 26, 382), 200, 340, fill=dark, width=6)
    pen.arc((middle - 30, 420, middle + 30, 448), 20, 160, fill=dark, width=5)
    buffer = io.BytesIO()
    picture.filter(ImageFilter.SMOOTH).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _gradient(top: str, bottom: str) -> Image.Image:
    mask = Image.linear_gradient("L").resize(SIZE)
    return Image.composite(
        Image.new("RGB", SIZE, bottom), Image.new("RGB", SIZE, top), mask.point(lambda v: v * 3 // 5)
    )


def _curtain(seed: bytes) -> Image.Image:
    """Where light falls behind the person, soft, as the seed says: the desk must not take one portrait for a copy of another."""
    width, height = SIZE
    light = Image.new("L", SIZE)
    pen = ImageDraw.Draw(light)
    for fold in range(_FOLDS):
        for part in range(_PARTS):
            bright = (seed[(fold + part * 9) % 32] >> (fold % 5)) % 4 * 52
            left, top = fold * width // _FOLDS, part * height // _PARTS
            pen.rectangle((left, top, left + width // _FOLDS, top + height // _PARTS), fill=bright)
    return light.filter(ImageFilter.GaussianBlur(30))


def _halo(pen: ImageDraw.ImageDraw, seed: bytes, accent: str) -> None:
    """Points and rings behind the head, told apart by the seed."""
    width, height = SIZE
    for index in range(26):
        x, y = seed[index % 32] * width // 255, seed[(index * 7 + 3) % 32] * height // 340
        radius = 2 + seed[(index * 5) % 32] % 5
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=accent + "88")
    for ring in range(3):
        radius = 210 + ring * 42 + seed[2] % 20
        pen.ellipse(
            (width / 2 - radius, 340 - radius, width / 2 + radius, 340 + radius), outline=accent + "55", width=3
        )


def _hair(pen: ImageDraw.ImageDraw, middle: int, seed: bytes, dark: str) -> None:
    length = 520 + seed[3] % 160
    pen.rounded_rectangle((middle - 152, 180, middle + 152, length), 140, fill=dark)


def _fringe(pen: ImageDraw.ImageDraw, middle: int, seed: bytes, dark: str) -> None:
    locks = 4 + seed[4] % 4
    for lock in range(locks):
        angle = math.pi * (lock + 0.5) / locks
        x = middle - math.cos(angle) * 78
        pen.pieslice((x - 74, 190, x + 74, 190 + 110 + seed[5 + lock] % 50), 180, 360, fill=dark)
