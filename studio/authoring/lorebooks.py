"""A character's lorebook as rows: written from a normalised book, and read as one."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.authoring import queries, rules
from studio.authoring.models import TEXT_LENGTH, TITLE_LENGTH, Character, Lorebook, LorebookEntry
from studio.cards import decorators
from studio.cards.documents import Json
from studio.cards.lore_entries import place_of
from studio.cards.lore_keys import written_pattern
from studio.kit import exact_json
from studio.kit.text import excerpt, one_line, storable

_LARGEST_INTEGER = 2**31 - 1


def problems(card: Json) -> dict[str, str]:
    """A sentence where the card's lorebook is beyond what the studio keeps."""
    book = card["data"].get("character_book") or {}
    if any(len(storable(entry["content"])) > TEXT_LENGTH for entry in book.get("entries", ())):
        return {"lorebook": "An entry of the lorebook has more than 200,000 characters. Split it."}
    return {}


def write(session: Session, character: Character, card: Json) -> Lorebook | None:
    """The character's lorebook is the one of the normalised card, whatever it was; none where the card has none."""
    return replace(session, character, card["data"].get("character_book"))


def replace(session: Session, character: Character, book: Json | None) -> Lorebook | None:
    """The character's lorebook is this normalised book, or gone where there is none."""
    lorebook = queries.find_lorebook(session, character_id=character.id)
    if book is None:
        if lorebook is not None:
            session.delete(lorebook)
            session.flush()
        return None
    if lorebook is None:
        lorebook = Lorebook(character_id=character.id)
        session.add(lorebook)
    else:
        session.flush()
        session.execute(sa.delete(LorebookEntry).where(LorebookEntry.lorebook_id == lorebook.id))
        # What the columns say may be as before: the book has changed all the same.
        lorebook.updated_at = sa.func.now()
    set_settings(lorebook, {key: value for key, value in book.items() if key != "entries"})
    session.flush()
    session.add_all(make_entry(lorebook.id, position, document) for position, document in enumerate(book["entries"]))
    session.flush()
    return lorebook


def new_book(character_id: UUID, book: Json) -> Lorebook:
    """The row of this normalised book for a character that has none, not yet in a session."""
    lorebook = Lorebook(id=uuid7(), character_id=character_id)
    set_settings(lorebook, {key: value for key, value in book.items() if key != "entries"})
    return lorebook


def entry_values(lorebook: Lorebook, book: Json) -> list[dict[str, Any]]:
    """The entries of a normalised book as the values of rows; the book's own row goes in first."""
    return [
        {"id": uuid7(), "lorebook_id": lorebook.id, "position": position, "document": document, **columns_of(document)}
        for position, document in enumerate(book["entries"])
    ]


def book_of(session: Session, *, character_id: UUID) -> Json | None:
    """The normalised book that the rows say; None where the character has none."""
    lorebook = queries.find_lorebook(session, character_id=character_id)
    return None if lorebook is None else whole_book(session, lorebook)


def whole_book(session: Session, lorebook: Lorebook) -> Json:
    """The normalised book of these rows."""
    # One value instead of hundreds of rows, and no JSON made of JSON: a large book is read several times as quickly.
    entry = sa.cast(LorebookEntry.document, sa.Text)
    in_order: Any = aggregate_order_by(sa.literal_column("','"), LorebookEntry.position)
    written = session.scalar(
        sa.select(sa.func.string_agg(entry, in_order)).where(LorebookEntry.lorebook_id == lorebook.id)
    )
    return {**lorebook.document, "entries": exact_json.loads(f"[{written or ''}]")}


def set_settings(lorebook: Lorebook, document: Mapping[str, Any]) -> None:
    """The book's own columns say what `document`, a normalised book without its entries, says."""
    lorebook.document = dict(document)
    lorebook.name = excerpt(document.get("name", ""), TITLE_LENGTH)
    lorebook.description = storable(document.get("description", ""))
    lorebook.scan_depth = _integer(document.get("scan_depth"))
    lorebook.token_budget = _integer(document.get("token_budget"))
    lorebook.is_recursive = document.get("recursive_scanning")
    lorebook.extensions = document.get("extensions", {})


def make_entry(lorebook_id: UUID, position: int, document: Json) -> LorebookEntry:
    """The row of a normalised entry."""
    return LorebookEntry(lorebook_id=lorebook_id, position=position, document=document, **columns_of(document))


def set_entry(row: LorebookEntry, document: Json) -> None:
    """The row says what the normalised entry says."""
    row.document = document
    for name, value in columns_of(document).items():
        setattr(row, name, value)


def columns_of(document: Json) -> dict[str, Any]:
    """What the columns of an entry say of it."""
    said, body = decorators.read(document["content"])
    place = place_of(document, document.get("extensions") or {}, said)
    return {
        "name": one_line(document.get("name") or document.get("comment") or ""),
        "keys": [one_line(key) for key in document["keys"]],
        "secondary_keys": [one_line(key) for key in document.get("secondary_keys", ())],
        "content": storable(document["content"]),
        "is_enabled": bool(document["enabled"]),
        "is_constant": bool(document.get("constant", False)),
        "insertion_order": float(document["insertion_order"]),
        "place": place.kind.value if place.depth is None else f"{place.kind.value}:{place.depth}:{place.role}",
        "tokens": rules.tokens(storable(body)),
        "has_patterns": bool(document.get("use_regex"))
        and any(written_pattern(key.strip()) is not None for key in document["keys"]),
    }


def _integer(value: Any) -> int | None:
    """A number as the column keeps it; one that the column cannot hold stays in the document alone."""
    if value is None or not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
        return None
    return int(value)
