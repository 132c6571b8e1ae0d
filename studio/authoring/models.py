"""Tables of stories, characters, all that belongs to a character, and its immutable versions."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to, stored

# The longest of each that forms, imports and PostgreSQL accept, in characters; real cards stay below (see docs).
NAME_LENGTH = 200
TITLE_LENGTH = 200
SHORT_LENGTH = 500
TEXT_LENGTH = 200_000
REPLY_LENGTH = 10_000


class CharacterOrigin(StrEnum):
    """Who writes a character: the staff or a creator."""

    OFFICIAL = "official"
    CREATOR = "creator"


class CharacterStatus(StrEnum):
    """Whether others can meet the character."""

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class ContentRating(StrEnum):
    """For whom the character is."""

    UNRATED = "unrated"
    GENERAL = "general"
    TEEN = "teen"
    MATURE = "mature"
    EXPLICIT = "explicit"


class GreetingKind(StrEnum):
    """When a greeting is said."""

    FIRST = "first"
    ALTERNATE = "alternate"
    GROUP_ONLY = "group_only"


class DocumentState(StrEnum):
    """How far the import of a card is."""

    PREVIEWED = "previewed"
    CONFIRMED = "confirmed"
    DISCARDED = "discarded"


class Story(Identified, Timestamped, RowVersioned, Base):
    """A story written by the staff, known by its code `B<number>`."""

    __tablename__ = "stories"
    __table_args__ = (
        sa.CheckConstraint("code ~ '^B[0-9]+$'", name="code_is_b_and_a_number"),
        at_most("title", TITLE_LENGTH),
        at_most("description", TEXT_LENGTH),
    )

    legacy_id: Mapped[str | None] = mapped_column(unique=True)
    code: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="")
    cover_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="SET NULL")


class Character(Identified, Timestamped, RowVersioned, Base):
    """A character as its author works on it; what others see is a version."""

    __tablename__ = "characters"
    __table_args__ = (
        # An official character belongs to a story and has a code; a creator's has an owner and neither.
        sa.CheckConstraint(
            "(origin = 'official' AND story_id IS NOT NULL AND code IS NOT NULL)"
            " OR (origin = 'creator' AND owner_id IS NOT NULL AND story_id IS NULL AND code IS NULL)",
            name="origin_says_who_owns_it",
        ),
        sa.CheckConstraint("code ~ '^B[0-9]+C[0-9]+$'", name="code_is_b_and_c_with_numbers"),
        sa.CheckConstraint("length(btrim(name)) > 0", name="name_is_not_blank"),
        sa.CheckConstraint("cardinality(tags) <= 100", name="tags_are_at_most_100"),
        at_most("name", NAME_LENGTH),
        at_most("nickname", NAME_LENGTH),
        at_most("tagline", SHORT_LENGTH),
        at_most("current_state", SHORT_LENGTH),
        *(
            at_most(column, TEXT_LENGTH)
            for column in (
                "description",
                "personality",
                "scenario",
                "relationships",
                "example_dialogue",
                "system_prompt",
                "post_history_instructions",
                "creator_notes",
            )
        ),
        sa.Index("ix_characters_owner_id_updated_at_id", "owner_id", "updated_at", "id"),
        sa.Index("ix_characters_updated_at_id", "updated_at", "id"),
        sa.Index("ix_characters_name_id", "name", "id"),
        sa.Index("ix_characters_status_updated_at_id", "status", "updated_at", "id"),
        sa.Index(
            "ix_characters_search_text_trgm",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
        sa.Index("ix_characters_bigrams", "bigrams", postgresql_using="gin"),
        sa.Index("ix_characters_tags", "tags", postgresql_using="gin"),
    )

    legacy_id: Mapped[str | None] = mapped_column(unique=True)
    origin: Mapped[CharacterOrigin] = mapped_column(stored(CharacterOrigin, "origin"), default=CharacterOrigin.CREATOR)
    owner_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT", index=False)
    story_id: Mapped[UUID | None] = refers_to("stories.id", ondelete="RESTRICT")
    code: Mapped[str | None] = mapped_column(unique=True)
    status: Mapped[CharacterStatus] = mapped_column(stored(CharacterStatus, "status"), default=CharacterStatus.DRAFT)

    name: Mapped[str]
    nickname: Mapped[str] = mapped_column(default="", server_default="")
    tagline: Mapped[str] = mapped_column(default="", server_default="")
    description: Mapped[str] = mapped_column(default="", server_default="")
    personality: Mapped[str] = mapped_column(default="", server_default="")
    scenario: Mapped[str] = mapped_column(default="", server_default="")
    relationships: Mapped[str] = mapped_column(default="", server_default="")
    current_state: Mapped[str] = mapped_column(default="", server_default="")
    example_dialogue: Mapped[str] = mapped_column(default="", server_default="")
    system_prompt: Mapped[str] = mapped_column(default="", server_default="")
    post_history_instructions: Mapped[str] = mapped_column(default="", server_default="")
    creator_notes: Mapped[str] = mapped_column(default="", server_default="")
    tags: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    language: Mapped[str] = mapped_column(default="", server_default="")
    content_rating: Mapped[ContentRating] = mapped_column(
        stored(ContentRating, "content_rating"), default=ContentRating.UNRATED, server_default=ContentRating.UNRATED
    )
    portrait_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="SET NULL")

    # From TavernAI Plus: how a chat engine should run the character.
    ai_model: Mapped[str] = mapped_column(default="", server_default="")
    emotional_range: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    is_learning_enabled: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    memory_retention_days: Mapped[int | None]
    is_context_aware: Mapped[bool] = mapped_column(default=True, server_default=sa.true())

    # Computed on every save by `studio.authoring.rules`: what the card says (not when), and what search reads.
    content_hash: Mapped[str] = mapped_column(default="", server_default="", index=True)
    search_text: Mapped[str] = mapped_column(default="", server_default="", deferred=True)
    bigrams: Mapped[list[str]] = mapped_column(default=list, server_default="{}", deferred=True)


class Greeting(Identified, Base):
    """One way in which the character opens a chat."""

    __tablename__ = "greetings"
    __table_args__ = (
        sa.UniqueConstraint(
            "character_id",
            "kind",
            "position",
            name="uq_greetings_character_id_kind_position",
            deferrable=True,
            initially="DEFERRED",
        ),
        # There is one first greeting.
        sa.CheckConstraint("kind <> 'first' OR position = 0", name="first_is_alone"),
        sa.CheckConstraint("position >= 0", name="position_is_not_negative"),
        at_most("content", TEXT_LENGTH),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    kind: Mapped[GreetingKind] = mapped_column(stored(GreetingKind, "kind"))
    position: Mapped[int]
    content: Mapped[str]


class FallbackReply(Identified, Timestamped, Base):
    """What the character says when no model answers."""

    __tablename__ = "fallback_replies"
    __table_args__ = (
        sa.UniqueConstraint(
            "character_id",
            "position",
            name="uq_fallback_replies_character_id_position",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.CheckConstraint("position >= 0", name="position_is_not_negative"),
        sa.CheckConstraint("weight BETWEEN 1 AND 1000", name="weight_is_between_1_and_1000"),
        sa.CheckConstraint("length(btrim(content)) > 0", name="content_is_not_blank"),
        at_most("content", REPLY_LENGTH),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    position: Mapped[int]
    content: Mapped[str]
    weight: Mapped[int] = mapped_column(default=1, server_default="1")
    language: Mapped[str] = mapped_column(default="", server_default="")


class CharacterScene(Identified, Timestamped, Base):
    """A stage on a character's way, and what must be reached before it."""

    __tablename__ = "character_scenes"
    __table_args__ = (
        sa.UniqueConstraint(
            "character_id",
            "position",
            name="uq_character_scenes_character_id_position",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name="progress_is_a_percentage"),
        sa.CheckConstraint("required_progress BETWEEN 0 AND 100", name="required_progress_is_a_percentage"),
        at_most("title", TITLE_LENGTH),
        at_most("stage", TITLE_LENGTH),
        at_most("stage_prompt", TEXT_LENGTH),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    position: Mapped[int]
    title: Mapped[str]
    stage: Mapped[str] = mapped_column(default="", server_default="")
    progress: Mapped[int] = mapped_column(default=0, server_default="0")
    stage_prompt: Mapped[str] = mapped_column(default="", server_default="")
    required_progress: Mapped[int] = mapped_column(default=0, server_default="0")


class Lorebook(Identified, Timestamped, RowVersioned, Base):
    """A character's book of things it knows when they are spoken of."""

    __tablename__ = "lorebooks"
    __table_args__ = (at_most("name", TITLE_LENGTH),)

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False, unique=True)
    name: Mapped[str] = mapped_column(default="", server_default="")
    description: Mapped[str] = mapped_column(default="", server_default="")
    scan_depth: Mapped[int | None]
    token_budget: Mapped[int | None]
    is_recursive: Mapped[bool | None]
    extensions: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class LorebookEntry(Identified, Base):
    """One thing that a lorebook tells, and the words that call it up."""

    __tablename__ = "lorebook_entries"
    __table_args__ = (
        sa.UniqueConstraint(
            "lorebook_id",
            "position",
            name="uq_lorebook_entries_lorebook_id_position",
            deferrable=True,
            initially="DEFERRED",
        ),
        at_most("content", TEXT_LENGTH),
    )

    lorebook_id: Mapped[UUID] = refers_to("lorebooks.id", ondelete="CASCADE", index=False)
    position: Mapped[int]
    name: Mapped[str] = mapped_column(default="", server_default="")
    keys: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    secondary_keys: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    content: Mapped[str] = mapped_column(default="", server_default="")
    is_enabled: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    is_constant: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    insertion_order: Mapped[float] = mapped_column(sa.Double, default=100, server_default="100")
    # The entry as the card holds it: whatever the columns don't know survives here.
    document: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class CardDocument(Identified, Base):
    """A card that somebody brought, verbatim, with the report of what was read in it."""

    __tablename__ = "card_documents"
    __table_args__ = (
        # Only a confirmed import made a character.
        sa.CheckConstraint("(state = 'confirmed') = (character_id IS NOT NULL)", name="confirmed_goes_with_character"),
        sa.Index("ix_card_documents_owner_id_created_at", "owner_id", "created_at"),
        sa.Index("ix_card_documents_state_created_at", "state", "created_at"),
    )

    owner_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT", index=False)
    character_id: Mapped[UUID | None] = refers_to("characters.id", ondelete="CASCADE")
    state: Mapped[DocumentState] = mapped_column(stored(DocumentState, "state"), default=DocumentState.PREVIEWED)
    source_file_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="RESTRICT")
    portrait_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="SET NULL")
    original_name: Mapped[str] = mapped_column(default="", server_default="")
    format: Mapped[str]
    spec_version: Mapped[str]
    # The JSON as it stood in the file, byte for byte; export starts from it.
    raw: Mapped[bytes] = mapped_column(deferred=True)
    report: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    content_hash: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    confirmed_at: Mapped[datetime | None]


class CharacterVersion(Identified, Base):
    """A character as it was at one moment. PostgreSQL refuses to change it."""

    __tablename__ = "character_versions"
    __table_args__ = (
        sa.UniqueConstraint("character_id", "version_number", name="uq_character_versions_character_id_version_number"),
        sa.CheckConstraint("version_number > 0", name="version_number_starts_at_one"),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    version_number: Mapped[int]
    name: Mapped[str]
    # The whole card as a V3 object, and beside it what cards have no place for (fallback replies, scenes).
    card: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    studio: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}", deferred=True)
    portrait_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="RESTRICT")
    content_hash: Mapped[str]
    change_note: Mapped[str] = mapped_column(default="", server_default="")
    created_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class ListedCharacter(Base):
    """What others may find and see of a character: of the version that is live, never of the draft's later edits."""

    __tablename__ = "listed_characters"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["character_id", "version_number"],
            ["character_versions.character_id", "character_versions.version_number"],
            name="fk_listed_characters_version",
            ondelete="CASCADE",
        ),
        sa.Index(
            "ix_listed_characters_search_text_trgm",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
        sa.Index("ix_listed_characters_bigrams", "bigrams", postgresql_using="gin"),
    )

    character_id: Mapped[UUID] = mapped_column(primary_key=True)
    version_number: Mapped[int]
    name: Mapped[str]
    tagline: Mapped[str] = mapped_column(default="", server_default="")
    summary: Mapped[str] = mapped_column(default="", server_default="")
    tags: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    portrait_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="SET NULL")
    search_text: Mapped[str] = mapped_column(deferred=True)
    bigrams: Mapped[list[str]] = mapped_column(deferred=True)


class ContextAwarenessConfig(Identified, Timestamped, Base):
    """How much a chat with the character remembers and weighs."""

    __tablename__ = "context_awareness_configs"
    __table_args__ = (
        sa.CheckConstraint("context_window BETWEEN 1 AND 1000", name="context_window"),
        sa.CheckConstraint("memory_count BETWEEN 0 AND 1000", name="memory_count"),
        sa.CheckConstraint("emotion_weight BETWEEN 0 AND 1", name="emotion_weight"),
        sa.CheckConstraint("learning_rate BETWEEN 0 AND 1", name="learning_rate"),
        sa.CheckConstraint("consistency BETWEEN 0 AND 1", name="consistency"),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False, unique=True)
    context_window: Mapped[int] = mapped_column(default=20, server_default="20")
    memory_count: Mapped[int] = mapped_column(default=10, server_default="10")
    emotion_weight: Mapped[float] = mapped_column(sa.Double, default=0.3, server_default="0.3")
    learning_rate: Mapped[float] = mapped_column(sa.Double, default=0.1, server_default="0.1")
    consistency: Mapped[float] = mapped_column(sa.Double, default=0.8, server_default="0.8")


class VoiceConfiguration(Identified, Timestamped, RowVersioned, Base):
    """How a character sounds in one language; which values a provider uses is the provider's table to say."""

    __tablename__ = "voice_configurations"
    __table_args__ = (
        sa.CheckConstraint("speed > 0 AND pitch > 0", name="speed_and_pitch_are_factors"),
        sa.CheckConstraint("stability BETWEEN 0 AND 1", name="stability"),
        sa.CheckConstraint("similarity BETWEEN 0 AND 1", name="similarity"),
        sa.CheckConstraint("style_exaggeration BETWEEN 0 AND 1", name="style_exaggeration"),
        # A character speaks a language with one voice.
        sa.Index(
            "uq_voice_configurations_character_id_language_active",
            "character_id",
            "language",
            unique=True,
            postgresql_where=sa.text("is_active"),
        ),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE")
    provider: Mapped[str]
    voice_id: Mapped[str]
    voice_name: Mapped[str] = mapped_column(default="", server_default="")
    language: Mapped[str]
    speed: Mapped[float] = mapped_column(sa.Double, default=1.0, server_default="1")
    pitch: Mapped[float] = mapped_column(sa.Double, default=1.0, server_default="1")
    stability: Mapped[float] = mapped_column(sa.Double, default=0.5, server_default="0.5")
    similarity: Mapped[float] = mapped_column(sa.Double, default=0.5, server_default="0.5")
    style_exaggeration: Mapped[float] = mapped_column(sa.Double, default=0.0, server_default="0")
    is_active: Mapped[bool] = mapped_column(default=True, server_default=sa.true())


class CharacterRating(Identified, Timestamped, Base):
    """What one person thinks of one character."""

    __tablename__ = "character_ratings"
    __table_args__ = (
        sa.UniqueConstraint("character_id", "user_id", name="uq_character_ratings_character_id_user_id"),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name="rating_is_one_to_five"),
        at_most("comment", REPLY_LENGTH),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE")
    rating: Mapped[int]
    comment: Mapped[str] = mapped_column(default="", server_default="")


class UserFavorite(Identified, Base):
    """A character that a person keeps at hand."""

    __tablename__ = "user_favorites"
    __table_args__ = (sa.UniqueConstraint("user_id", "character_id", name="uq_user_favorites_user_id_character_id"),)

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE")
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
