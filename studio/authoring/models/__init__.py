"""Tables of stories, characters, all that belongs to a character, and its immutable versions."""

from studio.authoring.models.batches import (
    FILE_NAME_LENGTH,
    BatchState,
    CardBatch,
    CardBatchItem,
    CardBatchPart,
    ItemState,
    OnDuplicate,
)
from studio.authoring.models.cards import CardDocument, DocumentState
from studio.authoring.models.characters import (
    Character,
    CharacterOrigin,
    CharacterScene,
    CharacterStatus,
    ContextAwarenessConfig,
    FallbackReply,
    Greeting,
    GreetingKind,
)
from studio.authoring.models.dormancy import DormancyNotice
from studio.authoring.models.labels import ContentRating, ContentWarning, License
from studio.authoring.models.limits import NAME_LENGTH, REPLY_LENGTH, SHORT_LENGTH, TEXT_LENGTH, TITLE_LENGTH
from studio.authoring.models.lorebooks import Lorebook, LorebookEntry, LorebookState, TrashedLorebook
from studio.authoring.models.opinions import CharacterRating, UserFavorite
from studio.authoring.models.stories import Story
from studio.authoring.models.tags import ListedTag
from studio.authoring.models.versions import CharacterVersion, ListedCharacter, VersionOccasion

__all__ = [
    "FILE_NAME_LENGTH",
    "NAME_LENGTH",
    "REPLY_LENGTH",
    "SHORT_LENGTH",
    "TEXT_LENGTH",
    "TITLE_LENGTH",
    "BatchState",
    "CardBatch",
    "CardBatchItem",
    "CardBatchPart",
    "CardDocument",
    "Character",
    "CharacterOrigin",
    "CharacterRating",
    "CharacterScene",
    "CharacterStatus",
    "CharacterVersion",
    "ContentRating",
    "ContentWarning",
    "ContextAwarenessConfig",
    "DocumentState",
    "DormancyNotice",
    "FallbackReply",
    "Greeting",
    "GreetingKind",
    "ItemState",
    "License",
    "ListedCharacter",
    "ListedTag",
    "Lorebook",
    "LorebookEntry",
    "LorebookState",
    "OnDuplicate",
    "Story",
    "TrashedLorebook",
    "UserFavorite",
    "VersionOccasion",
]
