"""What a file looks like from its first bytes and its parts' names, long before anybody reads it."""

import io
from enum import StrEnum

from studio.cards import archives, packs, png, webp
from studio.cards.errors import CardError

_TEXT = 4_096
_BLANKS = "\ufeff \t\r\n"


class Glance(StrEnum):
    """What a file seems to be; whether it holds shows when it is read."""

    CARD = "card"
    PICTURE = "picture"
    """A picture without a card: the portrait of a card of the same name, or nothing that can be brought in."""
    ARCHIVE = "archive"
    BROKEN = "broken"


def glance(data: bytes) -> Glance:
    """What the file seems to be. Nothing is decoded, inflated or parsed, so that a thousand files cost next to nothing."""
    try:
        return _glance(data)
    except CardError:
        return Glance.BROKEN


def _glance(data: bytes) -> Glance:
    if data.startswith(png.SIGNATURE):
        walked = png.walk(data)
        keywords = {chunk.keyword for chunk in png.text_chunks(walked, data)}
        is_card = keywords & {"chara", "ccv3"} or data[walked.end : walked.end + 4] == archives.LOCAL_HEADER
        return Glance.CARD if is_card else Glance.PICTURE
    if data.startswith(archives.LOCAL_HEADER):
        return Glance.ARCHIVE if packs.is_pack(io.BytesIO(data)) else Glance.CARD
    if data.startswith(b"\xff\xd8\xff"):
        return Glance.CARD if archives.holds_archive(data) else Glance.PICTURE
    if webp.is_webp(data):
        return Glance.CARD if b"EXIF" in data else Glance.PICTURE
    return Glance.PICTURE if data.startswith((b"GIF87a", b"GIF89a")) else _text_glance(data)


def _text_glance(data: bytes) -> Glance:
    # A sign may be cut in two at the end.
    text = data[:_TEXT].decode("utf-8", "replace").lstrip(_BLANKS)
    if "\x00" in text:
        return Glance.BROKEN
    is_yaml = ":" in text.split("\n", 1)[0]
    return Glance.CARD if text.startswith("{") or is_yaml else Glance.BROKEN
