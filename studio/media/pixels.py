"""Decoding and encoding pictures with bounded memory: a hash for look-alikes, and smaller copies without metadata."""

import io
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from PIL import Image, ImageOps

from studio.cards.colors import as_srgb
from studio.cards.pictures import PictureHeader, check_pixels, inspect_picture
from studio.kit.errors import InvalidError
from studio.media.errors import UnusableFileError
from studio.media.models import VariantKind
from studio.media.rules import FACES_AT, VARIANTS, Box, VariantSize, filled, fitted, part_of, whole

_ORIENTATION = 0x0112
_LYING = frozenset({5, 6, 7, 8})
"""Orientations in which the file holds the picture on its side."""
_FOR_A_HASH = (256, 256)
_HASH_SIZE = 8
# WebP's effort from 0 to 6: two give nearly the size of four in half the time.
_EFFORT = 2
_AMPLE = 2.0
_SIGN_BIT = 1 << 63
# However many threads have pictures to decode, memory is spent on two of them.
_AT_ONCE = threading.BoundedSemaphore(2)
_WIDE_MODES = frozenset({"I", "I;16", "I;16B", "I;16L", "F"})


def opened(data: bytes, *, shown: tuple[int, int] = _FOR_A_HASH) -> tuple[PictureHeader, Image.Image]:
    """The header with the sides as they are shown, and the picture upright in RGB or RGBA, no smaller than `shown`, if it is not smaller itself.

    A JPEG is decoded at an eighth, a quarter or half of its size where that is enough, which is several times quicker.
    The header is checked before anything is decoded: at most 40 megapixels, so at most 160 MB are spent.
    Raises InvalidError (UnusableFileError where the content is broken).
    """
    with few_at_once():
        return _opened(data, shown=shown)


def looked_at(data: bytes) -> tuple[PictureHeader, int]:
    """The header as `opened` gives it, and the difference hash; what was decoded is let go before another's turn comes."""
    with few_at_once():
        header, picture = _opened(data, shown=_FOR_A_HASH)
        found = difference_hash(picture)
        del picture
    return header, found


@contextmanager
def few_at_once() -> Iterator[None]:
    """Within, this thread may hold the pixels of a picture: two may at a time. Not to be entered twice."""
    with _AT_ONCE:
        yield


def _opened(data: bytes, *, shown: tuple[int, int]) -> tuple[PictureHeader, Image.Image]:
    header = inspect_picture(data)
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF")) as picture:
            # Pillow reads the size for itself; where the two disagree, its own word decides on memory.
            check_pixels(*picture.size)
            if picture.getexif().get(_ORIENTATION) in _LYING:
                header = replace(header, width=header.height, height=header.width)
            picture.draft("RGB", shown)
            upright = as_srgb(ImageOps.exif_transpose(picture))
            return header, _plain(upright)
    except InvalidError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise UnusableFileError(
            "The picture is damaged and cannot be shown; save it again as PNG or JPEG and upload that."
        ) from error


def difference_hash(picture: Image.Image) -> int:
    """A 64-bit hash in which pictures that look alike differ in few bits, as PostgreSQL's signed bigint.

    dHash: whether each of 8 x 8 grey pixels is brighter than its right neighbour (Krawetz, 2013).
    """
    small = _on_white(picture).convert("L").resize((_HASH_SIZE + 1, _HASH_SIZE), Image.Resampling.LANCZOS)
    pixels = small.tobytes()
    value = 0
    for row in range(_HASH_SIZE):
        start = row * (_HASH_SIZE + 1)
        for column in range(_HASH_SIZE):
            value = value << 1 | (pixels[start + column] > pixels[start + column + 1])
    return value - (_SIGN_BIT << 1) if value & _SIGN_BIT else value


def needed(crop: Sequence[float] | None) -> tuple[int, int]:
    """The size at which a picture must be decoded, so that the largest variant of its crop loses nothing."""
    across = max(box.width for box in VARIANTS.values())
    down = max(box.height for box in VARIANTS.values())
    # Upright or lying: which of the two it is stands in the file, and is not known yet.
    side = max(across, down)
    if crop is None:
        return across, across
    return round(side / (crop[2] - crop[0])), round(side / (crop[3] - crop[1]))


def variants(
    picture: Image.Image,
    kinds: Sequence[VariantKind],
    *,
    crop: Sequence[float] | None = None,
    focus: tuple[float, float] | None = None,
) -> list[tuple[VariantKind, bytes, int, int]]:
    """The picture as WebP in these of the sizes that screens use, each with its width and height; nothing but pixels in it.

    `crop` (left, top, right, bottom) and `focus` are shares of the sides; without a focus faces are looked for above.
    A size is made from the largest one where that has four pixels for each of its own: as sharp, from a tenth of the pixels.
    """
    made: list[tuple[VariantKind, bytes, int, int]] = []
    cover: Image.Image | None = None
    inner = _within(crop, focus)
    for kind in sorted(kinds, key=lambda kind: kind is not VariantKind.COVER):
        if kind is VariantKind.COVER:
            small = cover = _scaled(picture, kind, crop=crop, focus=focus)
        elif cover is not None and _is_ample(cover, kind):
            small = _scaled(cover, kind, crop=None, focus=inner)
        else:
            small = _scaled(picture, kind, crop=crop, focus=focus)
        out = io.BytesIO()
        small.save(out, "WEBP", quality=VARIANTS[kind].quality, method=_EFFORT)
        made.append((kind, out.getvalue(), small.width, small.height))
    return sorted(made, key=lambda one: kinds.index(one[0]))


def _scaled(
    picture: Image.Image,
    kind: VariantKind,
    *,
    crop: Sequence[float] | None,
    focus: tuple[float, float] | None,
) -> Image.Image:
    box = VARIANTS[kind]
    part = part_of(picture.width, picture.height, crop)
    across, down = round(part[2] - part[0]), round(part[3] - part[1])
    if kind is VariantKind.COVER:
        size = whole(across, down, box)
    else:
        size = fitted(across, down, box)
        part = filled(part, size, _looked_at(picture, part, focus, size))
    # A first rough step, then the fine one: as sharp to the eye, at a fraction of the time.
    small = picture.resize(size, Image.Resampling.LANCZOS, box=part, reducing_gap=2.0)
    small.info.clear()
    return small


def _is_ample(cover: Image.Image, kind: VariantKind) -> bool:
    """Whether the size loses nothing by being made from the cover: two pixels of it in each direction for one."""
    box = VARIANTS[kind]
    return min(cover.width / box.width, cover.height / box.height) >= _AMPLE


def _within(crop: Sequence[float] | None, focus: tuple[float, float] | None) -> tuple[float, float] | None:
    """The focus in shares of what the crop leaves."""
    if crop is None or focus is None:
        return focus
    return (focus[0] - crop[0]) / (crop[2] - crop[0]), (focus[1] - crop[1]) / (crop[3] - crop[1])


def as_jpeg(data: bytes, *, within: tuple[int, int]) -> bytes:
    """The picture as a JPEG that is no larger than `within`, on white where it is transparent: for who only looks at it.

    Raises as `opened`.
    """
    _header, picture = opened(data, shown=within)
    size = whole(picture.width, picture.height, VariantSize(*within, 0))
    small = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    if small.mode == "RGBA":
        ground = Image.new("RGB", small.size, (255, 255, 255))
        ground.paste(small, mask=small.getchannel("A"))
        small = ground
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return out.getvalue()


def _looked_at(
    picture: Image.Image, part: Box, focus: tuple[float, float] | None, size: tuple[int, int]
) -> tuple[float, float]:
    if focus is not None:
        return focus[0] * picture.width, focus[1] * picture.height
    left, top, right, bottom = part
    scale = min((right - left) / size[0], (bottom - top) / size[1])
    free = (bottom - top) - size[1] * scale
    return (left + right) / 2, top + free * FACES_AT + size[1] * scale / 2


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode in _WIDE_MODES:
        # Sixteen bits a pixel: keep the upper eight, where a plain conversion would cut everything to white.
        picture = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    has_alpha = picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info
    return picture.convert("RGBA" if has_alpha else "RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    small = picture.resize(whole(picture.width, picture.height, VariantSize(128, 128, 0)), reducing_gap=2.0)
    ground = Image.new("RGB", small.size, (255, 255, 255))
    ground.paste(small, mask=small.getchannel("A"))
    return ground
