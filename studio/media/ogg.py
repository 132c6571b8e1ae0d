"""OGG in place: the comments of its streams (titles, names, places, covers) are emptied, its sound stays bit for bit."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

_PAGE = struct.Struct("<4sBBqIII")
_HEAD = _PAGE.size + 1
_CRC_AT = 22
_BEGINS = 0x02
_GOES_ON = 0x01
_WHOLE_SEGMENT = 255
_MOST_STREAMS = 100
"""A recording has a few; one after the other, as radio stations keep them, some dozens."""
_PIECE = 65_536
_LONGEST_VENDOR = 4_096

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True)
class _Codec:
    """How the packet with the comments begins, and whether a bit that is set follows on them."""

    mark: bytes
    is_framed: bool = False


_CODECS = {
    b"\x01vorbis": _Codec(b"\x03vorbis", is_framed=True),
    b"OpusHead": _Codec(b"OpusTags"),
    b"\x80theora": _Codec(b"\x81theora"),
}


@dataclass
class _Stream:
    """What was seen of one stream: its first bytes, how many packets ended, and where the second one lies in the file."""

    beginning: bytes = b""
    packets: int = 0
    extents: list[tuple[int, int]] = field(default_factory=list)
    """Of each page one at most: what follows on each other there is one."""
    is_open: bool = False
    """Whether the last page ended in the middle of a packet."""


_Write = tuple[int, bytes, int]
"""A place in the file, what is written there, and up to where zeros follow."""


def empty_comments(file: BinaryIO, size: int) -> bool:
    """Every stream of the OGG file has no comment any more; False where one is of a kind that this does not know.

    The file keeps its length. What breaks off, or is no OGG from its first byte to its last, is left as it is.
    """
    streams: list[_Stream] = []
    open_ones: dict[int, _Stream] = {}
    position = 0
    for start, flags, serial, segments in _pages(file, size):
        if flags & _BEGINS:
            if len(streams) == _MOST_STREAMS:
                return False
            open_ones[serial] = _Stream()
            streams.append(open_ones[serial])
        stream = open_ones.get(serial)
        if stream is None or bool(flags & _GOES_ON) is not stream.is_open:
            # Of a packet whose other half is missing players take nothing, and count on from the next one.
            return False
        if segments:
            stream.is_open = segments[-1] == _WHOLE_SEGMENT
        body = start + _HEAD + len(segments)
        position = body + sum(segments)
        if stream.packets <= 1:
            _follow(file, stream, body, segments)
    if position != size or not streams:
        return False
    # Only what is understood to its end is written to.
    found = [_emptied(file, stream) for stream in streams]
    for writes in found:
        for place, data, end in writes or ():
            file.seek(place)
            file.write(data)
            file.writelines(bytes(min(_PIECE, end - at)) for at in range(place + len(data), end, _PIECE))
    _sign_anew(file, size, [place for writes in found for place, _data, _end in writes or ()])
    return all(writes is not None for writes in found)


def _pages(file: BinaryIO, size: int) -> Iterator[tuple[int, int, int, bytes]]:
    """Where each page begins, its flags, its stream, and the lengths of its segments; ends at what is no page."""
    position = 0
    while position + _HEAD <= size:
        file.seek(position)
        head = file.read(_HEAD)
        mark, _version, flags, _granule, serial, _number, _crc = _PAGE.unpack_from(head)
        segments = file.read(head[-1])
        if mark != b"OggS" or len(segments) < head[-1]:
            return
        yield position, flags, serial, segments
        position += _HEAD + len(segments) + sum(segments)


def _follow(file: BinaryIO, stream: _Stream, position: int, segments: bytes) -> None:
    for length in segments:
        if stream.packets == 0 and len(stream.beginning) < 8:  # noqa: PLR2004 - The longest mark.
            file.seek(position)
            stream.beginning += file.read(min(length, 8 - len(stream.beginning)))
        elif stream.packets == 1 and length:
            begin, before = stream.extents[-1] if stream.extents else (0, 0)
            if begin + before == position:
                stream.extents[-1] = (begin, before + length)
            else:
                stream.extents.append((position, length))
        position += length
        if length < _WHOLE_SEGMENT:
            stream.packets += 1
            if stream.packets > 1:
                return


def _emptied(file: BinaryIO, stream: _Stream) -> list[_Write] | None:
    """What is to be written where, so that the stream has no comment; None where that is not known."""
    codec = next((codec for mark, codec in _CODECS.items() if stream.beginning.startswith(mark)), None)
    if codec is None or stream.packets <= 1:
        return None
    head = _read(file, stream.extents, len(codec.mark) + 4 + _LONGEST_VENDOR)
    if not head.startswith(codec.mark) or len(head) < len(codec.mark) + 4:
        return None
    (vendor,) = struct.unpack_from("<I", head, len(codec.mark))
    kept = len(codec.mark) + 4 + vendor
    # No comment, then the bit that is set, then nothing: players pass over what follows.
    rest = bytes(4) + (b"\x01" if codec.is_framed else b"")
    if vendor > _LONGEST_VENDOR or kept + len(rest) > sum(length for _place, length in stream.extents):
        return None
    writes: list[_Write] = []
    before = 0
    for place, length in stream.extents:
        begin, end = max(kept - before, 0), length
        if begin < end:
            writes.append((place + begin, rest[before + begin - kept : before + end - kept], place + end))
        before += length
    return writes


def _read(file: BinaryIO, extents: list[tuple[int, int]], most: int) -> bytes:
    found = bytearray()
    for place, length in extents:
        if len(found) >= most:
            break
        file.seek(place)
        found += file.read(length)
    return bytes(found[:most])


def _sign_anew(file: BinaryIO, size: int, changed: list[int]) -> None:
    """The pages that hold these places have the checksum of what they hold now."""
    left = sorted(changed, reverse=True)
    for start, _flags, _serial, segments in _pages(file, size):
        end = start + _HEAD + len(segments) + sum(segments)
        if not left:
            return
        if left[-1] >= end:
            continue
        while left and left[-1] < end:
            left.pop()
        file.seek(start)
        page = bytearray(file.read(end - start))
        page[_CRC_AT : _CRC_AT + 4] = bytes(4)
        file.seek(start + _CRC_AT)
        file.write(_checksum(bytes(page)).to_bytes(4, "little"))


def _checksum(page: bytes) -> int:
    """OGG's CRC-32, which is zlib's read from the other end of each byte, and begins with nothing."""
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
