"""WebM and Matroska in place: tags, chapters, attachments, titles and names are blanked, the recording stays as it is."""

from typing import BinaryIO

_SEGMENT, _CLUSTER, _CRC, _VOID = 0x18538067, 0x1F43B675, 0xBF, 0xEC
_ENDLESS = frozenset({_SEGMENT, _CLUSTER})
"""What may not say how long it is."""
_ENTERED = frozenset({_SEGMENT, 0x1549A966, 0x1654AE6B, 0xAE})
"""The segment, its facts, its tracks, and each track."""
_DROPPED = frozenset({0x1254C367, 0x1043A770, 0x1941A469, _CRC})
"""Tags, chapters and attachments; and checksums, which would not fit what is changed beside them."""
_BLANKED = frozenset({0x7BA9, 0x4461, 0x7384, 0x3C83AB, 0x3E83BB, 0x4D80, 0x5741, 0x536E})
"""Title, date, names of this file, the one before and the one after, programs, and names of tracks."""

_LONGEST_ID, _LONGEST_SIZE = 4, 8
_MOST_ELEMENTS = 300_000
_DEEPEST = 4
"""The segment, its tracks and a track lie in each other; a nest that goes deeper is made to hurt."""
_PIECE = 65_536
_SHORT = 126
"""What the one byte of a length can say; all ones mean that nobody knows."""


def blank_words(file: BinaryIO, size: int) -> bool:
    """The recording tells no title, name, place or program; False where it could not be read from its beginning to its end.

    The file keeps its length.
    """
    return _walk(file, 0, size, [_MOST_ELEMENTS])


def _walk(file: BinaryIO, position: int, end: int, left: list[int], depth: int = 0) -> bool:
    if depth > _DEEPEST:
        return False
    while position < end:
        left[0] -= 1
        found = _head(file, position)
        if found is None or left[0] < 0:
            return False
        name, inner, length = found
        if length is None:
            if name not in _ENDLESS:
                return False
            # Made live: what lies in it follows, and after that what lies beside it.
            position = inner
            continue
        # What claims to be longer than what it lies in ends with that.
        after = min(inner + length, end)
        if name in _ENTERED:
            if not _walk(file, inner, after, left, depth + 1):
                return False
        elif name in _DROPPED:
            _drop(file, position, after)
        elif name in _BLANKED:
            _blank(file, inner, after)
        position = after
    return True


def _head(file: BinaryIO, position: int) -> tuple[int, int, int | None] | None:
    """An element's id, where its content begins, and how long that is (None: it does not say); None where there is no element."""
    file.seek(position)
    data = file.read(_LONGEST_ID + _LONGEST_SIZE)
    width = _width(data[:1])
    if not width or width > _LONGEST_ID or len(data) <= width:
        return None
    name = int.from_bytes(data[:width])
    more = _width(data[width : width + 1])
    size = data[width : width + more]
    if not more or len(size) < more:
        return None
    length = int.from_bytes(size) & ((1 << 7 * more) - 1)
    return name, position + width + more, None if length == (1 << 7 * more) - 1 else length


def _width(first: bytes) -> int:
    """How many bytes a number has by its first one: as many as its first set bit has places from the left; 0 for none."""
    return 9 - first[0].bit_length() if first and first[0] else 0


def _drop(file: BinaryIO, start: int, after: int) -> None:
    """In place of the element there is one of the same length that holds nothing; it has two bytes at the least."""
    length = after - start - 2
    head = bytes((_VOID, 0x80 | length)) if length <= _SHORT else bytes((_VOID, 1)) + (length - 7).to_bytes(7)
    file.seek(start)
    file.write(head)
    _blank(file, start + len(head), after)


def _blank(file: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    file.writelines(bytes(min(_PIECE, end - begin)) for begin in range(start, end, _PIECE))
