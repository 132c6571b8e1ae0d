"""Frees files of what they carry besides their content: metadata, places, and whatever hangs behind or hides inside."""

import io
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageOps

from studio.cards import limits, portraits
from studio.cards.colors import as_srgb
from studio.cards.pictures import check_pixels, inspect_picture
from studio.media import jpeg, matroska, ogg, pixels

_PDF = b"%PDF-1"
# An archive is read from its end: a record of 22 bytes, behind it at most 64 KB of comment, before it the list of its files.
_ZIP_END, _ZIP_END_BYTES, _ZIP_COMMENT = b"PK\x05\x06", 22, 65_535
_ZIP_LISTED = b"PK\x01\x02"
# It begins with one byte that has no case: of 20 MB it is found in a hundredth of the time of a search without case.
_MARKUP = re.compile(rb"<(?i:\?php|script[\s>]|html[\s>]|!doctype html)")

# Outside strings, comments and templates these end every script with an error; one of those must be opened before.
_NO_SCRIPT = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_OPENS = re.compile(rb"[/\"'`<-]")
_NO_CODE = b"*/\0\n\0`\0."
"""Wherever it stands in a script, what was open is closed, and a byte that no script may have stands behind it."""
_GIF_NO_CODE = b"!\xff\x0bGREENROOM10\x08" + _NO_CODE + b"\0"
_WEBP_NO_CODE = b"JUNK" + struct.pack("<I", len(_NO_CODE)) + _NO_CODE
_JPEG_NO_CODE = b"\xff\xfe\0\2"
_NAMES = {b"GIF": 6, b"RIF": 4, b"\xff\xd8\xff": 4}
"""What a script would take for a name, by how it begins, with its length: `GIF89a`, `RIFF`, four letters of Latin-1."""

_JPEG_KEPT = {**jpeg.COLORS, 0xE1: b"Exif\0"}
"""Which side is up stands in EXIF; the rest of it is gone by then."""
_GIF_FRAME, _GIF_EXTENSION, _GIF_CONTROL, _GIF_APPLICATION = 0x2C, 0x21, 0xF9, 0xFF
_GIF_LOOP = b"NETSCAPE2.0"
_BOX_HEAD = 8
_LONG_BOX_HEAD = 16
_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"moof", b"traf"})
# User data and item lists hold names, places and the camera; a box called `free` is passed over by every player.
_TOLD = frozenset({b"udta", b"meta", b"uuid"})
_MOST_BOXES = 300_000
_DEEPEST = 8
"""Boxes that lie in each other; a nest that goes deeper is made to hurt."""
_MOST_TAGS = 16
_OLD_TAG, _APE_FOOT, _APE_HAS_HEAD = 128, 32, 0x8000_0000
_FLAC_MARK, _FLAC_PADDING = b"fLaC", 1
# Application data, comments and pictures; the stream's own facts, its seek table and its cue sheet stay.
_FLAC_TOLD = frozenset({2, 4, 6})
_WAV_TOLD = frozenset({b"LIST", b"bext", b"iXML", b"aXML", b"axml", b"_PMX", b"id3 ", b"ID3 ", b"cart", b"DISP"})

KEEPS_WORDS = frozenset({"audio/ogg", "video/webm", "application/pdf"})
"""Kinds of files in which titles, names and places may stay as their maker wrote them: `is_freed` of their details says whether
they do. A PDF that was brought before there was `studio.media.pdf` has them all."""


def picture(data: bytes) -> tuple[bytes, bool]:
    """The picture without metadata and without anything behind its end; and whether its pixels were encoded anew.

    They are where it could still be read as something else (an archive, a page, a script). Raises what
    `inspect_picture` raises, and OSError or ValueError where a picture must be encoded anew and cannot be decoded.
    """
    kind = inspect_picture(data).kind
    clean = portraits.without_metadata(data)
    if kind == "jpeg":
        clean = jpeg.bare(clean, kept=_JPEG_KEPT)
    elif kind == "gif":
        clean = _bare_gif(clean)
    is_again = is_ambiguous(clean)
    if is_again:
        clean = _again(clean, kind)
    return _no_script(clean), is_again


def is_ambiguous(data: bytes) -> bool:
    """Whether other programs could take the bytes for an archive, a document or a page."""
    return _PDF in data or _is_archive(data) or _MARKUP.search(data) is not None


def is_script(data: bytes) -> bool:
    """Whether a picture could be a script as well: its first letters are a name, and behind them code may begin."""
    start = _NAMES.get(data[:3], 0)
    if not start:
        return False
    ends = _NO_SCRIPT.search(data, start)
    opens = _OPENS.search(data, start, len(data) if ends is None else ends.start())
    return opens is not None and _NO_CODE not in data


def _is_archive(data: bytes) -> bool:
    """Whether an archive ends here: its four letters alone are in every two hundredth picture of 20 MB."""
    start = max(0, len(data) - _ZIP_END_BYTES - _ZIP_COMMENT)
    while (start := data.find(_ZIP_END, start)) >= 0:
        if start + _ZIP_END_BYTES <= len(data):
            count, size, place = struct.unpack_from("<HII", data, start + 10)
            if not count or _ZIP_LISTED in {data[place : place + 4], data[max(0, start - size) :][:4]}:
                return True
        start += 1
    return False


def _no_script(data: bytes) -> bytes:
    """The same picture with a part that every decoder passes over, behind which it is no script any more."""
    if not is_script(data):
        return data
    if data.startswith(b"\xff"):
        # The length of the first segment would open a comment; of an empty one it is 0 and 2.
        return data[:2] + _JPEG_NO_CODE + data[2:]
    if data.startswith(b"GIF"):
        return data[:-1] + _GIF_NO_CODE + data[-1:]
    return data[:4] + struct.pack("<I", len(data) - 8 + len(_WEBP_NO_CODE)) + data[8:] + _WEBP_NO_CODE


def recording(path: Path, media_type: str) -> bool:
    """The audio or video file at `path` tells no place, title or device any more; its sound and pictures are as they were.

    ISO files (MP4, M4A, MOV), FLAC, WAV, OGG and WebM keep their length: what tells is renamed and blanked. Of MP3 the tags
    are cut off. Returns False where a file could not be freed, or only in part.
    """
    if media_type == "audio/mpeg":
        _cut_tags(path)
        return True
    silence = _SILENCES.get(media_type)
    if silence is None:
        return media_type not in KEEPS_WORDS
    with path.open("r+b") as file:
        return silence(file, path.stat().st_size)


def _again(data: bytes, kind: str) -> bytes:
    """The first frame, encoded anew: what an animation loses is worth less than what it may hide."""
    with (
        pixels.few_at_once(),
        Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF")) as opened,
    ):
        check_pixels(*opened.size)
        upright = as_srgb(ImageOps.exif_transpose(opened))
        has_alpha = upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info
        plain = upright.convert("RGBA" if has_alpha else "RGB")
        plain.info.clear()
        if kind == "jpeg":
            return _encoded(plain.convert("RGB"), "JPEG", quality=92)
        if kind == "webp":
            return _encoded(plain, "WEBP", quality=90)
        made = _encoded(plain, "PNG")
        # Ours may pack worse than theirs; what may be kept has an end.
        return made if len(made) <= limits.PICTURE_BYTES else _encoded(plain, "WEBP", quality=90)


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _bare_gif(data: bytes) -> bytes:
    """The GIF up to its end, with its frames and their timing, without comments and foreign extensions."""
    flags = data[10]
    position = 13 + _color_table(flags)
    out = [data[:position]]
    while position < len(data):
        kind = data[position]
        if kind == _GIF_FRAME and position + 10 <= len(data):
            end = _after_blocks(data, position + 11 + _color_table(data[position + 9]))
            out.append(data[position:end])
        elif kind == _GIF_EXTENSION and position + 2 <= len(data):
            end = _after_blocks(data, position + 2)
            label = data[position + 1]
            is_loop = label == _GIF_APPLICATION and data[position + 3 : position + 14] == _GIF_LOOP
            if label == _GIF_CONTROL or is_loop:
                out.append(data[position:end])
        else:
            break
        position = end
    return b"".join([*out, b";"])


def _color_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += data[position] + 1
    return position + 1


def _silence_boxes(file: BinaryIO, end: int, start: int = 0, budget: list[int] | None = None, depth: int = 0) -> bool:
    left = budget if budget is not None else [_MOST_BOXES]
    position, is_silent = start, True
    while position + _BOX_HEAD <= end:
        left[0] -= 1
        if left[0] < 0 or depth > _DEEPEST:
            return False
        file.seek(position)
        head = file.read(_LONG_BOX_HEAD)
        size, name = struct.unpack_from(">I4s", head)
        inner = _BOX_HEAD
        if size == 1 and len(head) == _LONG_BOX_HEAD:
            (size,) = struct.unpack_from(">Q", head, 8)
            inner = _LONG_BOX_HEAD
        elif size == 0:
            size = end - position
        if size < inner:
            return False
        if name == b"hdlr":
            file.seek(position + inner + _BOX_HEAD)
            # A track of this kind, as GoPro's and Apple's are, may tell the place beside each picture: it stays.
            is_silent = is_silent and file.read(4) != b"meta"
        if name in _TOLD:
            file.seek(position + 4)
            file.write(b"free")
            _blank(file, position + inner, min(position + size, end))
        elif name in _CONTAINERS:
            inside = _silence_boxes(file, min(position + size, end), position + inner, left, depth + 1)
            if left[0] < 0:
                return False
            is_silent = is_silent and inside
        position += size
    return is_silent


def _silence_flac(file: BinaryIO, size: int) -> bool:
    file.seek(0)
    if file.read(4) != _FLAC_MARK:
        return False
    position = 4
    for _ in range(_MOST_BOXES):
        file.seek(position)
        head = file.read(4)
        if len(head) < 4:  # noqa: PLR2004 - The head of a block.
            # It breaks off, and tells no more.
            return True
        is_last, kind = head[0] & 0x80, head[0] & 0x7F
        end = min(position + 4 + int.from_bytes(head[1:]), size)
        if kind in _FLAC_TOLD:
            file.seek(position)
            file.write(bytes([is_last | _FLAC_PADDING]))
            _blank(file, position + 4, end)
        if is_last:
            return True
        position = end
    return False


def _silence_wav(file: BinaryIO, size: int) -> bool:
    position = 12
    for _ in range(_MOST_BOXES):
        file.seek(position)
        head = file.read(_BOX_HEAD)
        if len(head) < _BOX_HEAD:
            return True
        name, length = struct.unpack("<4sI", head)
        end = min(position + _BOX_HEAD + length, size)
        if name in _WAV_TOLD:
            file.seek(position)
            file.write(b"JUNK")
            _blank(file, position + _BOX_HEAD, end)
        # Chunks begin at even places.
        position = end + (length & 1)
    return False


def _blank(file: BinaryIO, start: int, end: int) -> None:
    """Zeros in place of what was told: a renamed box that still holds it would tell it to whoever looks."""
    file.seek(start)
    left = end - start
    while left > 0:
        count = min(left, 65_536)
        file.write(bytes(count))
        left -= count


def _cut_tags(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        begin = _after_tags(file, size)
        end = _before_tags(file, begin, size)
        if begin:
            position = 0
            while begin + position < end:
                file.seek(begin + position)
                piece = file.read(min(1 << 20, end - begin - position))
                file.seek(position)
                file.write(piece)
                position += len(piece)
        if begin or end < size:
            file.truncate(end - begin)


def _after_tags(file: BinaryIO, size: int) -> int:
    """Where the sound begins: behind all of the ID3 tags that stand there one after the other."""
    begin = 0
    for _ in range(_MOST_TAGS):
        file.seek(begin)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10:  # noqa: PLR2004 - The head of a tag.
            break
        length = 0
        for part in head[6:10]:
            # Seven bits of each byte count.
            length = length << 7 | part & 0x7F
        begin = min(begin + 10 + length + (10 if head[5] & 0x10 else 0), size)
    return begin


def _before_tags(file: BinaryIO, begin: int, size: int) -> int:
    """Where the sound ends: before the old tag of a fixed size and before APE's, whichever of them there are."""
    end = size
    for _ in range(_MOST_TAGS):
        file.seek(max(end - _OLD_TAG, begin))
        last = file.read(end - max(end - _OLD_TAG, begin))
        if len(last) == _OLD_TAG and last.startswith(b"TAG"):
            end -= _OLD_TAG
            continue
        foot = last[-_APE_FOOT:]
        if len(foot) < _APE_FOOT or not foot.startswith(b"APETAGEX"):
            break
        # The length is that of the items and this foot; a head of the same form may stand before them.
        _version, length, _items, flags = struct.unpack_from("<IIII", foot, 8)
        whole = length + (_APE_FOOT if flags & _APE_HAS_HEAD else 0)
        if length < _APE_FOOT or whole > end - begin:
            break
        end -= whole
    return end


_SILENCES: Mapping[str, Callable[[BinaryIO, int], bool]] = {
    "video/mp4": _silence_boxes,
    "audio/mp4": _silence_boxes,
    "video/quicktime": _silence_boxes,
    "audio/flac": _silence_flac,
    "audio/wav": _silence_wav,
    "audio/ogg": ogg.empty_comments,
    "video/webm": matroska.blank_words,
}
"""How a kind of file is freed in place, given its length; False is said where that could not be done."""
