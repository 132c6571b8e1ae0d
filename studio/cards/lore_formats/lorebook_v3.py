"""The standalone lorebook of the V3 specification: `{spec: "lorebook_v3", data: …}`."""

from studio.cards.documents import Json
from studio.cards.lore_formats import character_book
from studio.cards.lore_formats.base import LoreFormat, Losses


def _read(document: Json) -> Json:
    data = document.get("data")
    return dict(data) if isinstance(data, dict) else {"entries": data}


def _write(book: Json) -> tuple[Json, Losses]:
    return {"spec": "lorebook_v3", "data": character_book.write(book)[0]}, []


FORMAT = LoreFormat("lorebook_v3", "Lorebook V3", lambda document: document.get("spec") == "lorebook_v3", _read, _write)
