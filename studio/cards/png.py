"""PNG by chunks: read the text chunks, and write new ones without touching a pixel."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from studio.cards import limits
from studio.cards.errors import DamagedError, TooLargeError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_KINDS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
ASSET_PREFIX = "chara-ext-asset_"
# What a file may tell about its maker: prompts, places, times.
METADATA_KINDS = TEXT_KINDS | {b"eXIf", b"tIME"}
_IHDR_LENGTH = 13
# The PNG specification: 1 to 79 bytes of Latin-1.
KEYWORD_BYTES = 79


@dataclass(frozen=True)
class Chunk:
    """One chunk's place: `start` is where its data begins, behind length and type."""

    kind: bytes
    start: int
    length: int


@dataclass(frozen=True)
class Walked:
    """All chunks up to IEND, and where the file goes on behind it."""

    chunks: tuple[Chunk, ...]
    end: int


@dataclass(frozen=True)
class TextChunk:
    """A text chunk by its keyword, still packed: `kind` says how to unpack `data`."""

    keyword: str
    kind: bytes
    data: bytes


def walk(data: bytes) -> Walked:
    """The chunks of a PNG up to and with IEND; raises DamagedError where it is cut off."""
    chunks: list[Chunk] = []
    position = len(SIGNATURE)
    while True:
        if position + 12 > len(data):
            raise DamagedError("This PNG file is cut off; download or copy it again.")
        length, kind = struct.unpack_from(">I4s", data, position)
        if position + 12 + length > len(data):
            raise DamagedError("This PNG file is cut off; download or copy it again.")
        chunks.append(Chunk(kind, position + 8, length))
        position += 12 + length
        if kind == b"IEND":
            return Walked(tuple(chunks), position)
        if len(chunks) > limits.PNG_CHUNKS:
            raise TooLargeError("This PNG file has more than %(limit)s parts.", limit=limits.PNG_CHUNKS)


def size(walked: Walked, data: bytes) -> tuple[int, int]:
    """Width and height in pixels by the header; raises DamagedError where there is none."""
    first = walked.chunks[0]
    if first.kind != b"IHDR" or first.length != _IHDR_LENGTH:
        raise DamagedError("This PNG file does not begin with its header.")
    width, height = struct.unpack_from(">II", data, first.start)
    return width, height


def bad_checksums(walked: Walked, data: bytes) -> list[str]:
    """The types of the chunks whose CRC is wrong, with `?` for bytes that are no letters."""
    view = memoryview(data)
    wrong = []
    for chunk in walked.chunks:
        (stated,) = struct.unpack_from(">I", data, chunk.start + chunk.length)
        if zlib.crc32(view[chunk.start - 4 : chunk.start + chunk.length]) != stated:
            wrong.append(
                "".join(
                    letter if letter.isascii() and letter.isalpha() else "?"
                    for letter in chunk.kind.decode("ascii", "replace")
                )
            )
    return wrong


def text_chunks(walked: Walked, data: bytes) -> Iterator[TextChunk]:
    """The text chunks in file order, keyword lower-cased except for an asset's path; none is inflated yet."""
    for chunk in walked.chunks:
        if chunk.kind not in TEXT_KINDS:
            continue
        end = chunk.start + chunk.length
        separator = data.find(b"\0", chunk.start, min(end, chunk.start + 1024))
        if separator < 0:
            continue
        keyword = data[chunk.start : separator].decode("latin-1")
        if not keyword.lower().startswith(ASSET_PREFIX):
            keyword = keyword.lower()
        yield TextChunk(keyword, chunk.kind, data[separator + 1 : end])


def text_of(chunk: TextChunk, *, limit: int) -> bytes:
    """The chunk's text, inflated where it is packed and never beyond `limit` bytes.

    Raises TooLargeError beyond the limit, DamagedError where the packing is broken.
    """
    if chunk.kind == b"tEXt":
        return _bounded(chunk.data, limit)
    if chunk.kind == b"zTXt":
        if chunk.data[:1] != b"\0":
            raise DamagedError("A text in this PNG file is packed by an unknown method.")
        return _inflate(chunk.data[1:], limit)
    is_packed, method = chunk.data[:1], chunk.data[1:2]
    parts = chunk.data[2:].split(b"\0", 2)
    if len(parts) < 3:  # noqa: PLR2004  # language, translated keyword, text
        raise DamagedError("A text in this PNG file is cut off.")
    if is_packed == b"\1":
        if method != b"\0":
            raise DamagedError("A text in this PNG file is packed by an unknown method.")
        return _inflate(parts[2], limit)
    return _bounded(parts[2], limit)


def rewrite(data: bytes, texts: Iterable[tuple[str, bytes]], *, keep_metadata: bool) -> bytes:
    """The same picture with `texts` (keyword, Latin-1 value) as tEXt chunks before its first IDAT.

    Earlier card chunks are gone; without `keep_metadata` so are all other texts, EXIF and times. All other
    chunks, pixels first of all, are copied byte for byte with a right CRC; what follows IEND is dropped.
    """
    walked = walk(data)
    out = [SIGNATURE]
    pending = [_chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + value) for keyword, value in texts]
    for chunk in walked.chunks:
        body = data[chunk.start : chunk.start + chunk.length]
        if chunk.kind in {b"IDAT", b"IEND"}:
            out.extend(pending)
            pending = []
        if not _is_dropped(chunk.kind, body, keep_metadata=keep_metadata):
            out.append(_chunk(chunk.kind, body))
    return b"".join(out)


def _is_dropped(kind: bytes, body: bytes, *, keep_metadata: bool) -> bool:
    if kind in TEXT_KINDS:
        keyword = body.split(b"\0", 1)[0].lower()
        is_card = keyword in {b"chara", b"ccv3"} or keyword.startswith(ASSET_PREFIX.encode())
        return is_card or not keep_metadata
    return kind in METADATA_KINDS and not keep_metadata


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _bounded(text: bytes, limit: int) -> bytes:
    if len(text) > limit:
        raise TooLargeError("A text in this PNG file has more than %(limit)s MB.", limit=round(limit / limits.MB))
    return text


def _inflate(packed: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(packed, limit + 1)
    except zlib.error:
        raise DamagedError("A packed text in this PNG file is damaged.") from None
    if len(text) <= limit and not inflater.eof:
        raise DamagedError("A packed text in this PNG file is cut off.")
    return _bounded(text, limit)
