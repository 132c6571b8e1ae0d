"""Character Card V2 (`chara_card_v2`): everything under `data`, V1's keys often mirrored at the root."""

from studio.cards.documents import Json, copy_json
from studio.cards.formats.base import V1_KEYS, V3_KEYS, CardFormat, clean_spec, has_text
from studio.cards.notes import Notebook

# SillyTavern repeats these at the root for readers of V1; they are known, not strange.
ROOT_MIRRORS = {key: key for key in V3_KEYS} | {"creatorcomment": "creator_notes"}


def recognises(document: Json) -> bool:
    """By its spec, or without one by a `data` that greets."""
    spec = clean_spec(document)
    data = document.get("data")
    if spec:
        return spec == "chara_card_v2"
    return isinstance(data, dict) and "name" in data and "first_mes" in data


def content(document: Json, notes: Notebook) -> Json:
    """What stands under `data`; the root's keys where `data` says nothing and the root does."""
    data = document.get("data")
    found: Json = copy_json(data) if isinstance(data, dict) else {}
    if is_content_at_root(document):
        notes.warn("content_at_root", "data", "The card's `data` is empty, so the texts beside it were taken.")
        for key, name in ROOT_MIRRORS.items():
            if key in document:
                found[name] = copy_json(document[key])
    for key in found:
        if key not in V3_KEYS:
            notes.keep(f"data.{key}")
    for key in document:
        if key not in {"spec", "spec_version", "data"} and key not in ROOT_MIRRORS:
            notes.keep(key)
    return found


def is_content_at_root(document: Json) -> bool:
    """Whether `data` holds none of the six texts while the root holds some."""
    data = document.get("data")
    data = data if isinstance(data, dict) else {}
    return not any(has_text(data, key) for key in V1_KEYS) and any(has_text(document, key) for key in V1_KEYS)


FORMAT = CardFormat(
    key="v2",
    title="Character Card V2",
    spec_version="2.0",
    recognises=recognises,
    content=content,
    is_native=True,
)
