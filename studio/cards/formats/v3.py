"""Character Card V3 (`chara_card_v3`): V2 with assets, nickname, sources, group greetings and dates."""

from studio.cards import coerce
from studio.cards.documents import Json
from studio.cards.formats import v2
from studio.cards.formats.base import CardFormat, clean_spec
from studio.cards.notes import Notebook

_VERSION = 3.0


def recognises(document: Json) -> bool:
    """By its spec; a later or misspelt `chara_card_…` is read as V3 too, since V3 asks for it."""
    spec = clean_spec(document)
    return spec.startswith("chara_card") and spec != "chara_card_v2"


def content(document: Json, notes: Notebook) -> Json:
    """What stands under `data`, with a warning where the document is newer than V3."""
    version = coerce.number(document.get("spec_version"))
    if clean_spec(document) != "chara_card_v3" or (version is not None and version > _VERSION):
        notes.warn("newer_version", "spec_version", "The card says that it is newer than V3; what V3 knows was read.")
    return v2.content(document, notes)


FORMAT = CardFormat(
    key="v3",
    title="Character Card V3",
    spec_version="3.0",
    recognises=recognises,
    content=content,
    is_native=True,
)
