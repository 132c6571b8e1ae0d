"""Reads of categories, listings and reviews, and who may see which rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, undefer

from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import CharacterVersion
from studio.kit.errors import NotFoundError
from studio.market.models import (
    CaseState,
    CharacterCategory,
    CharacterPublication,
    CheckMode,
    FieldComment,
    Outcome,
    PublicationStatus,
    ReviewCase,
    ReviewDecision,
    ReviewReason,
    ScreeningResult,
)

RECORD_LENGTH = 1_000
"""Submissions of a creator that their record looks at, the newest first."""

_MOST_HISTORY = 50
_MOST_CATEGORIES = 500


@dataclass(frozen=True, slots=True)
class Feedback:
    """One reason of a rejection as its creator reads it."""

    field: str
    reason: ReviewReason
    comment: str


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision on one listing, who made it, and its reasons."""

    publication: CharacterPublication
    decision: ReviewDecision
    moderator_name: str
    feedback: tuple[Feedback, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category in the tree, and how deep it stands."""

    category: CharacterCategory
    depth: int


@dataclass(frozen=True, slots=True)
class CreatorRecord:
    """How a creator's earlier submissions went."""

    submitted: int = 0
    approved: int = 0
    rejected: int = 0
    withdrawn: int = 0
    pending: int = 0
    taken_down: int = 0
    reports_upheld: int = 0
    last_decided_at: datetime | None = None
    is_capped: bool = False
    """There are more submissions than were looked at: the newest RECORD_LENGTH."""


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


def case_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Who works or watches the desk sees every case; nobody else sees any."""
    return sa.true() if actor.may(Permission.REVIEW_READ) else sa.false()


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


def get_case(session: Session, *, actor: Actor, case_id: UUID, lock: bool = False) -> ReviewCase:
    """The case, if the actor may see it, locked until the transaction ends where asked; raises NotFoundError."""
    query = sa.select(ReviewCase).where(case_visible_to(actor), ReviewCase.id == case_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    case = session.scalar(query)
    if case is None:
        raise NotFoundError
    return case


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


def find_open_case(session: Session, *, publication_id: UUID) -> ReviewCase | None:
    """The review that is under way for a listing, if there is one."""
    return session.scalar(
        sa.select(ReviewCase).where(
            ReviewCase.publication_id == publication_id,
            ReviewCase.state.in_([CaseState.SCREENING, CaseState.WAITING, CaseState.CLAIMED]),
        )
    )


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
        .limit(_MOST_HISTORY)
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


def list_screening(session: Session, *, actor: Actor, case_id: UUID) -> list[ScreeningResult]:
    """What the checks found in a case that the actor may see, in the order of their rows; nothing of what is shadow."""
    return list(
        session.scalars(
            sa.select(ScreeningResult)
            .join(ReviewCase, ReviewCase.id == ScreeningResult.case_id)
            .where(case_visible_to(actor), ScreeningResult.case_id == case_id, ScreeningResult.mode == CheckMode.ACTIVE)
            .order_by(ScreeningResult.id)
        )
    )


def list_reasons(session: Session) -> list[ReviewReason]:
    """The reasons that can be given now, in their order."""
    return list(
        session.scalars(
            sa.select(ReviewReason).where(ReviewReason.is_active).order_by(ReviewReason.sort_order, ReviewReason.id)
        )
    )


def list_decisions(session: Session, *, actor: Actor, character_id: UUID) -> list[Decided]:
    """The decisions on the listings of one character that the actor may see, newest first, with their reasons."""
    criterion = sa.and_(CharacterPublication.character_id == character_id, listing_managed_by(actor))
    return _decided(session, criterion, limit=_MOST_HISTORY)


def find_decision(session: Session, *, actor: Actor, publication_id: UUID) -> Decided | None:
    """The decision on one listing, if it was made and the actor may see it."""
    criterion = sa.and_(CharacterPublication.id == publication_id, listing_managed_by(actor))
    return next(iter(_decided(session, criterion, limit=1)), None)


def feedback_for(session: Session, *, actor: Actor, character_id: UUID) -> list[Feedback]:
    """The reasons that a character's creator has to answer now: those of its newest listing, if that was rejected.

    The editor shows each at its field. Once a new listing is submitted there are none.
    """
    newest = session.scalar(
        sa.select(CharacterPublication)
        .where(CharacterPublication.character_id == character_id, listing_managed_by(actor))
        .order_by(CharacterPublication.created_at.desc(), CharacterPublication.id.desc())
        .limit(1)
    )
    if newest is None or newest.status is not PublicationStatus.REJECTED:
        return []
    decided = find_decision(session, actor=actor, publication_id=newest.id)
    return list(decided.feedback) if decided is not None else []


def list_waiting_of(session: Session, *, actor: Actor, limit: int) -> list[tuple[CharacterPublication, int]]:
    """The actor's own listings that wait for a moderator, or for them, newest first, each with how many reasons it has.

    One that was sent back waits until a newer listing of its character speaks for it.
    """
    reasons = (
        sa.select(sa.func.count())
        .select_from(FieldComment)
        .join(ReviewDecision, ReviewDecision.id == FieldComment.decision_id)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .where(ReviewCase.publication_id == CharacterPublication.id)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(CharacterPublication, reasons)
        .where(
            listing_managed_by(actor),
            CharacterPublication.publisher_id == actor.user_id,
            sa.or_(
                CharacterPublication.status == PublicationStatus.PENDING,
                sa.and_(CharacterPublication.status == PublicationStatus.REJECTED, sa.not_(is_superseded())),
            ),
        )
        .order_by(CharacterPublication.created_at.desc(), CharacterPublication.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1] or 0) for row in rows]


def creator_record(session: Session, *, actor: Actor, publisher_id: UUID) -> CreatorRecord:
    """How the submissions of one creator went so far; for those who review."""
    actor.must(Permission.REVIEW_READ)
    return record_of(session, publisher_id=publisher_id)


def record_of(session: Session, *, publisher_id: UUID) -> CreatorRecord:
    """How the submissions of one creator went so far, for the studio's own use: one statement, of a bounded cost."""
    newest = (
        sa.select(CharacterPublication.id, CharacterPublication.status)
        .where(CharacterPublication.publisher_id == publisher_id)
        .order_by(CharacterPublication.created_at.desc(), CharacterPublication.id.desc())
        .limit(RECORD_LENGTH)
        .subquery()
    )

    def listings(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        counted = sa.func.count(newest.c.id.distinct())
        return counted.filter(*conditions) if conditions else counted

    def decisions(outcome: Outcome) -> sa.ColumnElement[int]:
        return sa.func.count(ReviewDecision.id).filter(ReviewDecision.outcome == outcome)

    row = session.execute(
        sa.select(
            listings(),
            decisions(Outcome.APPROVED),
            decisions(Outcome.REJECTED),
            listings(newest.c.status == PublicationStatus.WITHDRAWN),
            listings(newest.c.status == PublicationStatus.PENDING),
            sa.func.max(ReviewDecision.decided_at),
        )
        .select_from(newest)
        .outerjoin(ReviewCase, ReviewCase.publication_id == newest.c.id)
        .outerjoin(ReviewDecision, ReviewDecision.case_id == ReviewCase.id)
    ).one()
    submitted, approved, rejected, withdrawn, pending, last = row
    return CreatorRecord(
        submitted=submitted,
        approved=approved,
        rejected=rejected,
        withdrawn=withdrawn,
        pending=pending,
        last_decided_at=last,
        is_capped=submitted >= RECORD_LENGTH,
    )


def _decided(session: Session, criterion: sa.ColumnElement[bool], *, limit: int) -> list[Decided]:
    """The decisions that fulfil `criterion`, newest first, with their reasons: one statement."""
    newest = (
        sa.select(ReviewDecision.id)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .where(criterion)
        .order_by(ReviewDecision.decided_at.desc(), ReviewDecision.id.desc())
        .limit(limit)
        .subquery()
    )
    rows = session.execute(
        sa.select(CharacterPublication, ReviewDecision, User.name, FieldComment, ReviewReason)
        .join(ReviewCase, ReviewCase.publication_id == CharacterPublication.id)
        .join(ReviewDecision, ReviewDecision.case_id == ReviewCase.id)
        .join(newest, newest.c.id == ReviewDecision.id)
        .join(User, User.id == ReviewDecision.moderator_id)
        .outerjoin(FieldComment, FieldComment.decision_id == ReviewDecision.id)
        .outerjoin(ReviewReason, ReviewReason.id == FieldComment.reason_id)
        .order_by(ReviewDecision.decided_at.desc(), ReviewDecision.id.desc(), FieldComment.id)
    )
    made: dict[UUID, tuple[CharacterPublication, ReviewDecision, str]] = {}
    feedback: dict[UUID, list[Feedback]] = {}
    for publication, decision, name, comment, reason in rows:
        made[decision.id] = (publication, decision, name)
        if comment is not None and reason is not None:
            feedback.setdefault(decision.id, []).append(Feedback(comment.field, reason, comment.comment))
    return [
        Decided(publication, decision, name, tuple(feedback.get(decision.id, ())))
        for publication, decision, name in made.values()
    ]
