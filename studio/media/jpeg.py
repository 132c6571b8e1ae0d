"""JPEG, segment by segment: what a decoder needs stays, what tells of camera, place and person goes."""

import re
import struct
from collections.abc import Mapping

# JFIF, ICC profiles and Adobe's colours are needed to show a JPEG; the other application segments are not.
COLORS: Mapping[int, bytes] = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
"""Application segments by their marker, with how they begin."""

_NEXT = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_APPLICATION = range(0xE0, 0xF0)
_COMMENT, _END = 0xFE, 0xD9


def bare(data: bytes, *, kept: Mapping[int, bytes] = COLORS) -> bytes:
    """The JPEG up to its end, with no comment, and no application segment but those that are `kept`."""
    out, position = [data[:2]], 2
    while position + 4 <= len(data):
        found = _NEXT.search(data, position)
        if found is None:
            break
        marker = found[1][0]
        if marker != _END and found.start() + 4 > len(data):
            break
        # Between two segments lie the pixels of a scan, or nothing.
        out.append(data[position : found.start()])
        if marker == _END:
            return b"".join([*out, b"\xff\xd9"])
        (length,) = struct.unpack_from(">H", data, found.start() + 2)
        end = found.start() + 2 + max(length, 2)
        segment = data[found.start() : end]
        is_dropped = marker == _COMMENT or (
            marker in _APPLICATION and not (marker in kept and segment[4:].startswith(kept[marker]))
        )
        if not is_dropped:
            out.append(segment)
        position = end
    # It breaks off: whoever decodes it will say so.
    return b"".join([*out, data[position:]])
