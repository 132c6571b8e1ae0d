"""Character Card V1: six strings at the root, with whatever tools wrote beside them."""

from studio.cards.documents import Json, copy_json
from studio.cards.formats.base import V1_KEYS, V3_KEYS, CardFormat
from studio.cards.notes import Notebook


def recognises(document: Json) -> bool:
    """A name, and at least one of the keys that only characters have."""
    return "name" in document and any(key in document for key in V1_KEYS[2:])


def content(document: Json, notes: Notebook) -> Json:
    """The root's known keys, V2's too, since web generators write them there."""
    found: Json = {key: copy_json(value) for key, value in document.items() if key in V3_KEYS}
    if "creator_notes" not in found and "creatorcomment" in document:
        found["creator_notes"] = document["creatorcomment"]
        notes.repair("renamed", "creatorcomment", "An old name of the creator's notes was understood.")
    for key in document:
        if key not in V3_KEYS and key not in {"spec", "spec_version", "creatorcomment"}:
            notes.keep(key)
    return found


FORMAT = CardFormat(
    key="v1",
    title="Character Card V1",
    spec_version="1.0",
    recognises=recognises,
    content=content,
    is_native=True,
)
