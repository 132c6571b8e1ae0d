"""The lorebook formats, in the order in which a document is tried; a contract test runs over the list."""

from studio.cards.documents import Json
from studio.cards.lore_formats import agnai_memory, character_book, lorebook_v3, novelai, risu, world_info
from studio.cards.lore_formats.base import LoreFormat

# Formats that name themselves are believed first; a list of entries, which others resemble, comes last.
FORMATS: tuple[LoreFormat, ...] = (
    lorebook_v3.FORMAT,
    risu.FORMAT,
    novelai.FORMAT,
    agnai_memory.FORMAT,
    world_info.FORMAT,
    character_book.FORMAT,
)
BY_KEY = {one.key: one for one in FORMATS}


def detect(document: Json) -> LoreFormat | None:
    """The format of a parsed document; None where it is no lorebook."""
    return next((one for one in FORMATS if one.recognises(document)), None)
