"""What the checks look at: every string of a card and of its listing, the picture's header, and known twins."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from studio.cards.views import text_strings

SEPARATOR = 0
"""The byte between two texts of the corpus; no stored text can hold it."""

KEY_MARK = "~key"
"""How `text_strings` marks the path of a key's own name."""

# Full-width Latin letters and signs read the same and must not hide a word; one character stays one character.
_NARROW = {0xFF01 + offset: 0x21 + offset for offset in range(94)} | {0x3000: 0x20}


@dataclass(frozen=True, slots=True)
class Text:
    """One string and where it stands: "data.description", or the name of a key at "data.extensions.x"."""

    path: str
    value: str
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """What the header of the portrait says; sizes in pixels."""

    media_type: str
    width: int
    height: int
    is_animated: bool = False
    has_exif: bool = False
    has_gps: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)
    """Text chunks that are not the card itself, by keyword ("parameters", "workflow"), each shortened."""


@dataclass(frozen=True, slots=True)
class Twin:
    """Another character that holds the same card, or nearly the same text or picture."""

    character_id: str
    name: str
    is_same_owner: bool
    distance: int = 0
    """Bits in which the pictures' 64-bit difference hashes differ; 0 for the same card."""
    similarity: float = 1.0
    """How alike the texts are, from 0 to 1; 1 for the same card."""


@dataclass(frozen=True)
class Submission:
    """All that is screened of one listing."""

    card: Mapping[str, Any]
    """The V3 object of the version: spec, spec_version, data."""
    listing: Mapping[str, Any] = field(default_factory=dict)
    """title, description, tags"""
    studio: Mapping[str, Any] = field(default_factory=dict)
    """What cards have no place for: fallback replies, scenes."""
    rating: str = "unrated"
    picture: Picture | None = None
    same_card: tuple[Twin, ...] = ()
    similar_texts: tuple[Twin, ...] = ()
    similar_pictures: tuple[Twin, ...] = ()
    portrait: Callable[[], bytes | None] = lambda: None
    """Reads the portrait's bytes, for the check that shows them to a model; None where there are none."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The card's fields."""
        data = self.card.get("data")
        return data if isinstance(data, Mapping) else {}

    @cached_property
    def texts(self) -> tuple[Text, ...]:
        """Every string at every level, the names of keys included; empty ones are left out."""
        found = [*_strings(self.card, ""), *_strings(self.studio, "studio."), *_strings(self.listing, "listing.")]
        if self.picture is not None:
            found += [Text(f"picture.{keyword}", value) for keyword, value in self.picture.texts.items() if value]
        return tuple(found)

    @cached_property
    def corpus(self) -> bytes:
        """All texts as one run of UTF-8, so that a pattern is run once and not once for each of 200,000 strings."""
        return b"\0".join(self._encoded)

    @cached_property
    def _encoded(self) -> list[bytes]:
        # Kept: a check locates fifty hits, and encoding a megabyte anew for each takes it twenty seconds.
        return [_encode(text.value) for text in self.texts]

    @cached_property
    def _starts(self) -> list[int]:
        starts, position = [], 0
        for encoded in self._encoded:
            starts.append(position)
            position += len(encoded) + 1
        return starts

    def locate(self, start: int, end: int) -> tuple[Text, int, int]:
        """The text in which the bytes `start` to `end` of the corpus stand, and their characters in it."""
        place = bisect_right(self._starts, start) - 1
        text = self.texts[place]
        encoded = self._encoded[place]
        first, last = start - self._starts[place], min(end - self._starts[place], len(encoded))
        begin = len(encoded[:first].decode(errors="ignore"))
        return text, begin, begin + len(encoded[first:last].decode(errors="ignore"))


def _encode(value: str) -> bytes:
    if not value.isascii():
        value = value.translate(_NARROW)
    return value.replace("\0", " ").encode(errors="replace")


def _strings(document: Mapping[str, Any] | list[Any], root: str) -> Iterator[Text]:
    for path, value in text_strings(document):
        if value:
            is_key = path.endswith(KEY_MARK)
            yield Text(root + path.removesuffix(KEY_MARK), value, is_key=is_key)
