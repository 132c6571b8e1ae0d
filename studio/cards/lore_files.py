"""Lorebook files: read from any of six formats or out of a card, written in any of the six with what each loses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.cards import limits, lore_formats
from studio.cards.documents import Json, copy_json, dump_document, parse_document, storable
from studio.cards.errors import ExportError, NotACardError, TooLargeError
from studio.cards.lorebooks import normalise_book
from studio.cards.notes import Note, Notebook
from studio.cards.reader import read_card

FROM_CARD = "card"
"""The kind of a book that came out of a character card."""


@dataclass(frozen=True)
class LoreReading:
    """A lorebook, read: its normalised book, the kind of file, and what was noticed on the way."""

    kind: str
    book: Json = field(repr=False)
    repairs: tuple[Note, ...] = ()
    warnings: tuple[Note, ...] = ()


@dataclass(frozen=True)
class LoreExport:
    """A lorebook file, and what its format could not hold."""

    data: bytes = field(repr=False)
    losses: tuple[Note, ...] = ()


def read_lorebook(data: bytes, *, filename: str = "") -> LoreReading:
    """The book in a file: one of the six formats as JSON, or a card of any kind that has one.

    Raises a CardError with one sentence: no JSON and no card, a card without a lorebook, or too large.
    """
    notes = Notebook()
    head = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if head == b"{":
        if len(data) > limits.JSON_BYTES:
            raise TooLargeError("A lorebook may have %(limit)s MB at most.", limit=limits.JSON_BYTES // limits.MB)
        document: Json = storable(parse_document(data, notes), notes)
        kind = lore_formats.detect(document)
        if kind is not None:
            book = normalise_book(kind.read(copy_json(document)), notes, "lorebook", is_v3=True)
            if book is None:
                raise NotACardError("This lorebook has no entries.")
            return LoreReading(kind.key, book, notes.repairs, notes.warnings)
    elif head == b"[":
        raise NotACardError("This JSON is a list. A lorebook is an object with its entries inside.")
    reading = read_card(data, filename=filename)
    book = reading.card["data"].get("character_book")
    if book is None:
        raise NotACardError("This card has no lorebook.")
    return LoreReading(FROM_CARD, copy_json(book), reading.repairs, reading.warnings)


def write_lorebook(book: Mapping[str, Any], *, to: str) -> LoreExport:
    """The normalised book as a file of the format `to`, a key of `lore_formats`. Raises ExportError for another."""
    kind = lore_formats.BY_KEY.get(to)
    if kind is None:
        raise ExportError("Lorebooks are not written as %(form)s.", form=to)
    document, losses = kind.write(copy_json(dict(book)))
    return LoreExport(dump_document(document, indent=2), tuple(losses))
