"""Stories: made by the staff under codes that the studio gives, put in order, and deleted while nobody is in them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.accounts.rules import fingerprint
from studio.authoring import codes, queries
from studio.authoring.errors import CodesUsedUpError, StoryInUseError
from studio.authoring.models import TEXT_LENGTH, TITLE_LENGTH, Character, Story
from studio.kit.errors import InvalidError, NotFoundError, StaleError
from studio.kit.text import one_line, storable
from studio.media import files
from studio.media.models import MediaPurpose
from studio.providers.storage import Storage

RESOURCE = "story"
_NAMED = 5


def create(session: Session, *, actor: Actor, title: str, description: str = "", now: datetime) -> Story:
    """There is a new story under the next code. Raises ForbiddenError, or InvalidError with a sentence for each field."""
    actor.must(Permission.STORY_WRITE)
    values = _cleaned(title, description)
    # Whoever makes a story at the same moment waits, and then gets the code after this one.
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("authoring.story_code", 0))))
    code = codes.next_story(session.scalar(sa.select(Story.code).order_by(Story.number.desc()).limit(1)))
    if code is None:
        raise CodesUsedUpError
    story = Story(code=code, **values)
    story.created_at = story.updated_at = now
    session.add(story)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="story.create",
        resource=RESOURCE,
        resource_id=story.id,
        after={"code": code, **_audited(values)},
    )
    return story


def update(
    session: Session,
    *,
    actor: Actor,
    story_id: UUID,
    row_version: int | None,
    title: str,
    description: str,
    now: datetime,
) -> Story:
    """The story says this. Saving what stands there already changes nothing.

    Raises ForbiddenError, NotFoundError, InvalidError, or StaleError where somebody saved since `row_version` was read.
    """
    story = _locked(session, actor=actor, story_id=story_id)
    values = _cleaned(title, description)
    before = {name: getattr(story, name) for name in values}
    if before == values:
        return story
    if row_version is not None and row_version != story.row_version:
        raise StaleError
    for name, value in values.items():
        setattr(story, name, value)
    story.updated_at = now
    session.flush()
    audit.record_changes(
        session,
        actor=actor,
        action="story.update",
        resource=RESOURCE,
        resource_id=story.id,
        before=_audited(before),
        after=_audited(values),
    )
    return story


def set_cover(
    session: Session,
    *,
    actor: Actor,
    storage: Storage,
    story_id: UUID,
    data: bytes | None,
    name: str = "",
    now: datetime,
) -> Story:
    """The story has this cover, or none where `data` is None; its smaller sizes are asked for.

    Raises ForbiddenError, NotFoundError, or InvalidError where the picture cannot be used.
    """
    story = _locked(session, actor=actor, story_id=story_id)
    before, cover = story.cover_id, None
    if data is not None:
        # Sizes are made of portraits; a cover is one of a story.
        cover = files.keep(
            session, actor=actor, storage=storage, data=data, purpose=MediaPurpose.PORTRAIT, name=name
        ).id
    if cover == before:
        return story
    story.cover_id = cover
    story.updated_at = now
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="story.set_cover",
        resource=RESOURCE,
        resource_id=story.id,
        before={"cover_id": _text(before)},
        after={"cover_id": _text(cover)},
    )
    if cover is not None:
        work.ask(
            session,
            "media.make_variants",
            actor=actor,
            about=(RESOURCE, story.id),
            dedupe_key=f"media.make_variants:{cover}",
            file_id=cover,
        )
    return story


def move_character(
    session: Session, *, actor: Actor, story_id: UUID, character_id: UUID, place: int
) -> list[Character]:
    """The character stands at this place of its story (from zero; beyond the end is the end); returns the new order.

    Moving it where it stands changes nothing. Raises ForbiddenError, or NotFoundError where it is not in the story.
    """
    story = _locked(session, actor=actor, story_id=story_id)
    cast = queries.list_cast(session, story_id=story.id)
    mover = next((one for one in cast if one.id == character_id), None)
    if mover is None:
        raise NotFoundError
    order = [one for one in cast if one is not mover]
    order.insert(max(0, min(place, len(order))), mover)
    if order == cast:
        return cast
    moved_to = order.index(mover)
    # Who is in the trash keeps a place behind the others.
    everybody = queries.list_cast(session, story_id=story.id, with_trash=True)
    order += [one for one in everybody if one.trashed_at is not None]
    table: sa.Table = Character.__table__  # type: ignore[assignment]
    # Where it stands is no part of what a character says: neither its row version nor its time of change moves.
    for position, one in enumerate(order):
        if one.story_position != position:
            session.execute(
                table.update()
                .where(table.c.id == one.id)
                .values(story_position=position, updated_at=table.c.updated_at)
            )
    session.expire_all()
    audit.record(
        session,
        actor=actor,
        action="story.move_character",
        resource=RESOURCE,
        resource_id=story.id,
        before={"character": mover.code, "place": cast.index(mover)},
        after={"character": mover.code, "place": moved_to},
    )
    return queries.list_cast(session, story_id=story.id)


def delete(session: Session, *, actor: Actor, story_id: UUID, row_version: int | None) -> None:
    """The story is gone; its code is not given again while a later one exists.

    Raises ForbiddenError, NotFoundError, StaleError, or StoryInUseError that says who is in it.
    """
    story = _locked(session, actor=actor, story_id=story_id)
    cast = queries.list_cast(session, story_id=story.id, with_trash=True)
    if cast:
        raise StoryInUseError([f"{one.name} ({one.code})" for one in cast[:_NAMED]], count=len(cast))
    if row_version is not None and row_version != story.row_version:
        raise StaleError
    audit.record(
        session,
        actor=actor,
        action="story.delete",
        resource=RESOURCE,
        resource_id=story.id,
        before={"code": story.code, **_audited({"title": story.title, "description": story.description})},
    )
    session.delete(story)
    session.flush()


def _locked(session: Session, *, actor: Actor, story_id: UUID) -> Story:
    actor.must(Permission.STORY_WRITE)
    return queries.get_story(session, actor=actor, story_id=story_id, lock=True)


def _cleaned(title: str, description: str) -> dict[str, str]:
    values = {"title": one_line(title), "description": storable(description).strip()}
    wrong = {
        name: sentence
        for name, is_wrong, sentence in (
            ("title", not values["title"], "Give the story a title."),
            ("title", len(values["title"]) > TITLE_LENGTH, "Shorten the title to 200 characters."),
            (
                "description",
                len(values["description"]) > TEXT_LENGTH,
                "This has more than 200,000 characters. Shorten it.",
            ),
        )
        if is_wrong
    }
    if wrong:
        raise InvalidError("The story is not saved yet. Look at what is marked.", fields=wrong)
    return values


def _audited(values: Mapping[str, str]) -> dict[str, Any]:
    return {"title": values["title"], "description": fingerprint(values["description"])}


def _text(file_id: UUID | None) -> str | None:
    return None if file_id is None else str(file_id)
