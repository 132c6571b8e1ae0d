"""A character's lorebook as rows: what the columns know of each entry, and the entry itself beside it."""

from typing import Any

from sqlalchemy.orm import Session

from studio.authoring.models import TEXT_LENGTH, TITLE_LENGTH, Character, Lorebook, LorebookEntry
from studio.cards.documents import Json
from studio.kit.text import excerpt, one_line, storable

_LARGEST_INTEGER = 2**31 - 1


def problems(card: Json) -> dict[str, str]:
    """A sentence where the card's lorebook is beyond what the studio keeps."""
    book = card["data"].get("character_book") or {}
    if any(len(storable(entry["content"])) > TEXT_LENGTH for entry in book.get("entries", ())):
        return {"lorebook": "An entry of the lorebook has more than 200,000 characters. Split it."}
    return {}


def write(session: Session, character: Character, card: Json) -> Lorebook | None:
    """The character, which has no lorebook yet, has the one of its normalised card, if that has one."""
    book = card["data"].get("character_book")
    if not book:
        return None
    lorebook = Lorebook(
        character_id=character.id,
        name=excerpt(book.get("name", ""), TITLE_LENGTH),
        description=storable(book.get("description", "")),
        scan_depth=_integer(book.get("scan_depth")),
        token_budget=_integer(book.get("token_budget")),
        is_recursive=book.get("recursive_scanning"),
        extensions=book.get("extensions", {}),
    )
    session.add(lorebook)
    session.flush()
    session.add_all(
        LorebookEntry(
            lorebook_id=lorebook.id,
            position=position,
            name=one_line(entry.get("name") or entry.get("comment") or ""),
            keys=[one_line(key) for key in entry["keys"]],
            secondary_keys=[one_line(key) for key in entry.get("secondary_keys", ())],
            content=storable(entry["content"]),
            is_enabled=entry["enabled"],
            is_constant=entry.get("constant", False),
            insertion_order=float(entry["insertion_order"]),
            document=entry,
        )
        for position, entry in enumerate(book["entries"])
    )
    session.flush()
    return lorebook


def _integer(value: Any) -> int | None:
    """A number as the column keeps it; one that the column cannot hold stays in the document alone."""
    if value is None or not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
        return None
    return int(value)
