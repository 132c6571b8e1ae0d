"""No picture provider: the honest stand-in, which sets a name in type on the character's colour and says what it is."""

import colorsys
import io
import math
import random
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import pylopdf_fonts_zh_cn
from PIL import Image, ImageDraw, ImageFont

from studio.providers.images.protocol import Made, Picture, PictureRequest, Watch
from studio.settings import Settings

LABEL = "placeholder"
_LARGEST = 1024
_SEEDS = 2**32
_PROBE = 16
# A place of Unicode that never holds a sign: every font draws its box for it.
_NO_SIGN = "\U0010fffe"


class LocalImages:
    """Draws typographic portraits; the same name, colour and seed give the same picture."""

    name = "local"
    model = "typographic"
    label = "placeholders, drawn on this machine"
    is_local = True
    ignores = frozenset({"negative_prompt", "steps", "guidance"})
    sizes: Sequence[tuple[int, int]] = ()
    most_pictures = 8
    tells_progress = True

    def make(self, request: PictureRequest, *, timeout: float, time_limit: float, watch: Watch) -> Made:
        """Draw as many placeholders as asked for, each with a seed of its own; nothing is sent anywhere."""
        del timeout, time_limit
        first = request.seed if request.seed is not None else random.SystemRandom().randrange(_SEEDS)
        pictures = []
        for number in range(request.count):
            watch("Drawing a placeholder", 100 * number / request.count)
            seed = (first + number) % _SEEDS
            pictures.append(Picture(draw(request, seed), seed))
        return Made(pictures)

    def close(self) -> None:
        """Nothing is held open."""


def from_settings(_settings: Settings) -> LocalImages:
    """Return the stand-in, which has nothing to set."""
    return LocalImages()


def draw(request: PictureRequest, seed: int) -> bytes:
    """One placeholder as PNG, at most 1,024 pixels along its longer side."""
    scale = min(1.0, _LARGEST / max(request.width, request.height))
    width, height = max(1, round(request.width * scale)), max(1, round(request.height * scale))
    # Not for secrets: the same seed must give the same picture.
    dice = random.Random(seed)  # noqa: S311
    hue = (request.hue / 12 + dice.uniform(-0.06, 0.06)) % 1
    picture = _ground(width, height, hue, dice)
    draw = ImageDraw.Draw(picture, "RGBA")
    light = _colour(hue, 0.95, 0.25)
    for _ in range(dice.randint(3, 6)):
        _shape(draw, width, height, dice, (*light, dice.randint(14, 38)))
    name = request.name.strip() or request.prompt.strip()[:12] or "?"
    initial = _initial(name)
    if initial:
        face = _font(_needs_serif(initial), round(min(width, height) * 0.52))
        draw.text((width / 2, height * 0.46), initial, font=face, fill=(*light, 235), anchor="mm")
        caption = _drawable(name)
        _caption(draw, caption, width, round(height * 0.8), max(10, round(min(width, height) * 0.075)), (*light, 230))
    small = max(9, round(min(width, height) * 0.034))
    _caption(draw, LABEL, width, round(height * 0.93), small, (*light, 200))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _ground(width: int, height: int, hue: float, dice: random.Random) -> Image.Image:
    ramp = Image.linear_gradient("L").rotate(dice.choice((0, 90, 180))).resize((width, height))
    dark, deep = _colour(hue, 0.42, 0.6), _colour((hue + 0.08) % 1, 0.2, 0.7)
    return Image.composite(Image.new("RGB", (width, height), dark), Image.new("RGB", (width, height), deep), ramp)


def _shape(
    draw: ImageDraw.ImageDraw, width: int, height: int, dice: random.Random, fill: tuple[int, int, int, int]
) -> None:
    radius = dice.uniform(0.12, 0.5) * max(width, height)
    x, y = dice.uniform(0, width), dice.uniform(0, height)
    if dice.random() < 0.5:  # noqa: PLR2004 - One half circles, one half polygons.
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
        return
    corners, turn = dice.randint(3, 6), dice.uniform(0, math.tau)
    draw.polygon(
        [
            (x + radius * math.cos(turn + math.tau * k / corners), y + radius * math.sin(turn + math.tau * k / corners))
            for k in range(corners)
        ],
        fill=fill,
    )


def _caption(
    draw: ImageDraw.ImageDraw, text: str, width: int, y: int, size: int, fill: tuple[int, int, int, int]
) -> None:
    font = _font(_needs_serif(text), size)
    shown, more = text, "…" if _needs_serif(text) else "..."
    while len(shown) > len(more) and draw.textlength(shown, font=font) > width * 0.88:
        shown = shown.removesuffix(more)[:-1].rstrip() + more
    draw.text((width / 2, y), shown, font=font, fill=fill, anchor="mm")


def _colour(hue: float, value: float, saturation: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _initial(name: str) -> str:
    """The first sign of the name that is drawn large: a letter or digit before anything else; "" where there is none."""
    drawn = [sign for sign in name if _can_draw(sign) and not _adds_nothing(sign)]
    first = next((sign for sign in drawn if sign.isalnum()), "".join(drawn[:1]))
    return first.upper() if all(map(_can_draw, first.upper())) else first


def _drawable(name: str) -> str:
    """The name without the signs that no font at hand draws, and without the gaps that they leave."""
    return " ".join("".join(sign if _can_draw(sign) else " " * sign.isspace() for sign in name).split())


def _adds_nothing(sign: str) -> bool:
    """Whether the sign is a gap, or stands only on another one."""
    return sign.isspace() or unicodedata.category(sign).startswith("M")


def _can_draw(sign: str) -> bool:
    # What only joins or directs others (category C) has nothing to show by itself.
    return not unicodedata.category(sign).startswith("C") and (_has(False, sign) or _has(True, sign))


def _needs_serif(text: str) -> bool:
    """Whether Pillow's own face, which knows little more than ASCII, lacks a sign of the text."""
    return not all(_has(False, sign) for sign in text)


@lru_cache(maxsize=4096)
def _has(is_serif: bool, sign: str) -> bool:  # noqa: FBT001 - The cache's key.
    """Whether the font draws the sign, and not the box that stands for what it lacks."""
    font = _font(is_serif, _PROBE)
    return _pixels(font, sign) != _pixels(font, _NO_SIGN)


def _pixels(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, sign: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(sign)
    return mask.size, bytes(mask)


@lru_cache(maxsize=64)
def _font(is_serif: bool, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:  # noqa: FBT001 - The cache's key.
    """Pillow's own face; for Chinese, Cyrillic and Greek the one that statements are printed with."""
    if is_serif:
        return ImageFont.truetype(str(pylopdf_fonts_zh_cn.serif_path()), size)
    return ImageFont.load_default(size)
