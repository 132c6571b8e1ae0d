"""What a file looks like from its first bytes and its parts' names, long before anybody reads it."""

import io
import re
from enum import StrEnum

from studio.cards import archives, packs, png, webp
from studio.cards.errors import CardError

_TEXT = 4_096
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[{}\[\]:]')
_BLANKS = "\ufeff \t\r\n"


class Glance(StrEnum):
    """What a file seems to be; whether it holds shows when it is read."""

    CARD = "card"
    PICTURE = "picture"
    """A picture without a card: the portrait of a card of the same name, or nothing that can be brought in."""
    LOREBOOK = "lorebook"
    """A lorebook in a file of its own, which is brought in at its character."""
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
    if _is_lorebook(text):
        return Glance.LOREBOOK
    is_yaml = ":" in text.split("\n", 1)[0]
    return Glance.CARD if text.startswith("{") or is_yaml else Glance.BROKEN


def _is_lorebook(text: str) -> bool:
    """Whether the outermost keys are those of a lorebook, as far as the text goes."""
    if not text.startswith("{"):
        return False
    top = _outermost(text)
    return (
        top.get("spec") == "lorebook_v3"
        or top.get("type") == "risu"
        or top.get("kind") == "memory"
        or "lorebookVersion" in top
        or ("entries" in top and not top.keys() & {"spec", "data", "first_mes", "char_name"})
    )


def _outermost(text: str) -> dict[str, str]:
    """The outermost keys of a JSON object that may be cut off, each with its value where that is a text, else empty."""
    found: dict[str, str] = {}
    depth, key, last = 0, "", ""
    for piece in _TOKEN.findall(text):
        if piece in "{[":
            depth += 1
        elif piece in "}]":
            depth -= 1
        elif piece == ":":
            if depth == 1:
                key = last
                found.setdefault(key, "")
            continue
        elif depth == 1 and key:
            found[key], key = piece.strip('"'), ""
            continue
        key, last = "", piece.strip('"')
    return found
