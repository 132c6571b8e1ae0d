"""WebP by chunks, and the card in its EXIF comment, as old TavernAI hid it there."""

import re
import struct
from collections.abc import Iterator

from studio.cards import limits
from studio.cards.errors import DamagedError, TooLargeError

_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286
# EXIF begins each comment with eight bytes that name its encoding.
_ENCODINGS = (b"ASCII\0\0\0", b"UNICODE\0", b"JIS\0\0\0\0\0", b"\0" * 8)
_IFD_ENTRIES = 1_000
_ASCII = _ENCODINGS[0]
_HAS_EXIF, _HAS_ALPHA = 0x08, 0x10
# What stands behind the picture's data, in the order that the format prescribes.
_BEHIND = (b"EXIF", b"XMP ")
_NUMBER = re.compile(rb"\d{1,4}")


def is_webp(data: bytes) -> bool:
    """Whether these bytes begin as a WebP picture."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start of the data and length of every whole chunk; stops silently where the file breaks off."""
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        if position + 8 + length > len(data):
            return
        yield name, position + 8, length
        position += 8 + length + length % 2


def card_text(data: bytes) -> bytes | None:
    """The JSON in the EXIF UserComment in either spelling (plain, or byte values with commas), or None.

    Raises TooLargeError, or DamagedError where the list of byte values is broken.
    """
    for name, start, length in chunks(data):
        if name == b"EXIF":
            comment = _user_comment(data[start : start + length])
            if comment is not None:
                return _spelled(comment)
    return None


def with_card(data: bytes, text: bytes, *, width: int, height: int) -> bytes:
    """The same picture with `text` (JSON in ASCII) as its EXIF comment; its image data is copied byte for byte.

    An EXIF that stood there before gives way; `width` and `height` are the picture's, in pixels.
    """
    parts = [(name, data[start : start + length]) for name, start, length in chunks(data) if name != b"EXIF"]
    if not any(name == b"VP8X" for name, _ in parts):
        parts.insert(0, (b"VP8X", _extended(parts, width, height)))
    body = bytearray()
    for name, content in [
        *(part for part in parts if part[0] not in _BEHIND),
        (b"EXIF", _exif(text)),
        *(part for part in parts if part[0] in _BEHIND),
    ]:
        shown = bytes([content[0] | _HAS_EXIF]) + content[1:] if name == b"VP8X" else content
        body += struct.pack("<4sI", name, len(shown)) + shown + b"\0" * (len(shown) % 2)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + bytes(body)


def _extended(parts: list[tuple[bytes, bytes]], width: int, height: int) -> bytes:
    """The header that a simple picture lacks: flags, three reserved bytes, and its size less one, twice 24 bits."""
    lossless = next((content for name, content in parts if name == b"VP8L"), b"")
    # The bit behind the two sizes of 14 bits says whether transparency is used.
    is_see_through = len(lossless) > 4 and lossless[4] & 0x10  # noqa: PLR2004
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes([_HAS_ALPHA if is_see_through else 0, 0, 0, 0]) + size


def _exif(text: bytes) -> bytes:
    """A TIFF of two directories with one entry each: the second holds nothing but the comment, at byte 44."""
    comment = _ASCII + text
    head = b"II*\0" + struct.pack("<I", 8)
    outer = struct.pack("<HHHIII", 1, _EXIF_IFD, 4, 1, 26, 0)
    inner = struct.pack("<HHHIII", 1, _USER_COMMENT, 7, len(comment), 44, 0)
    return head + outer + inner + comment


def _user_comment(exif: bytes) -> bytes | None:
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:  # noqa: PLR2004  # byte order, magic number, offset
        return None
    (first,) = struct.unpack_from(order + "I", tiff, 4)
    tags = _directory(tiff, first, order)
    if _USER_COMMENT not in tags and _EXIF_IFD in tags:
        (inner,) = struct.unpack(order + "I", tags[_EXIF_IFD][1])
        tags = _directory(tiff, inner, order)
    if _USER_COMMENT not in tags:
        return None
    count, value = tags[_USER_COMMENT]
    if count <= 4:  # noqa: PLR2004  # So short a value stands in the entry itself.
        return None
    (offset,) = struct.unpack(order + "I", value)
    return tiff[offset : offset + count]


def _directory(tiff: bytes, offset: int, order: str) -> dict[int, tuple[int, bytes]]:
    if offset + 2 > len(tiff):
        return {}
    (count,) = struct.unpack_from(order + "H", tiff, offset)
    tags: dict[int, tuple[int, bytes]] = {}
    for index in range(min(count, _IFD_ENTRIES)):
        place = offset + 2 + 12 * index
        if place + 12 > len(tiff):
            break
        tag, _, values = struct.unpack_from(order + "HHI", tiff, place)
        tags[tag] = (values, tiff[place + 8 : place + 12])
    return tags


def _spelled(comment: bytes) -> bytes | None:
    for encoding in _ENCODINGS:
        comment = comment.removeprefix(encoding)
    comment = comment.strip(b"\0 \t\r\n")
    if comment.startswith(b"{"):
        return comment
    if not comment[:1].isdigit():
        return None
    if len(comment) > limits.JSON_BYTES:
        raise TooLargeError("The card in this WebP picture is too large.")
    if comment.translate(None, b"0123456789, \t\r\n"):
        raise DamagedError("The card in this WebP picture is damaged.")
    try:
        # One number at a time: a list of all of them would cost ten times the comment.
        return bytes(int(match[0]) for match in _NUMBER.finditer(comment))
    except ValueError:
        raise DamagedError("The card in this WebP picture is damaged.") from None
