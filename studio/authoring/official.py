"""Official characters: made by the staff within a story, written in the same editor, and published without the market."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.authoring import codes, drafts, listed, queries, rules, versions
from studio.authoring.errors import CodesUsedUpError, FullStoryError, NotOfficialError
from studio.authoring.models import Character, CharacterOrigin, CharacterStatus, CharacterVersion, VersionOccasion
from studio.kit.errors import InvalidError, StaleError

MOST_CHARACTERS = 200
"""A story has at most so many characters, so that its page can show them all."""


def create(session: Session, *, actor: Actor, story_id: UUID, name: str, now: datetime) -> Character:
    """The story has one more character, a draft under the next code, behind the others.

    Raises ForbiddenError, NotFoundError, InvalidError, or FullStoryError.
    """
    actor.must(Permission.STORY_WRITE)
    # The lock on the story makes its characters' codes and places follow each other.
    story = queries.get_story(session, actor=actor, story_id=story_id, lock=True)
    values, wrong = rules.cleaned({"name": name})
    if wrong:
        raise InvalidError("Some fields need another look. Nothing was saved yet, and nothing is lost.", fields=wrong)
    count, last = session.execute(
        sa.select(sa.func.count(), sa.func.max(Character.story_position)).where(Character.story_id == story.id)
    ).one()
    if count >= MOST_CHARACTERS:
        raise FullStoryError
    newest = session.scalar(
        sa.select(Character.code)
        .where(Character.story_number == story.number)
        .order_by(Character.code_number.desc())
        .limit(1)
    )
    code = codes.next_character(story.code, newest)
    if code is None:
        raise CodesUsedUpError
    character = Character(
        origin=CharacterOrigin.OFFICIAL,
        owner_id=None,
        story_id=story.id,
        code=code,
        story_position=0 if last is None else last + 1,
        status=CharacterStatus.DRAFT,
        **values,
    )
    character.created_at = now
    session.add(character)
    session.flush()
    drafts.settle(
        session,
        character,
        actor=actor,
        action="character.create",
        before={},
        after={**values, "code": code, "story_id": story.id},
        now=now,
    )
    return character


def publish(session: Session, *, actor: Actor, character_id: UUID, row_version: int, now: datetime) -> CharacterVersion:
    """Others meet the character as the draft says now: a version is made and pinned. May be repeated.

    Raises ForbiddenError, NotFoundError, ArchivedCharacterError, NotOfficialError, or StaleError where the draft was
    changed since `row_version` was read: nobody publishes what they have not seen.
    """
    character = _locked(session, actor=actor, character_id=character_id)
    if character.row_version != row_version:
        raise StaleError("Someone changed this draft in the meantime. Look at it again, then publish it.")
    version = versions.make(
        session, actor=actor, character_id=character.id, occasion=VersionOccasion.PUBLISHED, now=now
    )
    live = queries.find_listed_number(session, character_id=character.id)
    if character.status is CharacterStatus.PUBLISHED and live == version.version_number:
        return version
    listed.show(session, character_id=character.id, version_number=version.version_number)
    _set_status(session, character, CharacterStatus.PUBLISHED)
    audit.record(
        session,
        actor=actor,
        action="character.publish",
        resource="character",
        resource_id=character.id,
        before={"version_number": live},
        after={"version_number": version.version_number},
    )
    drafts.ask_embedding(session, character, actor=actor)
    return version


def unpublish(session: Session, *, actor: Actor, character_id: UUID) -> Character:
    """Others do not meet the character any more, and it is a draft again. May be repeated.

    Raises ForbiddenError, NotFoundError, ArchivedCharacterError or NotOfficialError.
    """
    character = _locked(session, actor=actor, character_id=character_id)
    if character.status is CharacterStatus.DRAFT:
        return character
    live = queries.find_listed_number(session, character_id=character.id)
    listed.hide(session, character_id=character.id)
    _set_status(session, character, CharacterStatus.DRAFT)
    audit.record(
        session,
        actor=actor,
        action="character.unpublish",
        resource="character",
        resource_id=character.id,
        before={"version_number": live},
        after={"version_number": None},
    )
    return character


def _locked(session: Session, *, actor: Actor, character_id: UUID) -> Character:
    actor.must(Permission.STORY_WRITE)
    character = drafts.locked(session, actor=actor, character_id=character_id)
    if character.origin is not CharacterOrigin.OFFICIAL:
        raise NotOfficialError
    return character


def _set_status(session: Session, character: Character, status: CharacterStatus) -> None:
    # Its text did not change: an editor that is open elsewhere must not become stale by this.
    table: sa.Table = Character.__table__  # type: ignore[assignment]
    session.execute(
        table.update().where(table.c.id == character.id).values(status=status, updated_at=table.c.updated_at)
    )
    session.expire(character, ["status"])
