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
    Appeal,
    CharacterCategory,
    CharacterPublication,
    CheckMode,
    FieldComment,
    ListingReport,
    Outcome,
    PublicationStatus,
    ReportState,
    ReviewCase,
    ReviewDecision,
    ReviewReason,
    ScreeningResult,
)
from studio.market.transitions import OPEN_CASES

SENT_BACK = (PublicationStatus.CHANGES_REQUESTED, PublicationStatus.REJECTED, PublicationStatus.TAKEN_DOWN)
"""Where a decision went against a listing."""

WAITING = (PublicationStatus.PENDING, PublicationStatus.SCHEDULED, PublicationStatus.QUARANTINED)
"""Where a listing waits for somebody else than its creator."""

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
    """One decision on one listing, who made it, its reasons, and the appeal against it if there is one."""

    publication: CharacterPublication
    decision: ReviewDecision
    moderator_name: str
    feedback: tuple[Feedback, ...]
    appeal: Appeal | None = None


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
            ReviewCase.state.in_(OPEN_CASES),
        )
    )


def find_held_decision(session: Session, *, case_id: UUID) -> ReviewDecision | None:
    """The decision on a case that is made but not in effect: it can be undone, or waits for a second person."""
    return session.scalar(
        sa.select(ReviewDecision).where(
            ReviewDecision.case_id == case_id, ReviewDecision.effected_at.is_(None), ReviewDecision.undone_at.is_(None)
        )
    )


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
    """The newest decision on one listing that is in effect, if there is one and the actor may see it."""
    criterion = sa.and_(CharacterPublication.id == publication_id, listing_managed_by(actor))
    return next(iter(_decided(session, criterion, limit=1)), None)


def list_decisions_on(session: Session, *, actor: Actor, publication_id: UUID) -> list[Decided]:
    """Every decision on one listing that the actor may see, newest first, with its reasons."""
    criterion = sa.and_(CharacterPublication.id == publication_id, listing_managed_by(actor))
    return _decided(session, criterion, limit=_MOST_HISTORY)


def feedback_for(session: Session, *, actor: Actor, character_id: UUID) -> list[Feedback]:
    """The reasons that a character's creator has to answer now: those of its newest listing, if that was sent back.

    The editor shows each at its field. Once a new listing is submitted there are none.
    """
    decided = find_asking(session, actor=actor, character_id=character_id)
    return list(decided.feedback) if decided is not None else []


def find_asking(session: Session, *, actor: Actor, character_id: UUID) -> Decided | None:
    """The decision that asks something of a character's creator now, with its listing: see `feedback_for`."""
    newest = session.scalar(
        sa.select(CharacterPublication)
        .where(CharacterPublication.character_id == character_id, listing_managed_by(actor))
        .order_by(CharacterPublication.created_at.desc(), CharacterPublication.id.desc())
        .limit(1)
    )
    if newest is None or newest.status not in SENT_BACK:
        return None
    return find_decision(session, actor=actor, publication_id=newest.id)


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

    def decisions(*outcomes: Outcome) -> sa.ColumnElement[int]:
        return sa.func.count(ReviewDecision.id).filter(ReviewDecision.outcome.in_(outcomes))

    upheld = (
        sa.select(sa.func.count())
        .where(ListingReport.publication_id.in_(sa.select(newest.c.id)), ListingReport.state == ReportState.ACTIONED)
        .scalar_subquery()
    )
    # What was undone, or overturned on appeal, says nothing about a creator.
    stands = sa.and_(
        ReviewDecision.case_id == ReviewCase.id,
        ReviewDecision.effected_at.is_not(None),
        ReviewDecision.overturned_at.is_(None),
    )

    row = session.execute(
        sa.select(
            listings(),
            decisions(Outcome.APPROVED),
            decisions(Outcome.REJECTED, Outcome.CHANGES_REQUESTED),
            decisions(Outcome.TAKEN_DOWN),
            upheld,
            listings(newest.c.status == PublicationStatus.WITHDRAWN),
            listings(newest.c.status == PublicationStatus.PENDING),
            sa.func.max(ReviewDecision.decided_at),
        )
        .select_from(newest)
        .outerjoin(ReviewCase, ReviewCase.publication_id == newest.c.id)
        .outerjoin(ReviewDecision, stands)
    ).one()
    submitted, approved, rejected, taken_down, reports_upheld, withdrawn, pending, last = row
    return CreatorRecord(
        submitted=submitted,
        approved=approved,
        rejected=rejected,
        withdrawn=withdrawn,
        pending=pending,
        taken_down=taken_down,
        reports_upheld=reports_upheld,
        last_decided_at=last,
        is_capped=submitted >= RECORD_LENGTH,
    )


def _decided(session: Session, criterion: sa.ColumnElement[bool], *, limit: int) -> list[Decided]:
    """The decisions that fulfil `criterion`, newest first, with their reasons: one statement."""
    newest = (
        sa.select(ReviewDecision.id)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        # What can still be undone is told to nobody.
        .where(criterion, ReviewDecision.effected_at.is_not(None))
        .order_by(ReviewDecision.effected_at.desc(), ReviewDecision.id.desc())
        .limit(limit)
        .subquery()
    )
    rows = session.execute(
        sa.select(CharacterPublication, ReviewDecision, User.name, Appeal, FieldComment, ReviewReason)
        .join(ReviewCase, ReviewCase.publication_id == CharacterPublication.id)
        .join(ReviewDecision, ReviewDecision.case_id == ReviewCase.id)
        .join(newest, newest.c.id == ReviewDecision.id)
        .join(User, User.id == ReviewDecision.moderator_id)
        .outerjoin(Appeal, Appeal.decision_id == ReviewDecision.id)
        .outerjoin(FieldComment, FieldComment.decision_id == ReviewDecision.id)
        .outerjoin(ReviewReason, ReviewReason.id == FieldComment.reason_id)
        .order_by(ReviewDecision.effected_at.desc(), ReviewDecision.id.desc(), FieldComment.id)
    )
    made: dict[UUID, tuple[CharacterPublication, ReviewDecision, str, Appeal | None]] = {}
    feedback: dict[UUID, list[Feedback]] = {}
    for publication, decision, name, appeal, comment, reason in rows:
        made[decision.id] = (publication, decision, name, appeal)
        if comment is not None and reason is not None:
            feedback.setdefault(decision.id, []).append(Feedback(comment.field, reason, comment.comment))
    return [
        Decided(publication, decision, name, tuple(feedback.get(decision.id, ())), appeal)
        for publication, decision, name, appeal in made.values()
    ]
