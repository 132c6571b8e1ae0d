"""Categories: the shelves of the market, made and arranged by staff."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import StaleError
from studio.kit.text import one_line, storable
from studio.market import queries
from studio.market.errors import CategoryCircleError, CategoryInvalidError, CategoryNameTakenError
from studio.market.models import CharacterCategory

RESOURCE = "category"
NAME_LENGTH = 100
DESCRIPTION_LENGTH = 2000
_FARTHEST = 10_000


@dataclass(frozen=True, slots=True)
class CategoryDraft:
    """What a person writes of a category."""

    name: str
    name_zh: str = ""
    description: str = ""
    parent_id: UUID | None = None
    icon: str = ""
    sort_order: int = 0
    is_active: bool = True

    def values(self) -> dict[str, Any]:
        """The columns, cleaned; raises CategoryInvalidError that names every wrong field."""
        values: dict[str, Any] = {
            "name": one_line(self.name),
            "name_zh": one_line(self.name_zh),
            "description": storable(self.description).strip(),
            "parent_id": self.parent_id,
            "icon": one_line(self.icon),
            "sort_order": self.sort_order,
            "is_active": self.is_active,
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
                ("sort_order", abs(self.sort_order) > _FARTHEST, "Give a place between -10,000 and 10,000."),
            )
            if is_wrong
        }
        if wrong:
            raise CategoryInvalidError(wrong)
        return values


def create(session: Session, *, actor: Actor, draft: CategoryDraft) -> CharacterCategory:
    """There is a new shelf. Raises ForbiddenError, CategoryInvalidError or CategoryNameTakenError."""
    actor.must(Permission.CATEGORY_WRITE)
    values = draft.values()
    _refuse_unknown_parent(session, actor=actor, parent_id=draft.parent_id)
    category = CharacterCategory(**values)
    _save(session, category)
    audit.record(
        session, actor=actor, action="category.create", resource=RESOURCE, resource_id=category.id, after=_plain(values)
    )
    return category


def update(
    session: Session, *, actor: Actor, category_id: UUID, row_version: int | None, draft: CategoryDraft
) -> CharacterCategory:
    """The shelf is as the draft says. A closed shelf keeps its listings and takes no new ones.

    Raises ForbiddenError, NotFoundError, StaleError, CategoryInvalidError, CategoryNameTakenError or
    CategoryCircleError.
    """
    actor.must(Permission.CATEGORY_WRITE)
    category = queries.get_category(session, actor=actor, category_id=category_id, lock=True)
    if row_version is not None and row_version != category.row_version:
        raise StaleError
    values = draft.values()
    _refuse_unknown_parent(session, actor=actor, parent_id=draft.parent_id)
    before = {name: getattr(category, name) for name in values}
    for name, value in values.items():
        setattr(category, name, value)
    _save(session, category)
    audit.record_changes(
        session,
        actor=actor,
        action="category.update",
        resource=RESOURCE,
        resource_id=category.id,
        before=_plain(before),
        after=_plain(values),
    )
    return category


def _refuse_unknown_parent(session: Session, *, actor: Actor, parent_id: UUID | None) -> None:
    if parent_id is not None:
        queries.get_category(session, actor=actor, category_id=parent_id)


def _save(session: Session, category: CharacterCategory) -> None:
    """Write the row; PostgreSQL knows best whether a name is taken or a circle closes, also between two people at once."""
    try:
        with session.begin_nested():
            session.add(category)
            session.flush()
    except IntegrityError as error:
        constraint = str(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or "")
        if constraint == "uq_character_categories_name":
            raise CategoryNameTakenError from None
        if constraint == "ck_character_categories_is_not_its_own_parent" or "below itself" in str(error.orig):
            raise CategoryCircleError from None
        raise


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in values.items()}
