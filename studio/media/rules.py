"""What a file may be, and how large its pictures are shown."""

from collections.abc import Mapping
from dataclasses import dataclass

from studio.cards import limits
from studio.cards.pictures import is_svg
from studio.media.models import MediaPurpose, VariantKind

MOST_BYTES: Mapping[MediaPurpose, int] = {
    MediaPurpose.CARD: limits.FILE_BYTES,
    MediaPurpose.PORTRAIT: limits.PICTURE_BYTES,
    MediaPurpose.VARIANT: limits.PICTURE_BYTES,
}
"""How many bytes a file may have, by its purpose."""

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
)


def media_type_of(data: bytes) -> str:
    """The media type by the first bytes, never by the name; `application/octet-stream` for what is not known."""
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if is_svg(data):
        return "image/svg+xml"
    if data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}:
        return "application/json"
    return "application/octet-stream"


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
