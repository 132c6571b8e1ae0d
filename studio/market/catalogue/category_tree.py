"""The tree of categories: where each stands, and where listings go when one closes, moves or goes away."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import NotFoundError, StaleError
from studio.kit.orm import lock_row
from studio.market.catalogue import approvals, listings, publishing
from studio.market.catalogue.errors import (
    CategoryCircleError,
    CategoryDestinationError,
    CategoryInUseError,
    CategoryParentError,
    CategoryTooDeepError,
)
from studio.market.models import CharacterCategory, CharacterPublication, PublicationStatus

RESOURCE = "category"

MOST_DEPTH = 5
"""Shelves stand in shelves this many levels deep at most, the top level included."""

MOST_COUNTED = 1_000
"""Listings of a category are counted up to here; more are "1,000+"."""

_BETWEEN = 10
"""Neighbours' places differ by this much."""


@dataclass(frozen=True, slots=True)
class Listings:
    """What becomes of the listings in a category: they go `to` another one, or stay in it where that is None."""

    to: UUID | None = None


def count_listings(session: Session, *, category_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many listings, whatever their state, stand in each category itself; counted up to 1,000 each."""
    ids = list(category_ids)
    if not ids:
        return {}
    wanted = sa.select(sa.func.unnest(sa.cast(ids, sa.ARRAY(sa.Uuid()))).label("id")).subquery()
    some = (
        sa.select(sa.literal(1))
        .where(CharacterPublication.category_id == wanted.c.id)
        .limit(MOST_COUNTED)
        .correlate(wanted)
        .subquery()
        .lateral()
    )
    counted = sa.select(wanted.c.id, sa.select(sa.func.count()).select_from(some).scalar_subquery())
    return {row[0]: row[1] for row in session.execute(counted)}


def count_scheduled(session: Session, *, category_id: UUID) -> int:
    """How many listings in the category are approved for a later time: one that is moved is reviewed again first."""
    some = (
        sa.select(CharacterPublication.id)
        .where(
            CharacterPublication.category_id == category_id,
            CharacterPublication.status == PublicationStatus.SCHEDULED,
        )
        .limit(MOST_COUNTED)
        .subquery()
    )
    return session.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def locked(session: Session, *, actor: Actor) -> dict[UUID, CharacterCategory]:
    """All categories, locked: whoever arranges them waits for whoever arranges them at the same moment."""
    actor.must(Permission.CATEGORY_WRITE)
    found = session.scalars(
        sa.select(CharacterCategory)
        .order_by(CharacterCategory.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {one.id: one for one in found}


def last_place(tree: Mapping[UUID, CharacterCategory], parent_id: UUID | None) -> int:
    """The `sort_order` of a category that comes last in `parent_id`; raises NotFoundError or CategoryTooDeepError."""
    if parent_id is not None and parent_id not in tree:
        raise NotFoundError
    if _depth(tree, parent_id) >= MOST_DEPTH:
        raise CategoryTooDeepError(most=MOST_DEPTH)
    return max((one.sort_order for one in tree.values() if one.parent_id == parent_id), default=0) + _BETWEEN


def place(
    session: Session,
    *,
    actor: Actor,
    category_id: UUID,
    row_version: int,
    parent_id: UUID | None,
    before_id: UUID | None = None,
    listings_go: Listings | None = None,
) -> CharacterCategory:
    """The category stands in `parent_id` (None: at the top), before `before_id` or last; its own shelves come along.

    Placing it where it stands changes nothing. Where it gets another parent and has listings, `listings_go` says what
    becomes of them; those that go elsewhere are moved by a job. Raises ForbiddenError, NotFoundError, StaleError,
    CategoryCircleError, CategoryTooDeepError, CategoryInUseError or CategoryDestinationError.
    """
    tree = locked(session, actor=actor)
    category = _chosen(tree, category_id, row_version)
    below = _below(tree.values())
    if parent_id is not None:
        if parent_id not in tree:
            raise NotFoundError
        _refuse_circle(tree, category_id, parent_id)
    if _depth(tree, parent_id) + _height(below, category_id) > MOST_DEPTH:
        raise CategoryTooDeepError(most=MOST_DEPTH)
    siblings = [one for one in below.get(parent_id, ()) if one.id != category_id]
    at = len(siblings)
    if before_id is not None and before_id != category_id:
        at = next((index for index, one in enumerate(siblings) if one.id == before_id), -1)
        if at < 0:
            raise StaleError("Somebody arranged the categories in the meantime. Look at them again, then move it.")
    elif before_id == category_id:
        return category
    was = {"parent_id": str(category.parent_id) if category.parent_id else None, "sort_order": category.sort_order}
    if category.parent_id != parent_id:
        _settle_listings(session, tree, category, actor=actor, listings_go=listings_go)
        category.parent_id = parent_id
    siblings.insert(at, category)
    for index, one in enumerate(siblings):
        if one.sort_order != (index + 1) * _BETWEEN:
            one.sort_order = (index + 1) * _BETWEEN
    session.flush()
    audit.record_changes(
        session,
        actor=actor,
        action="category.place",
        resource=RESOURCE,
        resource_id=category.id,
        before=was,
        after={"parent_id": str(parent_id) if parent_id else None, "sort_order": category.sort_order},
    )
    return category


def step(session: Session, *, actor: Actor, category_id: UUID, row_version: int, way: str) -> CharacterCategory:
    """The category goes one step "up" or "down" among its neighbours, "in" below the one above it, or "out" behind its parent.

    A step that cannot be made (up from the first place) changes nothing. Raises as `place`; a category with listings
    keeps them: they come along.
    """
    tree = locked(session, actor=actor)
    category = _chosen(tree, category_id, row_version)
    below = _below(tree.values())
    siblings = below[category.parent_id]
    at = siblings.index(category)
    parent_id = category.parent_id
    before_id: UUID | None = category_id
    if way == "up" and at > 0:
        before_id = siblings[at - 1].id
    elif way == "down" and at < len(siblings) - 1:
        before_id = siblings[at + 2].id if at + 2 < len(siblings) else None
    elif way == "in" and at > 0:
        parent_id, before_id = siblings[at - 1].id, None
    elif way == "out" and category.parent_id is not None:
        parent = tree[category.parent_id]
        uncles = below[parent.parent_id]
        behind = uncles.index(parent) + 1
        parent_id, before_id = parent.parent_id, uncles[behind].id if behind < len(uncles) else None
    return place(
        session,
        actor=actor,
        category_id=category_id,
        row_version=row_version,
        parent_id=parent_id,
        before_id=before_id,
        listings_go=Listings(),
    )


def close(
    session: Session, *, actor: Actor, category_id: UUID, row_version: int, listings_go: Listings | None = None
) -> CharacterCategory:
    """The category takes no new listings, and neither do those below it; `listings_go` says what becomes of its own.

    May be repeated. Raises as `place`.
    """
    return _set_open(
        session, actor=actor, category_id=category_id, row_version=row_version, is_open=False, listings_go=listings_go
    )


def reopen(session: Session, *, actor: Actor, category_id: UUID, row_version: int) -> CharacterCategory:
    """The category takes listings again. May be repeated. Raises ForbiddenError, NotFoundError or StaleError."""
    return _set_open(
        session, actor=actor, category_id=category_id, row_version=row_version, is_open=True, listings_go=Listings()
    )


def delete(
    session: Session, *, actor: Actor, category_id: UUID, row_version: int, listings_go: Listings | None = None
) -> bool:
    """The category is gone; with listings in it, it closes now and goes when a job has moved the last of them.

    Returns whether it is gone already. Raises as `place`, and CategoryParentError where others stand in it.
    """
    tree = locked(session, actor=actor)
    category = _chosen(tree, category_id, row_version)
    children = [one.name for one in _below(tree.values()).get(category_id, ())]
    if children:
        raise CategoryParentError(names=", ".join(children[:5]), count=len(children))
    count = count_listings(session, category_ids=[category_id])[category_id]
    if count and (listings_go is None or listings_go.to is None):
        raise CategoryInUseError(count=count)
    if count and listings_go is not None:
        _settle_listings(session, tree, category, actor=actor, listings_go=listings_go, then_delete=True)
        category.is_active = False
        session.flush()
        return False
    _delete(session, category, actor=actor)
    return True


def move_listings(session: Session, *, from_id: UUID, to_id: UUID, actor: Actor, limit: int = 200) -> int:
    """At most `limit` listings stand in the other category now; returns how many. Zero says that none is left.

    The shelf is part of what a moderator approved, so each listing has another hash since. For what is live, or was, the
    move is the actor's decision that the approval holds on that shelf too, and is kept as such (`approvals`). What is
    scheduled is reviewed again, and what a moderator reads at this moment is no longer what they saw: they are asked to
    read it again.
    """
    found = session.scalars(
        sa.select(CharacterPublication)
        .where(CharacterPublication.category_id == from_id)
        .order_by(CharacterPublication.id)
        .limit(limit)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    if found and session.get(CharacterCategory, to_id) is None:
        raise NotFoundError("The category that the listings were to go to is gone. Choose another one.")
    for publication in found:
        former = publication.content_hash
        # What was not as it was approved before is not so by being moved.
        is_carried = (
            publication.status is not PublicationStatus.SCHEDULED
            and publishing.current_hash(session, publication) == former
            and approvals.is_approved(session, publication, content_hash=former)
        )
        publication.category_id = to_id
        publication.content_hash = publishing.current_hash(session, publication)
        if is_carried:
            approvals.carry(session, publication, former_hash=former, actor=actor)
        if publication.status is PublicationStatus.SCHEDULED:
            # Its approval is void: whoever looks again shall have the time until it is to go live.
            work.ask(
                session,
                "market.publish_listing",
                about=("listing", publication.id),
                dedupe_key=f"market.publish_listing:{publication.id}:moved",
                publication_id=publication.id,
            )
        audit.record(
            session,
            actor=actor,
            action="listing.move_category",
            resource=listings.RESOURCE,
            resource_id=publication.id,
            before={"category_id": str(from_id), "content_hash": former},
            after={
                "category_id": str(to_id),
                "content_hash": publication.content_hash,
                "is_approval_carried": is_carried,
            },
        )
    session.flush()
    return len(found)


def delete_emptied(session: Session, *, category_id: UUID, actor: Actor) -> bool:
    """A closed category without listings and without others in it is gone; tells whether it was there to go."""
    category = lock_row(session, CharacterCategory, category_id, key_share=False)
    if category is None or category.is_active or count_listings(session, category_ids=[category_id])[category_id]:
        return False
    _delete(session, category, actor=actor)
    return True


def _set_open(
    session: Session,
    *,
    actor: Actor,
    category_id: UUID,
    row_version: int,
    is_open: bool,
    listings_go: Listings | None,
) -> CharacterCategory:
    tree = locked(session, actor=actor)
    category = _chosen(tree, category_id, None)
    if category.is_active == is_open:
        return category
    _chosen(tree, category_id, row_version)
    if not is_open:
        _settle_listings(session, tree, category, actor=actor, listings_go=listings_go)
    category.is_active = is_open
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="category.reopen" if is_open else "category.close",
        resource=RESOURCE,
        resource_id=category.id,
        before={"is_active": not is_open},
        after={"is_active": is_open},
    )
    return category


def _settle_listings(
    session: Session,
    tree: Mapping[UUID, CharacterCategory],
    category: CharacterCategory,
    *,
    actor: Actor,
    listings_go: Listings | None,
    then_delete: bool = False,
) -> None:
    count = count_listings(session, category_ids=[category.id])[category.id]
    if not count:
        return
    if listings_go is None:
        raise CategoryInUseError(count=count)
    if listings_go.to is None:
        return
    target = tree.get(listings_go.to)
    if target is None or target.id == category.id or not _is_open(tree, target):
        raise CategoryDestinationError
    # Whoever says something else before the listings are moved is heard too; what is moved first is then elsewhere.
    what_then = "delete" if then_delete else "keep"
    work.ask(
        session,
        "market.move_listings",
        actor=actor,
        about=("category", category.id),
        dedupe_key=f"market.move_listings:{category.id}:{target.id}:{what_then}",
        from_id=category.id,
        to_id=target.id,
        then_delete=then_delete,
    )


def _delete(session: Session, category: CharacterCategory, *, actor: Actor) -> None:
    name = category.name
    session.delete(category)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="category.delete",
        resource=RESOURCE,
        resource_id=category.id,
        before={"name": name},
    )


def _chosen(tree: Mapping[UUID, CharacterCategory], category_id: UUID, row_version: int | None) -> CharacterCategory:
    category = tree.get(category_id)
    if category is None:
        raise NotFoundError
    if row_version is not None and category.row_version != row_version:
        raise StaleError("Somebody changed this category in the meantime. Look at it again, then do this once more.")
    return category


def _below(categories: Iterable[CharacterCategory]) -> dict[UUID | None, list[CharacterCategory]]:
    """The categories by their parent, each list in its order."""
    below: dict[UUID | None, list[CharacterCategory]] = {}
    for one in sorted(categories, key=lambda one: (one.sort_order, one.name, str(one.id))):
        below.setdefault(one.parent_id, []).append(one)
    return below


def _refuse_circle(tree: Mapping[UUID, CharacterCategory], category_id: UUID, parent_id: UUID) -> None:
    above: UUID | None = parent_id
    while above is not None:
        if above == category_id:
            raise CategoryCircleError
        above = tree[above].parent_id


def _is_open(tree: Mapping[UUID, CharacterCategory], category: CharacterCategory) -> bool:
    """Whether it takes listings: it and all in which it stands are open."""
    above: CharacterCategory | None = category
    while above is not None and above.is_active:
        above = tree.get(above.parent_id) if above.parent_id is not None else None
    return above is None


def _depth(tree: Mapping[UUID, CharacterCategory], category_id: UUID | None) -> int:
    """How many levels there are down to this category, itself included; above the top there are none."""
    depth = 0
    while category_id is not None:
        depth += 1
        category_id = tree[category_id].parent_id
    return depth


def _height(below: Mapping[UUID | None, Sequence[CharacterCategory]], category_id: UUID) -> int:
    """How many levels hang on a category, itself included."""
    return 1 + max((_height(below, one.id) for one in below.get(category_id, ())), default=0)
