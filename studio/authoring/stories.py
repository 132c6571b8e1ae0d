"""Stories: made by the staff under codes that the studio gives, put in order, and deleted while nobody is in them."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, Actor, Permission
from studio.accounts.rules import fingerprint
from studio.authoring import card_imports, codes, queries
from studio.authoring.errors import CodesUsedUpError, StoryInUseError
from studio.authoring.models import TEXT_LENGTH, TITLE_LENGTH, Character, Story
from studio.authoring.models.limits import STAYS_IN_TRASH
from studio.editing import autosaves, common_start
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
    common_start.keep(
        session,
        actor=actor,
        resource=RESOURCE,
        document_id=story.id,
        row_version=story.row_version,
        before={name: value for name, value in before.items() if value != values[name]},
        now=now,
    )
    return story


def set_cover(
    session: Session,
    *,
    actor: Actor,
    storage: Storage,
    story_id: UUID,
    row_version: int,
    data: bytes | None,
    name: str = "",
    now: datetime,
) -> Story:
    """The story has this cover, or none where `data` is None; its smaller sizes are asked for.

    Raises ForbiddenError, NotFoundError, StaleError, or InvalidError where the picture cannot be used.
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
    if row_version != story.row_version:
        raise StaleError("Someone else saved this in the meantime. Look at the cover again, then upload it again.")
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


def order_token(cast: Sequence[Character]) -> str:
    """The version token of a story's order: another one as soon as somebody stands elsewhere, came or went."""
    return hashlib.sha256(",".join(str(one.id) for one in cast).encode()).hexdigest()[:16]


def move_character(
    session: Session, *, actor: Actor, story_id: UUID, character_id: UUID, place: int, order_seen: str
) -> list[Character]:
    """The character stands at this place of its story (from zero; beyond the end is the end); returns the new order.

    `order_seen` is the `order_token` of the order in which the place was chosen. Moving it where it stands changes
    nothing. Raises ForbiddenError, NotFoundError where it is not in the story, or StaleError where the order is another
    one by now.
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
    if order_seen != order_token(cast):
        raise StaleError("Someone else moved the characters in the meantime. Look at their order again, then move on.")
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


def put_in_trash(session: Session, *, actor: Actor, story_id: UUID, row_version: int | None, now: datetime) -> Story:
    """The story is in the trash, out of every list; its code stays its own. May be repeated.

    Raises ForbiddenError, NotFoundError, StaleError, or StoryInUseError that says who is in it.
    """
    actor.must(Permission.STORY_WRITE)
    trashed = _find_trashed(session, actor=actor, story_id=story_id)
    if trashed is not None:
        return trashed
    story = _locked(session, actor=actor, story_id=story_id)
    cast = queries.list_cast(session, story_id=story.id, with_trash=True)
    if cast:
        raise StoryInUseError([f"{one.name} ({one.code})" for one in cast[:_NAMED]], count=len(cast))
    if row_version is not None and row_version != story.row_version:
        raise StaleError
    story.trashed_at, story.trashed_by_id = now, actor.user_id
    session.flush()
    _record(session, actor, story, "trash")
    return story


def restore(session: Session, *, actor: Actor, story_id: UUID) -> Story:
    """The story is where it was before, as it was. May be repeated. Raises ForbiddenError or NotFoundError."""
    actor.must(Permission.STORY_WRITE)
    story = _find_trashed(session, actor=actor, story_id=story_id)
    if story is None:
        return _locked(session, actor=actor, story_id=story_id)
    story.trashed_at = story.trashed_by_id = None
    session.flush()
    _record(session, actor, story, "restore")
    return story


def delete(session: Session, *, actor: Actor, story_id: UUID, row_version: int | None) -> None:
    """The story in the trash is gone for good; its code is not given again while a later one exists.

    Raises ForbiddenError, NotFoundError, or StaleError where it was taken out and put in again since.
    """
    actor.must(Permission.STORY_WRITE)
    story = _find_trashed(session, actor=actor, story_id=story_id)
    if story is None:
        raise NotFoundError
    if row_version is not None and row_version != story.row_version:
        raise StaleError
    _record(session, actor, story, "delete")
    _delete(session, story)


def empty_trash(session: Session, *, now: datetime, limit: int = 100) -> int:
    """Delete at most `limit` stories that were in the trash for thirty days; returns how many."""
    due = session.scalars(
        sa.select(Story)
        .where(Story.trashed_at < now - STAYS_IN_TRASH)
        .order_by(Story.trashed_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for story in due:
        _record(session, SYSTEM, story, "delete")
        _delete(session, story)
    return len(due)


def _find_trashed(session: Session, *, actor: Actor, story_id: UUID) -> Story | None:
    return session.scalar(
        sa.select(Story)
        .where(queries.trashed_story_visible_to(actor), Story.id == story_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _delete(session: Session, story: Story) -> None:
    cover_id, story_id = story.cover_id, story.id
    autosaves.forget(session, document_id=story_id)
    common_start.forget(session, resource=RESOURCE, document_id=story_id)
    session.delete(story)
    session.flush()
    if cover_id is not None:
        for sha256 in files.forget(session, file_ids=card_imports.unused(session, {cover_id})):
            work.ask(session, "media.drop_bytes", dedupe_key=f"media.drop_bytes:{sha256}", sha256=sha256)


def _record(session: Session, actor: Actor, story: Story, verb: str) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"story.{verb}",
        resource=RESOURCE,
        resource_id=story.id,
        before={"code": story.code, **_audited({"title": story.title, "description": story.description})},
    )


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
