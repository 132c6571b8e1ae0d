"""A card's own `character_book`, alone in a file."""

from studio.cards.documents import Json, copy_json
from studio.cards.lore_formats.base import LoreFormat, Losses, rows
from studio.cards.lore_values import in_order


def _recognises(document: Json) -> bool:
    entries = document.get("entries")
    return (
        isinstance(entries, list)
        and "first_mes" not in document
        and not any("key" in entry and "keys" not in entry for entry in rows(entries)[:1])
        and not any("uid" in entry and "keys" not in entry for entry in rows(entries)[:1])
    )


def write(book: Json) -> tuple[Json, Losses]:
    """The book as it is."""
    made: Json = copy_json(book)
    made["entries"] = [in_order(entry) for entry in made["entries"]]
    return made, []


FORMAT = LoreFormat("character_book", "character_book", _recognises, dict, write)
