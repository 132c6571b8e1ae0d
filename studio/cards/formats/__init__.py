"""The card formats, in the order in which a document is tried; a contract test runs over the list."""

from studio.cards.documents import Json
from studio.cards.errors import LorebookError, NotACardError
from studio.cards.formats import agnai, byaf, pygmalion, tavernai, text_generation, v1, v2, v3
from studio.cards.formats.base import CardFormat
from studio.cards.lorebooks import standalone_kind

# A document that names its spec is believed first; V1, which anything with a name resembles, comes last.
_SPECIFIED = (v3.FORMAT, v2.FORMAT, byaf.FORMAT)
_RESEMBLING = (pygmalion.FORMAT, agnai.FORMAT, tavernai.FORMAT, text_generation.FORMAT, v1.FORMAT)
FORMATS: tuple[CardFormat, ...] = _SPECIFIED + _RESEMBLING


def is_scenario(value: object) -> bool:
    """Whether a parsed value is a scenario of TavernAI Plus: a world with its information, but nobody in it."""
    return isinstance(value, dict) and isinstance(value.get("worldInfos"), list)


def detect(document: Json) -> CardFormat:
    """The format of a parsed document; raises LorebookError or NotACardError with what it is instead."""
    for kind in _SPECIFIED:
        if kind.recognises(document):
            return kind
    if standalone_kind(document) is not None:
        raise LorebookError(
            "This is a lorebook, not a character card; open a character and bring the file to its lorebook."
        )
    for kind in _RESEMBLING:
        if kind.recognises(document):
            return kind
    if is_scenario(document):
        raise NotACardError(
            "This is a TavernAI Plus scenario, not a character: copy its world information into the lorebook of the "
            "character that it is for."
        )
    if "gamestarted" in document or "savedsettings" in document:
        raise NotACardError("This is a saved KoboldAI story, not a character card.")
    raise NotACardError("This JSON is no character card: it has neither a `spec` nor a character's name and texts.")
