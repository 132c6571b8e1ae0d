"""Reads of categories, listings and reviews, and who may see which rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, undefer

from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import CharacterVersion
from studio.kit.errors import NotFoundError
from studio.market.models import (
    CharacterCategory,
    CharacterPublication,
    FieldComment,
    PublicationStatus,
    ReviewCase,
    ReviewDecision,
)

SENT_BACK = (PublicationStatus.CHANGES_REQUESTED, PublicationStatus.REJECTED, PublicationStatus.TAKEN_DOWN)
"""Where a decision went against a listing."""

WAITING = (PublicationStatus.PENDING, PublicationStatus.SCHEDULED, PublicationStatus.QUARANTINED)
"""Where a listing waits for somebody else than its creator."""

MOST_HISTORY = 50
_MOST_CATEGORIES = 500


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category in the tree, and how deep it stands."""

    category: CharacterCategory
    depth: int


def listing_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Moderators and staff see every listing; a creator sees their own, and what is live."""
    if actor.may(Permission.LISTING_READ_ANY):
        return sa.true()
    seen: list[sa.ColumnElement[bool]] = []
    if actor.may(Permission.LISTING_READ_LIVE):
        seen.append(CharacterPublication.status == PublicationStatus.APPROVED)
    if actor.may(Permission.LISTING_READ_OWN) and actor.user_id is not None:
        seen.append(CharacterPublication.publisher_id == actor.user_id)
    return sa.or_(sa.false(), *seen)


def listing_managed_by(actor: Actor) -> sa.ColumnElement[bool]:
    """Whose listings the actor follows, decisions included: moderators and staff all, a creator their own.

    That a listing is live shows it to everybody, but not how it got there.
    """
    if actor.may(Permission.LISTING_READ_ANY):
        return sa.true()
    if actor.may(Permission.LISTING_READ_OWN) and actor.user_id is not None:
        return CharacterPublication.publisher_id == actor.user_id
    return sa.false()


def is_superseded() -> sa.ColumnElement[bool]:
    """Whether a later listing of the same character exists, so that there is nothing left to do about this one."""
    later = aliased(CharacterPublication)
    return (
        sa.exists()
        .where(
            later.character_id == CharacterPublication.character_id,
            sa.tuple_(later.created_at, later.id) > sa.tuple_(CharacterPublication.created_at, CharacterPublication.id),
        )
        .correlate(CharacterPublication)
    )


def category_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Who may read categories sees all of them, closed ones too: old listings stand in them."""
    return sa.true() if actor.may(Permission.CATEGORY_READ) else sa.false()


def get_listing(session: Session, *, actor: Actor, publication_id: UUID, lock: bool = False) -> CharacterPublication:
    """The listing, if the actor may see it, locked until the transaction ends where asked; raises NotFoundError."""
    query = sa.select(CharacterPublication).where(listing_visible_to(actor), CharacterPublication.id == publication_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    publication = session.scalar(query)
    if publication is None:
        raise NotFoundError
    return publication


def get_category(session: Session, *, actor: Actor, category_id: UUID, lock: bool = False) -> CharacterCategory:
    """The category, if the actor may see it, locked until the transaction ends where asked; raises NotFoundError."""
    query = sa.select(CharacterCategory).where(category_visible_to(actor), CharacterCategory.id == category_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    category = session.scalar(query)
    if category is None:
        raise NotFoundError
    return category


def list_categories(session: Session, *, actor: Actor, only_active: bool = False) -> list[Shelf]:
    """The tree of categories from the top, each below its parent; with `only_active`, a closed shelf hides its own too."""
    query = (
        sa.select(CharacterCategory)
        .where(category_visible_to(actor))
        .order_by(CharacterCategory.sort_order, CharacterCategory.name, CharacterCategory.id)
        .limit(_MOST_CATEGORIES)
    )
    below: dict[UUID | None, list[CharacterCategory]] = {}
    for category in session.scalars(query):
        below.setdefault(category.parent_id, []).append(category)
    shelves: list[Shelf] = []
    stack = [Shelf(category, 0) for category in reversed(below.get(None, []))]
    while stack:
        shelf = stack.pop()
        if only_active and not shelf.category.is_active:
            continue
        shelves.append(shelf)
        stack.extend(Shelf(child, shelf.depth + 1) for child in reversed(below.get(shelf.category.id, [])))
    return shelves


def open_categories(session: Session, category_ids: Iterable[UUID], *, lock: bool = False) -> set[UUID]:
    """Those of these categories that take listings: they and all in which they stand are open.

    With `lock` nobody closes one of them until the transaction ends.
    """
    wanted = set(category_ids)
    if not wanted:
        return set()
    start = sa.select(CharacterCategory.id.label("leaf"), CharacterCategory.id, CharacterCategory.parent_id).where(
        CharacterCategory.id.in_(wanted)
    )
    way = start.cte("way", recursive=True)
    above = aliased(CharacterCategory)
    way = way.union_all(sa.select(way.c.leaf, above.id, above.parent_id).join(above, above.id == way.c.parent_id))
    query = sa.select(way.c.leaf, CharacterCategory.is_active).join(way, way.c.id == CharacterCategory.id)
    if lock:
        query = (
            query.order_by(CharacterCategory.id)
            .with_for_update(read=True, of=CharacterCategory)
            .execution_options(populate_existing=True)
        )
    rows = session.execute(query).all()
    return {leaf for leaf, _active in rows} - {leaf for leaf, is_active in rows if not is_active}


def was_approved_before(session: Session, *, publisher_id: UUID) -> bool:
    """Whether any listing of this creator was ever live."""
    found = sa.select(sa.literal(1)).where(
        CharacterPublication.publisher_id == publisher_id, CharacterPublication.published_at.is_not(None)
    )
    return session.scalar(found.limit(1)) is not None


def find_newest_listing(session: Session, *, actor: Actor, character_id: UUID) -> CharacterPublication | None:
    """The newest listing of a character that the actor may see; a new one starts from its words."""
    return session.scalar(
        sa.select(CharacterPublication)
        .where(listing_visible_to(actor), CharacterPublication.character_id == character_id)
        .order_by(CharacterPublication.created_at.desc(), CharacterPublication.id.desc())
        .limit(1)
    )


def list_listings_of_versions(
    session: Session, *, actor: Actor, character_id: UUID, numbers: Iterable[int]
) -> Sequence[CharacterPublication]:
    """The listings visible to the actor that offer one of these versions, newest first."""
    wanted = list(numbers)
    if not wanted:
        return []
    return session.scalars(
        sa.select(CharacterPublication)
        .where(
            listing_visible_to(actor),
            CharacterPublication.character_id == character_id,
            CharacterPublication.version_number.in_(wanted),
        )
        .order_by(CharacterPublication.created_at.desc(), CharacterPublication.id.desc())
        .limit(MOST_HISTORY)
    ).all()


def version_of(session: Session, publication: CharacterPublication) -> CharacterVersion:
    """The version that a listing offers, with its card."""
    return session.scalars(
        sa.select(CharacterVersion)
        .where(
            CharacterVersion.character_id == publication.character_id,
            CharacterVersion.version_number == publication.version_number,
        )
        .options(undefer(CharacterVersion.card), undefer(CharacterVersion.studio))
    ).one()


def portrait_of(session: Session, publication: CharacterPublication) -> UUID | None:
    """The portrait of the version that a listing offers."""
    return session.scalar(
        sa.select(CharacterVersion.portrait_id).where(
            CharacterVersion.character_id == publication.character_id,
            CharacterVersion.version_number == publication.version_number,
        )
    )


def find_last_approved(session: Session, *, publication: CharacterPublication) -> CharacterPublication | None:
    """The listing of the same character that was approved last before this one; the desk compares with it."""
    return session.scalar(
        sa.select(CharacterPublication)
        .where(came_before(publication))
        .order_by(CharacterPublication.published_at.desc(), CharacterPublication.id.desc())
        .limit(1)
    )


def came_before(publication: CharacterPublication) -> sa.ColumnElement[bool]:
    """Other listings of the same character that were approved once and are no newer."""
    return sa.and_(
        CharacterPublication.character_id == publication.character_id,
        CharacterPublication.id != publication.id,
        CharacterPublication.published_at.is_not(None),
        CharacterPublication.created_at <= publication.created_at,
    )


def list_waiting_of(session: Session, *, actor: Actor, limit: int) -> list[tuple[CharacterPublication, int]]:
    """The actor's own listings that wait for a moderator, or for them, newest first, each with how many reasons it has.

    One that was sent back waits until a newer listing of its character speaks for it.
    """
    reasons = (
        sa.select(sa.func.count())
        .select_from(FieldComment)
        .join(ReviewDecision, ReviewDecision.id == FieldComment.decision_id)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .where(ReviewCase.publication_id == CharacterPublication.id, ReviewDecision.effected_at.is_not(None))
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(CharacterPublication, reasons)
        .where(
            listing_managed_by(actor),
            CharacterPublication.publisher_id == actor.user_id,
            sa.or_(
                CharacterPublication.status.in_(WAITING),
                sa.and_(CharacterPublication.status.in_(SENT_BACK), sa.not_(is_superseded())),
            ),
        )
        .order_by(CharacterPublication.created_at.desc(), CharacterPublication.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1] or 0) for row in rows]
