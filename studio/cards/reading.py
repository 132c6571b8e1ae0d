"""What comes out of reading a card file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.cards.documents import Json
from studio.cards.normalise import MirrorDifference
from studio.cards.notes import Note
from studio.cards.pictures import PictureHeader


@dataclass(frozen=True)
class Picture:
    """The card's portrait as it stood in the file, with its header's facts."""

    data: bytes = field(repr=False)
    header: PictureHeader

    @property
    def media_type(self) -> str:
        """The media type to serve it with."""
        return self.header.media_type

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.header.width

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.header.height


@dataclass(frozen=True)
class FieldFound:
    """A field that holds something: `length` counts characters, `items` the values of a list (1 for a text)."""

    key: str
    length: int
    items: int = 1


@dataclass(frozen=True)
class CardReading:
    """A card, read: the original beside its normalised copy, and everything that was noticed on the way.

    `container` is one of png, apng, json, yaml, charx, jpeg_charx, png_charx, byaf, webp; `kind` the key of a format of
    `studio.cards.formats`; `format` joins them ("png_v2"). `raw` is the document as parsed, which is what to store
    and to edit; `raw_bytes` its JSON before parsing (of YAML and BYAF, what was parsed, as JSON). `card` is the V3 object {spec, spec_version, data}.
    `assets` maps a path inside the file to its bytes, all of them kept for export.
    """

    container: str
    kind: str
    spec_version: str
    raw: Json = field(repr=False)
    raw_bytes: bytes = field(repr=False)
    card: Json = field(repr=False)
    content_hash: str
    repairs: tuple[Note, ...] = ()
    warnings: tuple[Note, ...] = ()
    kept: tuple[str, ...] = ()
    mirror_differences: tuple[MirrorDifference, ...] = ()
    fields: tuple[FieldFound, ...] = ()
    picture: Picture | None = None
    assets: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def format(self) -> str:
        """Container and kind in one word, such as "png_v2" or "charx_v3"."""
        return f"{self.container.removesuffix('_charx')}_{self.kind}"

    @property
    def name(self) -> str:
        """The character's name, perhaps empty."""
        name: str = self.card["data"]["name"]
        return name

    @property
    def lorebook_entries(self) -> int:
        """How many entries the embedded lorebook has; 0 without one."""
        return len(self.card["data"].get("character_book", {}).get("entries", []))


def fields_found(card: Json) -> tuple[FieldFound, ...]:
    """The fields of a normalised card that hold something, in the card's order."""
    found = []
    for key, value in card["data"].items():
        length, items = _measure(value)
        if length:
            found.append(FieldFound(key, length, items))
    return tuple(found)


def _measure(value: Any) -> tuple[int, int]:
    if isinstance(value, str):
        # A line's end is one sign, as everywhere else in the studio.
        return len(value) - value.count("\r\n"), 1
    if isinstance(value, list):
        return sum(_measure(item)[0] for item in value), len(value)
    if isinstance(value, dict):
        entries = value.get("entries")
        items = len(entries) if isinstance(entries, list) else len(value)
        return sum(_measure(item)[0] for item in value.values()), items
    return 0, 1
