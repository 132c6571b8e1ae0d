"""Portraits on their way out: freed from metadata, brought into PNG where PNG is asked, or honestly absent."""

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw, ImageOps

from studio.cards import png, webp
from studio.cards.colors import as_srgb
from studio.cards.errors import PictureError
from studio.cards.pictures import check_pixels, inspect_picture

_ORIENTATION = 0x0112
_START_OF_SCAN = 0xDA
# APP1 (EXIF, XMP), APP13 (IPTC) and free comments tell about the maker; colour profiles stay.
_JPEG_METADATA = frozenset({0xE1, 0xED, 0xFE})
_WEBP_FLAGS = {b"EXIF": 0x08, b"XMP ": 0x04}
# What Pillow lets through on damaged files, beside its own OSError.
_DECODING_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    ArithmeticError,
    LookupError,
    TypeError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)
_AFTER_PNG_HEADER = 33
_PLACEHOLDER_SIZE = (400, 600)


def without_metadata(data: bytes) -> bytes:
    """The same picture without texts, EXIF, GPS and comments; no pixel is re-encoded, rotation stays.

    Raises what `inspect_picture` raises.
    """
    kind = inspect_picture(data).kind
    if kind == "png":
        return _turned_png(png.rewrite(data, [], keep_metadata=False), _orientation(data))
    if kind == "jpeg":
        return _bare_jpeg(data)
    if kind == "webp":
        return _bare_webp(data)
    return data


def as_png(data: bytes) -> bytes:
    """The picture as PNG: a PNG as it is, the first frame of another kind decoded upright and encoded again.

    Raises what `inspect_picture` raises, or PictureError where the picture cannot be decoded.
    """
    if inspect_picture(data).kind == "png":
        return data
    return _encoded(_upright(data), "PNG", optimize=False)


def as_webp(data: bytes) -> bytes:
    """The picture as WebP: a WebP as it is, the first frame of another kind decoded upright and encoded again.

    Raises what `as_png` raises.
    """
    if inspect_picture(data).kind == "webp":
        return data
    return _encoded(_upright(data), "WEBP", quality=90)


def placeholder() -> bytes:
    """A plain PNG that says that there is no portrait, for cards that must be a picture but have none."""
    picture = Image.new("RGB", _PLACEHOLDER_SIZE, (238, 240, 244))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((24, 24, 375, 575), outline=(173, 181, 194), width=2)
    draw.text((200, 300), "no portrait", fill=(92, 102, 118), anchor="mm", font_size=32)
    return _encoded(picture, "PNG", optimize=False)


def _upright(data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data)) as opened:
            # The decoder has the last word about the size, before it spends the memory.
            check_pixels(*opened.size)
            upright = as_srgb(ImageOps.exif_transpose(opened))
            has_alpha = upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info
            return upright.convert("RGBA" if has_alpha else "RGB")
    except _DECODING_ERRORS as error:
        raise PictureError("The picture cannot be decoded; save it as PNG and give it again.") from error


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    # A fresh picture carries no `info`, so nothing of the original's metadata is written.
    picture.info.clear()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _bare_jpeg(data: bytes) -> bytes:
    out = [data[:2]]
    if (orientation := _orientation(data)) not in {0, 1}:
        out.append(_orientation_segment(orientation))
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:  # noqa: PLR2004  # Every marker begins with FF.
        marker = data[position + 1]
        if marker == _START_OF_SCAN:
            break
        if marker == 0xFF:  # noqa: PLR2004  # A fill byte.
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + max(length, 2)
        if marker not in _JPEG_METADATA:
            out.append(data[position:end])
        position = end
    out.append(data[position:])
    return b"".join(out)


def _orientation(data: bytes) -> int:
    try:
        with Image.open(io.BytesIO(data)) as opened:
            value = opened.getexif().get(_ORIENTATION, 1)
    except _DECODING_ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1  # noqa: PLR2004  # EXIF knows eight.


def _orientation_exif(orientation: int) -> bytes:
    """EXIF that says which side is up, and nothing else."""
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)


def _orientation_segment(orientation: int) -> bytes:
    exif = b"Exif\0\0" + _orientation_exif(orientation)
    return struct.pack(">BBH", 0xFF, 0xE1, len(exif) + 2) + exif


def _turned_png(data: bytes, orientation: int) -> bytes:
    if orientation in {0, 1}:
        return data
    named = b"eXIf" + _orientation_exif(orientation)
    chunk = struct.pack(">I", len(named) - 4) + named + struct.pack(">I", zlib.crc32(named))
    return data[:_AFTER_PNG_HEADER] + chunk + data[_AFTER_PNG_HEADER:]


def _bare_webp(data: bytes) -> bytes:
    body = bytearray()
    orientation = _orientation(data)
    is_turned = False
    for name, start, length in webp.chunks(data):
        chunk = bytearray(data[start : start + length])
        if name == b"EXIF" and orientation not in {0, 1} and not is_turned:
            chunk, is_turned = bytearray(_orientation_exif(orientation)), True
        elif name in _WEBP_FLAGS:
            continue
        if name == b"VP8X" and chunk:
            dropped = _WEBP_FLAGS[b"XMP "] if orientation not in {0, 1} else sum(_WEBP_FLAGS.values())
            chunk[0] &= ~dropped & 0xFF
        body += struct.pack("<4sI", name, len(chunk)) + chunk + b"\0" * (len(chunk) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + bytes(body)
