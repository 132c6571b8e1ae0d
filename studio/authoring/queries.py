"""Who may see and who may change which characters, and reads of what belongs to them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only, undefer

from studio.accounts.permissions import Actor, Permission
from studio.authoring.chat_settings import ContextSettings
from studio.authoring.codes import Code
from studio.authoring.models import (
    CardDocument,
    Character,
    CharacterOrigin,
    CharacterScene,
    CharacterStatus,
    CharacterVersion,
    ContextAwarenessConfig,
    DocumentState,
    FallbackReply,
    Greeting,
    GreetingKind,
    ListedCharacter,
    Lorebook,
    LorebookEntry,
    Story,
)
from studio.authoring.rules import WIDE_SIGNS, Greetings, ReplyDraft
from studio.authoring.scenes import SceneDraft
from studio.kit.errors import NotFoundError
from studio.media.models import MediaFile, MediaPurpose

PAGE = 50
_DUPLICATES = 10
# What an integer of PostgreSQL holds.
_LARGEST_NUMBER = 2**31 - 1


def character_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Staff and moderators see every character; a creator sees their own and, of others, the published ones.

    Of another's published character only the listed version may be shown, never the draft's later edits. What is in
    the trash is seen there alone.
    """
    if actor.may(Permission.CHARACTER_READ_ANY):
        return not_in_trash()
    criteria: list[sa.ColumnElement[bool]] = []
    if actor.may(Permission.CHARACTER_READ_OWN) and actor.user_id is not None:
        criteria.append(Character.owner_id == actor.user_id)
    if actor.may(Permission.CHARACTER_READ_PUBLISHED):
        criteria.append(Character.status == CharacterStatus.PUBLISHED)
    return sa.and_(sa.or_(sa.false(), *criteria), not_in_trash())


def draft_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Whose working texts the actor may read: staff and moderators everybody's, a creator their own."""
    if actor.may(Permission.CHARACTER_READ_ANY):
        return not_in_trash()
    if actor.may(Permission.CHARACTER_READ_OWN) and actor.user_id is not None:
        return sa.and_(Character.owner_id == actor.user_id, not_in_trash())
    return sa.false()


def character_writable_by(actor: Actor) -> sa.ColumnElement[bool]:
    """A creator changes their own characters, whoever writes stories the official ones."""
    return sa.and_(_changed_by(actor), not_in_trash())


def trashed_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """The trash is for whoever may change what is in it, and for nobody else."""
    return sa.and_(_changed_by(actor), Character.trashed_at.is_not(None))


def not_in_trash() -> sa.ColumnElement[bool]:
    """Characters that nobody threw away."""
    return Character.trashed_at.is_(None)


def _changed_by(actor: Actor) -> sa.ColumnElement[bool]:
    if actor.may(Permission.CHARACTER_WRITE_ANY):
        return sa.true()
    criteria: list[sa.ColumnElement[bool]] = []
    if actor.may(Permission.CHARACTER_WRITE_OWN) and actor.user_id is not None:
        criteria.append(sa.and_(Character.owner_id == actor.user_id, Character.origin == CharacterOrigin.CREATOR))
    if actor.may(Permission.STORY_WRITE):
        criteria.append(Character.origin == CharacterOrigin.OFFICIAL)
    return sa.or_(sa.false(), *criteria)


def may_write(actor: Actor, character: Character) -> bool:
    """Whether the actor may change a character at hand: what `character_writable_by` says of its row."""
    if character.trashed_at is not None:
        return False
    if actor.may(Permission.CHARACTER_WRITE_ANY):
        return True
    if character.origin is CharacterOrigin.OFFICIAL:
        return actor.may(Permission.STORY_WRITE)
    return actor.may(Permission.CHARACTER_WRITE_OWN) and character.owner_id == actor.user_id is not None


def story_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Stories are the staff's; others meet their published characters. What is in the trash is seen there alone."""
    return Story.trashed_at.is_(None) if actor.may(Permission.STORY_READ) else sa.false()


def trashed_story_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """The trash is for whoever may write stories."""
    return Story.trashed_at.is_not(None) if actor.may(Permission.STORY_WRITE) else sa.false()


def document_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Imports are seen by whoever made them."""
    if actor.is_system:
        return sa.true()
    if actor.may(Permission.CARD_IMPORT) and actor.user_id is not None:
        return CardDocument.owner_id == actor.user_id
    return sa.false()


def get_character(session: Session, *, actor: Actor, character_id: UUID, lock: bool = False) -> Character:
    """The character, if the actor may see it, locked until the transaction ends where asked; raises NotFoundError."""
    return _one_character(session, character_visible_to(actor), character_id, lock=lock)


def get_draft(session: Session, *, actor: Actor, character_id: UUID) -> Character:
    """The character, if the actor may read its working texts; raises NotFoundError."""
    return _one_character(session, draft_visible_to(actor), character_id, lock=False)


def get_exportable(session: Session, *, actor: Actor, character_id: UUID) -> Character:
    """The character, if the actor may take it out: whoever may change it; raises ForbiddenError or NotFoundError."""
    actor.must(Permission.CARD_EXPORT)
    return _one_character(session, character_writable_by(actor), character_id, lock=False)


def get_writable(session: Session, *, actor: Actor, character_id: UUID) -> Character:
    """The character, locked, if the actor may change it; raises NotFoundError."""
    return _one_character(session, character_writable_by(actor), character_id, lock=True)


def list_characters(
    session: Session, *, actor: Actor, before: tuple[datetime, UUID] | None = None, limit: int = PAGE
) -> list[Character]:
    """The characters whose drafts the actor may read, last changed first, at most `limit`.

    `before` is the (updated_at, id) of the last row of the page before.
    """
    query = (
        sa.select(Character)
        .where(draft_visible_to(actor))
        .order_by(Character.updated_at.desc(), Character.id.desc())
        .limit(limit)
    )
    if before is not None:
        place = sa.tuple_(sa.literal(before[0]), sa.literal(before[1]))
        query = query.where(sa.tuple_(Character.updated_at, Character.id) < place)
    return list(session.scalars(query))


def greetings_of(session: Session, *, character_id: UUID) -> Greetings:
    """All greetings of a character that the caller was allowed to see."""
    rows = session.execute(
        sa.select(Greeting.kind, Greeting.content)
        .where(Greeting.character_id == character_id)
        .order_by(Greeting.kind, Greeting.position)
    ).all()
    return Greetings(
        first=next((content for kind, content in rows if kind is GreetingKind.FIRST), ""),
        alternate=tuple(content for kind, content in rows if kind is GreetingKind.ALTERNATE),
        group_only=tuple(content for kind, content in rows if kind is GreetingKind.GROUP_ONLY),
    )


def list_replies(session: Session, *, character_id: UUID) -> list[FallbackReply]:
    """The fallback replies of a character in their order."""
    query = sa.select(FallbackReply).where(FallbackReply.character_id == character_id).order_by(FallbackReply.position)
    return list(session.scalars(query))


def replies_of(session: Session, *, character_id: UUID) -> list[ReplyDraft]:
    """The fallback replies as somebody writes them."""
    rows = list_replies(session, character_id=character_id)
    return [ReplyDraft(content=row.content, weight=row.weight, language=row.language) for row in rows]


def scenes_of(session: Session, *, character_id: UUID) -> list[SceneDraft]:
    """The scenes as somebody writes them."""
    return [
        SceneDraft(
            title=row.title,
            stage=row.stage,
            progress=row.progress,
            stage_prompt=row.stage_prompt,
            required_progress=row.required_progress,
        )
        for row in list_scenes(session, character_id=character_id)
    ]


def context_of(session: Session, *, character_id: UUID) -> ContextSettings:
    """The context settings of a character, the defaults where nobody chose."""
    row = session.scalar(sa.select(ContextAwarenessConfig).where(ContextAwarenessConfig.character_id == character_id))
    if row is None:
        return ContextSettings()
    return ContextSettings(
        context_window=row.context_window,
        memory_count=row.memory_count,
        emotion_weight=row.emotion_weight,
        learning_rate=row.learning_rate,
        consistency=row.consistency,
    )


def list_scenes(session: Session, *, character_id: UUID) -> list[CharacterScene]:
    """The scenes of a character in their order."""
    query = (
        sa.select(CharacterScene).where(CharacterScene.character_id == character_id).order_by(CharacterScene.position)
    )
    return list(session.scalars(query))


def find_lorebook(session: Session, *, character_id: UUID) -> Lorebook | None:
    """The character's lorebook, if it has one."""
    return session.scalar(sa.select(Lorebook).where(Lorebook.character_id == character_id))


def list_lorebook_entries(
    session: Session, *, lorebook_id: UUID, after: int = -1, limit: int = PAGE
) -> Sequence[LorebookEntry]:
    """Entries of a lorebook in their order, those behind position `after`, at most `limit`."""
    query = (
        sa.select(LorebookEntry)
        .where(LorebookEntry.lorebook_id == lorebook_id, LorebookEntry.position > after)
        .order_by(LorebookEntry.position)
        .limit(limit)
    )
    return session.scalars(query).all()


def constant_lore_tokens(session: Session, *, character_id: UUID) -> int:
    """About how many tokens the entries of the lorebook take that are always on, by the estimate of `rules.tokens`.

    Counted by PostgreSQL in one statement, however many entries there are.
    """
    length = sa.func.char_length(LorebookEntry.content)
    wide = length - sa.func.char_length(sa.func.regexp_replace(LorebookEntry.content, WIDE_SIGNS, "", "g"))
    tokens = wide + sa.func.ceil((length - wide) / 4.0)
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(tokens), 0))
        .join(Lorebook, Lorebook.id == LorebookEntry.lorebook_id)
        .where(Lorebook.character_id == character_id, LorebookEntry.is_constant, LorebookEntry.is_enabled)
    )
    return int(session.scalar(query) or 0)


def require_writable(session: Session, *, actor: Actor, character_id: UUID) -> None:
    """Pass where the actor may change the character, which is neither read nor locked; raises NotFoundError."""
    query = sa.select(Character.id).where(character_writable_by(actor), Character.id == character_id)
    if session.scalar(query) is None:
        raise NotFoundError


def find_source(session: Session, *, character_id: UUID) -> CardDocument | None:
    """The card that the character came from, if it came from one."""
    return session.scalar(
        sa.select(CardDocument)
        .where(CardDocument.character_id == character_id, CardDocument.state == DocumentState.CONFIRMED)
        .order_by(CardDocument.confirmed_at.desc(), CardDocument.id.desc())
        .limit(1)
    )


def raw_of(session: Session, document: CardDocument) -> bytes:
    """The bytes of an import's card, as they came.

    They are asked for in PostgreSQL's binary form: as text they would be twice as long, and reading that takes longer
    than parsing what it says.
    """
    connection: Any = session.connection().connection.driver_connection
    with connection.cursor(binary=True) as cursor:
        cursor.execute("SELECT raw FROM card_documents WHERE id = %s", [document.id])
        return bytes(cursor.fetchone()[0])


def get_document(session: Session, *, actor: Actor, document_id: UUID, lock: bool = False) -> CardDocument:
    """The import, if it is the actor's, locked until the transaction ends where asked; raises NotFoundError."""
    query = sa.select(CardDocument).where(document_visible_to(actor), CardDocument.id == document_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    document = session.scalar(query)
    if document is None:
        raise NotFoundError
    return document


def list_versions(
    session: Session, *, character_id: UUID, before: int | None = None, limit: int = PAGE
) -> Sequence[CharacterVersion]:
    """Versions of a character, newest first, those below the number `before` where one is given, at most `limit`."""
    query = (
        sa.select(CharacterVersion)
        .where(CharacterVersion.character_id == character_id)
        .order_by(CharacterVersion.version_number.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(CharacterVersion.version_number < before)
    return session.scalars(query).all()


def find_newest_version(session: Session, *, character_id: UUID) -> CharacterVersion | None:
    """The version with the highest number, with its content."""
    return session.scalar(
        sa.select(CharacterVersion)
        .where(CharacterVersion.character_id == character_id)
        .order_by(CharacterVersion.version_number.desc())
        .limit(1)
        .options(undefer(CharacterVersion.card), undefer(CharacterVersion.studio))
    )


def get_version(session: Session, *, character_id: UUID, version_number: int) -> CharacterVersion:
    """One version of a character that the caller was allowed to see, with its content; raises NotFoundError."""
    if version_number > _LARGEST_NUMBER:
        raise NotFoundError
    version = session.scalar(
        sa.select(CharacterVersion)
        .where(CharacterVersion.character_id == character_id, CharacterVersion.version_number == version_number)
        .options(undefer(CharacterVersion.card), undefer(CharacterVersion.studio))
    )
    if version is None:
        raise NotFoundError
    return version


def find_listed_number(session: Session, *, character_id: UUID) -> int | None:
    """The number of the version that others see, where the character is listed."""
    return session.scalar(sa.select(ListedCharacter.version_number).where(ListedCharacter.character_id == character_id))


def get_story(session: Session, *, actor: Actor, story_id: UUID, lock: bool = False) -> Story:
    """The story, if the actor may see it, locked until the transaction ends where asked; raises NotFoundError."""
    query = sa.select(Story).where(story_visible_to(actor), Story.id == story_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    story = session.scalar(query)
    if story is None:
        raise NotFoundError
    return story


def get_story_by_number(session: Session, *, actor: Actor, number: int) -> Story:
    """The story whose code has this number, if the actor may see it; raises NotFoundError."""
    story = session.scalar(sa.select(Story).where(story_visible_to(actor), Story.number == number))
    if story is None:
        raise NotFoundError
    return story


def get_official(session: Session, *, actor: Actor, code: Code) -> Character:
    """The official character with this code, if the actor may see it; raises NotFoundError."""
    character = session.scalar(
        sa.select(Character).where(
            character_visible_to(actor),
            Character.story_number == code.story,
            Character.code_number == code.character,
        )
    )
    if character is None:
        raise NotFoundError
    return character


def has_code(code: Code) -> sa.ColumnElement[bool]:
    """Characters with this code, or of the story with it, however either is padded."""
    story = Character.story_number == code.story
    return sa.and_(story, Character.code_number == code.character) if code.is_character else story


def list_cast(session: Session, *, story_id: UUID, with_trash: bool = False) -> list[Character]:
    """The characters of a story that the caller was allowed to see, in their order, without their texts."""
    trashed = sa.true() if with_trash else not_in_trash()
    return list(
        session.scalars(
            sa.select(Character)
            .where(Character.story_id == story_id, trashed)
            .order_by(Character.story_position)
            .options(
                load_only(
                    Character.name,
                    Character.code,
                    Character.status,
                    Character.portrait_id,
                    Character.story_position,
                    Character.trashed_at,
                )
            )
        )
    )


def count_cast(session: Session, *, story_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many characters each of these stories has."""
    rows = session.execute(
        sa.select(Character.story_id, sa.func.count())
        .where(Character.story_id.in_(story_ids), not_in_trash())
        .group_by(Character.story_id)
    )
    return {row[0]: row[1] for row in rows if row[0] is not None}


def list_listed_numbers(session: Session, *, story_id: UUID) -> dict[UUID, int]:
    """Which version others see of each listed character of a story."""
    rows = session.execute(
        sa.select(ListedCharacter.character_id, ListedCharacter.version_number)
        .join(Character, Character.id == ListedCharacter.character_id)
        .where(Character.story_id == story_id)
    )
    return {row[0]: row[1] for row in rows}


def same_content(session: Session, *, actor: Actor, content_hash: str) -> list[UUID]:
    """Characters visible to the actor whose card says exactly the same, now or when it came in."""
    imported = sa.exists().where(CardDocument.character_id == Character.id, CardDocument.content_hash == content_hash)
    return _ids(session, actor, sa.or_(Character.content_hash == content_hash, imported))


def same_file(session: Session, *, actor: Actor, sha256: str) -> list[UUID]:
    """Characters visible to the actor that came from a file with the same bytes."""
    from_file = sa.exists().where(
        CardDocument.character_id == Character.id,
        CardDocument.source_file_id == MediaFile.id,
        MediaFile.sha256 == sha256,
        MediaFile.purpose == MediaPurpose.CARD,
    )
    return _ids(session, actor, from_file)


def same_name(session: Session, *, actor: Actor, name: str) -> list[UUID]:
    """Characters visible to the actor with exactly this name."""
    return _ids(session, actor, Character.name == name)


def _ids(session: Session, actor: Actor, criterion: sa.ColumnElement[bool]) -> list[UUID]:
    query = sa.select(Character.id).where(character_visible_to(actor), criterion).order_by(Character.id)
    return list(session.scalars(query.limit(_DUPLICATES)))


def _one_character(session: Session, scope: sa.ColumnElement[bool], character_id: UUID, *, lock: bool) -> Character:
    query = sa.select(Character).where(scope, Character.id == character_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    character = session.scalar(query)
    if character is None:
        raise NotFoundError
    return character
