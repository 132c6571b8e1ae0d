"""Facts about a picture from its header alone: kind, size, whether it carries text; nothing is decoded."""

import itertools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from studio.cards import limits, png, webp
from studio.cards.errors import DamagedError, PictureError, TooLargeError

MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
}
_SVG = re.compile(rb"<svg[\s>:/]", re.IGNORECASE)
# Markers that carry the frame's size; C4, C8 and CC in the same range mean other things.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# APP1 holds EXIF or XMP, COM a free comment; behind SOS come only pixels.
_JPEG_APP1, _JPEG_COMMENT, _JPEG_SCAN = 0xE1, 0xFE, 0xDA
_GIF_FRAME, _GIF_EXTENSION, _GIF_COMMENT = 0x2C, 0x21, 0xFE
# Decoders skip what is no block; so must whoever foretells what they will see. `;` ends the file.
_GIF_BLOCK = re.compile(rb"[!,;]")
# The next marker that has a length: no fill byte, none of the bare ones, no byte of a scan. D9 ends the picture.
_JPEG_NEXT = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd8])")
_JPEG_END = 0xD9


@dataclass(frozen=True)
class PictureHeader:
    """What a picture says about itself; sizes in pixels and bytes, `kind` a key of MEDIA_TYPES."""

    kind: str
    width: int
    height: int
    size_bytes: int
    is_animated: bool
    has_text_chunks: bool
    has_exif: bool

    @property
    def media_type(self) -> str:
        """The media type to serve it with."""
        return MEDIA_TYPES[self.kind]


def inspect_picture(data: bytes) -> PictureHeader:
    """The header of a PNG (APNG), JPEG, WebP or GIF that keeps the limits.

    Raises PictureError (another format, SVG), DamagedError (the header breaks off) or TooLargeError
    (more than 20 MB or 40 megapixels). Reads no more than headers, so a bomb costs nothing.
    """
    header = _header(data)
    if header.width < 1 or header.height < 1:
        raise DamagedError("The picture's header gives it no width or no height.")
    check_pixels(header.width, header.height)
    if header.size_bytes > limits.PICTURE_BYTES:
        raise TooLargeError(
            "The picture has more than %(limit)s MB; save it smaller.", limit=limits.PICTURE_BYTES // limits.MB
        )
    return header


def check_pixels(width: int, height: int) -> None:
    """Raises TooLargeError where a picture of this size would not be decoded."""
    if width * height > limits.PICTURE_PIXELS:
        raise TooLargeError(
            "The picture has %(width)s × %(height)s pixels, more than %(limit)s megapixels; scale it down.",
            width=width,
            height=height,
            limit=limits.PICTURE_PIXELS // 1_000_000,
        )


def is_svg(data: bytes) -> bool:
    """Whether these bytes are an SVG drawing, which may hold scripts and is never taken."""
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(b"<") and _SVG.search(head) is not None


def _header(data: bytes) -> PictureHeader:
    if data.startswith(png.SIGNATURE):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if webp.is_webp(data):
        return _webp(data)
    if data[:6] in {b"GIF87a", b"GIF89a"}:
        return _gif(data)
    if is_svg(data):
        raise PictureError("SVG drawings are not taken, since they can hold scripts; save it as PNG.")
    raise PictureError("This is no picture that the studio takes; use PNG, JPEG, WebP or GIF.")


def _png(data: bytes) -> PictureHeader:
    walked = png.walk(data)
    width, height = png.size(walked, data)
    kinds = {chunk.kind for chunk in walked.chunks}
    # Text is counted apart: a card inside does not make the picture large.
    size = len(png.SIGNATURE) + sum(chunk.length + 12 for chunk in walked.chunks if chunk.kind not in png.TEXT_KINDS)
    return PictureHeader(
        kind="png",
        width=width,
        height=height,
        size_bytes=size,
        is_animated=b"acTL" in kinds,
        has_text_chunks=not kinds.isdisjoint(png.TEXT_KINDS),
        has_exif=b"eXIf" in kinds,
    )


def _jpeg(data: bytes) -> PictureHeader:
    width = height = 0
    has_exif = has_text = is_scanned = False
    position = 2
    for marker, position in _jpeg_markers(data):
        if marker == _JPEG_SCAN:
            is_scanned = True
        elif not is_scanned:
            if marker in _JPEG_FRAMES and position + 9 <= len(data):
                # A second frame header would speak for the decoder too, so the larger one counts.
                frame_height, frame_width = struct.unpack_from(">HH", data, position + 5)
                width, height = max(width, frame_width), max(height, frame_height)
            has_exif |= marker == _JPEG_APP1
            has_text |= marker == _JPEG_COMMENT and data[position + 2 : position + 4] != b"\0\2"
    if not width:
        raise DamagedError("The JPEG picture is cut off before its size is given.")
    return PictureHeader("jpeg", width, height, len(data), False, has_text, has_exif)


def _jpeg_markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Each segment's marker and where it begins, up to the picture's end; raises TooLargeError where they are too many.

    Decoders go through all of them, some with an object for each: that is what a bomb of empty segments is made of.
    """
    position, segments, scans, padding = 2, 0, 0, 0
    while True:
        found = _JPEG_NEXT.search(data, position)
        if not scans:
            # Within a scan lie its pixels; before it, whatever is no segment is passed over.
            padding += (len(data) if found is None else found.start()) - position
        segments += 1
        scans += found is not None and found[1][0] == _JPEG_SCAN
        if segments > limits.JPEG_SEGMENTS or scans > limits.JPEG_SCANS or padding > limits.PADDING_BYTES:
            raise _too_many_parts()
        if found is None or found[1][0] == _JPEG_END or found.start() + 4 > len(data):
            return
        position = found.start()
        yield found[1][0], position
        (length,) = struct.unpack_from(">H", data, position + 2)
        position += 2 + max(length, 2)


def _too_many_parts() -> TooLargeError:
    return TooLargeError("The picture's file is made of far too many parts; open it in a program and save it again.")


def _webp(data: bytes) -> PictureHeader:
    walked = list(itertools.islice(webp.chunks(data), limits.WEBP_CHUNKS + 1))
    if len(walked) > limits.WEBP_CHUNKS:
        raise _too_many_parts()
    chunks = {name: (start, length) for name, start, length in reversed(walked)}
    if b"VP8X" in chunks and chunks[b"VP8X"][1] >= 10:  # noqa: PLR2004  # flags, reserved, two 24-bit sizes
        start, _ = chunks[b"VP8X"]
        width = int.from_bytes(data[start + 4 : start + 7], "little") + 1
        height = int.from_bytes(data[start + 7 : start + 10], "little") + 1
    elif b"VP8L" in chunks and chunks[b"VP8L"][1] >= 5:  # noqa: PLR2004  # signature and four bytes of size
        bits = int.from_bytes(data[chunks[b"VP8L"][0] + 1 : chunks[b"VP8L"][0] + 5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif b"VP8 " in chunks and chunks[b"VP8 "][1] >= 10:  # noqa: PLR2004  # frame tag, start code, two sizes
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", data, chunks[b"VP8 "][0] + 6))
    else:
        raise DamagedError("The WebP picture is cut off before its size is given.")
    return PictureHeader(
        kind="webp",
        width=width,
        height=height,
        size_bytes=len(data),
        is_animated=b"ANIM" in chunks,
        has_text_chunks=b"XMP " in chunks,
        has_exif=b"EXIF" in chunks,
    )


def _gif(data: bytes) -> PictureHeader:
    if len(data) < 13:  # noqa: PLR2004  # signature and logical screen descriptor
        raise DamagedError("The GIF picture is cut off before its size is given.")
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    frames, blocks, pieces, words, padding, has_text = 0, 0, 0, 0, 0, False
    position = 13 + _color_table(flags)
    while True:
        found = _GIF_BLOCK.search(data, position)
        padding += (len(data) if found is None else found.start()) - position
        if blocks > limits.GIF_BLOCKS or padding > limits.PADDING_BYTES:
            raise _too_many_parts()
        if found is None:
            break
        position = found.start()
        if data[position] == _GIF_FRAME and position + 10 <= len(data):
            # Decoders grow the picture to hold each frame, so the frames count as well as the screen.
            left, top, across, down, flags = struct.unpack_from("<HHHHB", data, position + 1)
            width, height = max(width, left + across), max(height, top + down)
            frames += 1
            position, pieces = _after_blocks(data, position + 11 + _color_table(flags), pieces, limits.GIF_PIECES)
        elif data[position] == _GIF_EXTENSION and position + 2 <= len(data):
            has_text |= data[position + 1] == _GIF_COMMENT
            # One piece each is what every frame has to say about its timing.
            position, words = _after_blocks(data, position + 2, words - 1, limits.GIF_WORDS)
        else:
            break
        blocks += 1
    return PictureHeader("gif", width, height, len(data), frames > 1, has_text, False)


def _color_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int, count: int, most: int) -> tuple[int, int]:
    """Where a chain of sub-blocks ends, and `count` with its own: each begins with its length, zero is the last."""
    while position < len(data) and data[position]:
        position += data[position] + 1
        count += 1
        if count > most:
            # Decoders join the pieces of a comment one by one, so that many of them cost their square.
            raise _too_many_parts()
    return position + 1, max(count, 0)
