"""Tables of characters as their authors work on them, with what they say and where they go."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.authoring.models.labels import ContentRating, License
from studio.authoring.models.limits import (
    CONTEXT_TOKENS,
    CONTEXT_WINDOW,
    MEMORY_COUNT,
    MOST_WARNINGS,
    NAME_LENGTH,
    PERCENT,
    REPLY_LENGTH,
    RETENTION_DAYS,
    SHARE,
    SHORT_LENGTH,
    TEXT_LENGTH,
    TITLE_LENGTH,
    WEIGHT,
    within,
)
from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to, stored


class CharacterOrigin(StrEnum):
    """Who writes a character: the staff or a creator."""

    OFFICIAL = "official"
    CREATOR = "creator"


class CharacterStatus(StrEnum):
    """Whether others can meet the character."""

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class GreetingKind(StrEnum):
    """When a greeting is said."""

    FIRST = "first"
    ALTERNATE = "alternate"
    GROUP_ONLY = "group_only"


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
        # What is in the trash is met by nobody.
        sa.CheckConstraint("trashed_at IS NULL OR status <> 'published'", name="trash_is_not_published"),
        sa.CheckConstraint("trashed_by_id IS NULL OR trashed_at IS NOT NULL", name="trashed_by_goes_with_trashed_at"),
        sa.CheckConstraint("code ~ '^B[0-9]{1,9}C[0-9]{1,9}$'", name="code_is_b_and_c_with_numbers"),
        # B1C1 and B001C001 are one code.
        sa.UniqueConstraint("story_number", "code_number", name="uq_characters_story_number_code_number"),
        sa.CheckConstraint("(story_position IS NULL) = (story_id IS NULL)", name="story_position_goes_with_story"),
        # Deferred, so that two characters can change places.
        sa.UniqueConstraint(
            "story_id",
            "story_position",
            name="uq_characters_story_id_story_position",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.CheckConstraint("length(btrim(name)) > 0", name="name_is_not_blank"),
        sa.CheckConstraint("cardinality(tags) <= 100", name="tags_are_at_most_100"),
        sa.CheckConstraint(
            f"cardinality(content_warnings) <= {MOST_WARNINGS}", name=f"content_warnings_are_at_most_{MOST_WARNINGS}"
        ),
        within("context_tokens", CONTEXT_TOKENS, name="context_tokens_fit_a_model"),
        within("memory_retention_days", RETENTION_DAYS, name="memory_retention_days_within_ten_years"),
        at_most("ai_model", NAME_LENGTH),
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
        sa.Index("ix_characters_trashed_at_id", "trashed_at", "id", postgresql_where=sa.text("trashed_at IS NOT NULL")),
        sa.Index("ix_characters_bigrams", "bigrams", postgresql_using="gin"),
        sa.Index("ix_characters_tags", "tags", postgresql_using="gin"),
    )

    legacy_id: Mapped[str | None] = mapped_column(unique=True)
    origin: Mapped[CharacterOrigin] = mapped_column(stored(CharacterOrigin, "origin"), default=CharacterOrigin.CREATOR)
    owner_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT", index=False)
    story_id: Mapped[UUID | None] = refers_to("stories.id", ondelete="RESTRICT", index=False)
    story_position: Mapped[int | None]
    code: Mapped[str | None] = mapped_column(unique=True)
    # What the code says, for sorting and for finding however it is padded.
    story_number: Mapped[int | None] = mapped_column(
        sa.Computed("(substring(split_part(code, 'C', 1), 2))::integer", persisted=True)
    )
    code_number: Mapped[int | None] = mapped_column(sa.Computed("(split_part(code, 'C', 2))::integer", persisted=True))
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
    content_warnings: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    license: Mapped[License] = mapped_column(
        stored(License, "license"), default=License.UNSTATED, server_default=License.UNSTATED
    )
    portrait_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="SET NULL")
    trashed_at: Mapped[datetime | None]
    trashed_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")

    # From TavernAI Plus: how a chat engine should run the character.
    ai_model: Mapped[str] = mapped_column(default="", server_default="")
    emotional_range: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    is_learning_enabled: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    memory_retention_days: Mapped[int | None]
    is_context_aware: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    # How many tokens the model reads at once: what the editor's bar compares the character's texts with.
    context_tokens: Mapped[int] = mapped_column(default=8192, server_default="8192")

    # When its author last said that the draft is to stay, without changing it.
    kept_at: Mapped[datetime | None]

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
        within("weight", WEIGHT, name="weight_is_between_1_and_1000"),
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
        within("progress", PERCENT, name="progress_is_a_percentage"),
        within("required_progress", PERCENT, name="required_progress_is_a_percentage"),
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


class ContextAwarenessConfig(Identified, Timestamped, Base):
    """How much a chat with the character remembers and weighs."""

    __tablename__ = "context_awareness_configs"
    __table_args__ = (
        within("context_window", CONTEXT_WINDOW, name="context_window"),
        within("memory_count", MEMORY_COUNT, name="memory_count"),
        within("emotion_weight", SHARE, name="emotion_weight"),
        within("learning_rate", SHARE, name="learning_rate"),
        within("consistency", SHARE, name="consistency"),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False, unique=True)
    context_window: Mapped[int] = mapped_column(default=20, server_default="20")
    memory_count: Mapped[int] = mapped_column(default=10, server_default="10")
    emotion_weight: Mapped[float] = mapped_column(sa.Double, default=0.3, server_default="0.3")
    learning_rate: Mapped[float] = mapped_column(sa.Double, default=0.1, server_default="0.1")
    consistency: Mapped[float] = mapped_column(sa.Double, default=0.8, server_default="0.8")
