"""What is said of what uses a file: its kind, its name and version, where it leads, and that it lies in the trash."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from admin_views.media.labels import use_label
from studio.accounts.permissions import Actor
from studio.authoring.models import CardDocument, Character, CharacterVersion, Story
from studio.authoring.queries import draft_visible_to
from studio.media.references import Use

Told = tuple[str, str, str | None]


def told_uses(session: Session, *, actor: Actor, uses: Sequence[Use]) -> list[Told]:
    """Of each use: its kind, a name where there is one that the actor may know, and where it leads."""
    found: dict[tuple[str, UUID], tuple[str, str | None]] = {}
    for table, query in (
        ("characters", sa.select(Character.id, sa.null())),
        ("listed_characters", sa.select(Character.id, sa.null())),
        (
            "character_versions",
            sa.select(CharacterVersion.id, CharacterVersion.version_number).join(
                Character, Character.id == CharacterVersion.character_id
            ),
        ),
        (
            "card_documents",
            sa.select(CardDocument.id, sa.null()).join(Character, Character.id == CardDocument.character_id),
        ),
    ):
        ids = [use.row_id for use in uses if use.table == table]
        if not ids:
            continue
        key = query.selected_columns[0]
        rows = session.execute(
            query.add_columns(Character.id.label("character_id"), Character.name, Character.trashed_at).where(
                key.in_(ids), sa.or_(draft_visible_to(actor), Character.owner_id == actor.user_id)
            )
        )
        for row in rows:
            found[table, row[0]] = _character(
                row[1], row.character_id, row.name, is_in_trash=row.trashed_at is not None
            )
    stories = [use.row_id for use in uses if use.table == "stories"]
    if stories:
        for story in session.scalars(sa.select(Story).where(Story.id.in_(stories))):
            found["stories", story.id] = _story(story)
    return [(use_label(use.table), *found.get((use.table, use.row_id), ("", None))) for use in uses]


def _character(version: int | None, character_id: UUID, name: str, *, is_in_trash: bool) -> tuple[str, str | None]:
    told = name if version is None else str(_("%(name)s, version %(number)d", name=name, number=version))
    if is_in_trash:
        # It has no page of its own until it is taken out again.
        return str(_("%(name)s (in the trash)", name=told)), url_for("trash.index_view")
    if version is not None:
        return told, url_for("characters.version_page", row_id=character_id, number=version)
    return told, url_for("characters.details_view", row_id=character_id)


def _story(story: Any) -> tuple[str, str | None]:
    if story.trashed_at is not None:
        return str(_("%(name)s (in the trash)", name=story.title)), url_for("trash_stories.index_view")
    return story.title, url_for("stories.details_view", row_id=story.id)
