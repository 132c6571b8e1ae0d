"""What a file may be, and how large its pictures are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studio.cards import limits
from studio.cards.pictures import is_svg
from studio.media.models import MediaPurpose, VariantKind

MOST_BYTES: Mapping[MediaPurpose, int] = {
    MediaPurpose.CARD: limits.FILE_BYTES,
    MediaPurpose.PORTRAIT: limits.PICTURE_BYTES,
    MediaPurpose.VARIANT: limits.PICTURE_BYTES,
    MediaPurpose.AUDIO: 50 * limits.MB,
    MediaPurpose.VIDEO: 200 * limits.MB,
    MediaPurpose.DOCUMENT: 20 * limits.MB,
    MediaPurpose.SPEECH: 20_000_000,
}
"""How many bytes a file may have, by its purpose."""

MOST_UPLOADED = max(MOST_BYTES[purpose] for purpose in (MediaPurpose.PORTRAIT, MediaPurpose.AUDIO, MediaPurpose.VIDEO))
"""No upload is larger, whatever it turns out to be."""

LIBRARY = (MediaPurpose.PORTRAIT, MediaPurpose.AUDIO, MediaPurpose.VIDEO, MediaPurpose.DOCUMENT)
"""The purposes whose files stand in a person's library."""

QUOTA_BYTES = 10_000 * limits.MB
"""What a person may keep where nobody set another limit."""

LOOK_ALIKE_BITS = 6
"""Pictures whose difference hashes differ in no more of their 64 bits look alike."""

PICTURES = frozenset({MediaPurpose.PORTRAIT, MediaPurpose.VARIANT})
"""The purposes whose files are pictures."""

FACES_AT = 0.2
"""Where a crop looks first, from the top: portraits have their faces in the upper third."""


@dataclass(frozen=True)
class VariantSize:
    """The box that a variant fills, in pixels, and the quality of its WebP (0-100)."""

    width: int
    height: int
    quality: int


VARIANTS: Mapping[VariantKind, VariantSize] = {
    # Twice the shown size, for dense screens.
    VariantKind.AVATAR: VariantSize(96, 96, 82),
    VariantKind.CARD: VariantSize(400, 600, 82),
    VariantKind.COVER: VariantSize(800, 1200, 84),
}

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_RIFF_KINDS = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_ISO_BRANDS = {b"M4A ": "audio/mp4", b"M4B ": "audio/mp4", b"qt  ": "video/quicktime"}
_PICTURE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"heim", b"hevc"})
# Eleven bits of sync, then version and layer, which are not the reserved ones.
_MPEG_SYNC = 0xFF
_MPEG_LAYER_3 = frozenset({0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2})
_TEXT_HEAD = 4096
_CONTROLS = frozenset(range(32)) - {9, 10, 12, 13}

PURPOSES: Mapping[str, MediaPurpose] = {
    "image/png": MediaPurpose.PORTRAIT,
    "image/jpeg": MediaPurpose.PORTRAIT,
    "image/webp": MediaPurpose.PORTRAIT,
    "image/gif": MediaPurpose.PORTRAIT,
    "audio/mpeg": MediaPurpose.AUDIO,
    "audio/wav": MediaPurpose.AUDIO,
    "audio/ogg": MediaPurpose.AUDIO,
    "audio/flac": MediaPurpose.AUDIO,
    "audio/mp4": MediaPurpose.AUDIO,
    "video/mp4": MediaPurpose.VIDEO,
    "video/quicktime": MediaPurpose.VIDEO,
    "video/webm": MediaPurpose.VIDEO,
    "application/pdf": MediaPurpose.DOCUMENT,
    "application/json": MediaPurpose.DOCUMENT,
    "text/plain": MediaPurpose.DOCUMENT,
}
"""What a file of each media type is for, in a library; of others it takes none."""


def media_type_of(data: bytes) -> str:
    """The media type by the first bytes, never by the name; `application/octet-stream` for what is not known."""
    if data[:4] == b"RIFF" and data[8:12] in _RIFF_KINDS:
        return _RIFF_KINDS[data[8:12]]
    if data[4:8] == b"ftyp" and data[8:12] not in _PICTURE_BRANDS:
        return _ISO_BRANDS.get(data[8:12], "video/mp4")
    return _by_beginning(data)


def is_of_phones(head: bytes) -> bool:
    """Whether it begins as a HEIC or AVIF picture: what phones and browsers keep, and the studio does not take."""
    return head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS


def _by_beginning(data: bytes) -> str:
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if len(data) > 1 and data[0] == _MPEG_SYNC and data[1] in _MPEG_LAYER_3:
        return "audio/mpeg"
    if is_svg(data):
        return "image/svg+xml"
    if data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}:
        return "application/json"
    return "application/octet-stream"


def upload_type_of(head: bytes) -> str:
    """As `media_type_of`, and `text/plain` for what begins as text in UTF-8 (and is no page, which could hold scripts)."""
    found = media_type_of(head)
    if found != "application/octet-stream" or not head:
        return found
    start = head[:_TEXT_HEAD]
    if not _CONTROLS.isdisjoint(start):
        return found
    # The last sign may be cut in the middle; it has at most four bytes.
    for cut in range(4):
        try:
            text = start[: len(start) - cut].decode()
        except UnicodeDecodeError:
            continue
        return found if text.lstrip("\ufeff \t\r\n").startswith("<") else "text/plain"
    return found


def fitted(width: int, height: int, box: VariantSize) -> tuple[int, int]:
    """The size of the variant of a `width` × `height` picture: the box's proportions, never larger than the picture.

    A picture that is wider than the box is cropped at its sides, a taller one mostly below.
    """
    scale = min(1.0, width / box.width, height / box.height)
    return max(1, round(box.width * scale)), max(1, round(box.height * scale))


def whole(width: int, height: int, box: VariantSize) -> tuple[int, int]:
    """The size that shows all of a `width` × `height` picture inside the box, never larger than the picture."""
    scale = min(1.0, box.width / width, box.height / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, in its pixels."""


def part_of(width: int, height: int, crop: Sequence[float] | None) -> Box:
    """The part of a `width` × `height` picture that a crop (shares of its sides) leaves; at least one pixel."""
    if crop is None:
        return 0.0, 0.0, float(width), float(height)
    left, top = crop[0] * width, crop[1] * height
    return left, top, max(crop[2] * width, left + 1), max(crop[3] * height, top + 1)


def filled(part: Box, size: tuple[int, int], focus: tuple[float, float]) -> Box:
    """The largest part of `part` with the proportions of `size` whose middle is as near to `focus` as it can be.

    `part` and `focus` are in the picture's pixels.
    """
    left, top, right, bottom = part
    scale = min((right - left) / size[0], (bottom - top) / size[1])
    width, height = size[0] * scale, size[1] * scale
    x = min(max(focus[0] - width / 2, left), right - width)
    y = min(max(focus[1] - height / 2, top), bottom - height)
    # Rounding may not lead out of the picture.
    x, y = max(x, left), max(y, top)
    return x, y, min(x + width, right), min(y + height, bottom)


def tells_apart(value: int) -> bool:
    """Whether a difference hash says enough: plain colours and even slopes hash to nearly all 0 or all 1, and would be alike."""
    return LOOK_ALIKE_BITS < differing_bits(value, 0) < 64 - LOOK_ALIKE_BITS


def differing_bits(one: int, other: int) -> int:
    """In how many bits two difference hashes differ."""
    return ((one ^ other) & (2**64 - 1)).bit_count()
