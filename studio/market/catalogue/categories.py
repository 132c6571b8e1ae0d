"""Categories: the shelves of the market, made and named by staff; where they stand is `category_tree`'s."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.editing import common_start
from studio.kit.errors import StaleError
from studio.kit.text import one_line, storable
from studio.market.catalogue import category_tree, queries
from studio.market.catalogue.category_tree import RESOURCE
from studio.market.catalogue.errors import CategoryInvalidError, CategoryNameTakenError
from studio.market.models import CharacterCategory

NAME_LENGTH = 100
DESCRIPTION_LENGTH = 2000

_ICON = re.compile(r"(?:[a-z0-9]+(?:-[a-z0-9]+)*)?")


@dataclass(frozen=True, slots=True)
class CategoryDraft:
    """What a person writes of a category; the icon is the name of one of Tabler's."""

    name: str
    name_zh: str = ""
    description: str = ""
    icon: str = ""

    def values(self) -> dict[str, Any]:
        """The columns, cleaned; raises CategoryInvalidError that names every wrong field."""
        values: dict[str, Any] = {
            "name": one_line(self.name),
            "name_zh": one_line(self.name_zh),
            "description": storable(self.description).strip(),
            "icon": one_line(self.icon),
        }
        wrong = {
            name: sentence
            for name, is_wrong, sentence in (
                ("name", not values["name"], "Give the category a name."),
                ("name", len(values["name"]) > NAME_LENGTH, "Shorten the name to 100 characters."),
                ("name_zh", len(values["name_zh"]) > NAME_LENGTH, "Shorten the name to 100 characters."),
                (
                    "description",
                    len(values["description"]) > DESCRIPTION_LENGTH,
                    "Shorten the description to 2,000 characters.",
                ),
                ("icon", _ICON.fullmatch(values["icon"]) is None, "Choose one of the icons."),
            )
            if is_wrong
        }
        if wrong:
            raise CategoryInvalidError(wrong)
        return values


def create(session: Session, *, actor: Actor, draft: CategoryDraft, parent_id: UUID | None = None) -> CharacterCategory:
    """There is a new open shelf, the last of those in `parent_id` (None: at the top).

    Raises ForbiddenError, NotFoundError, CategoryInvalidError, CategoryNameTakenError or CategoryTooDeepError.
    """
    tree = category_tree.locked(session, actor=actor)
    values = draft.values()
    category = CharacterCategory(
        **values, parent_id=parent_id, sort_order=category_tree.last_place(tree, parent_id), is_active=True
    )
    _save(session, category)
    after = {**values, "parent_id": str(parent_id) if parent_id else None}
    audit.record(
        session, actor=actor, action="category.create", resource=RESOURCE, resource_id=category.id, after=after
    )
    return category


def update(
    session: Session,
    *,
    actor: Actor,
    category_id: UUID,
    row_version: int | None,
    draft: CategoryDraft,
    now: datetime,
) -> CharacterCategory:
    """The shelf is called and described as the draft says.

    Raises ForbiddenError, NotFoundError, StaleError, CategoryInvalidError or CategoryNameTakenError.
    """
    actor.must(Permission.CATEGORY_WRITE)
    category = queries.get_category(session, actor=actor, category_id=category_id, lock=True)
    if row_version is not None and row_version != category.row_version:
        raise StaleError
    values = draft.values()
    before = {name: getattr(category, name) for name in values}
    for name, value in values.items():
        setattr(category, name, value)
    _save(session, category)
    common_start.keep(
        session,
        actor=actor,
        resource=RESOURCE,
        document_id=category.id,
        row_version=category.row_version,
        before={name: before[name] for name, value in values.items() if before[name] != value},
        now=now,
    )
    audit.record_changes(
        session,
        actor=actor,
        action="category.update",
        resource=RESOURCE,
        resource_id=category.id,
        before=before,
        after=values,
    )
    return category


def _save(session: Session, category: CharacterCategory) -> None:
    """Write the row; PostgreSQL knows best whether a name is taken, also between two people at once."""
    try:
        with session.begin_nested():
            session.add(category)
            session.flush()
    except IntegrityError as error:
        constraint = str(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or "")
        if constraint == "uq_character_categories_name":
            raise CategoryNameTakenError from None
        raise
