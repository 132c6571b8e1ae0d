"""Makes listings and reviews for tests, through the services that people use."""

from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import characters
from studio.authoring.models import Character
from studio.kit.money import Money
from studio.market.catalogue import categories, category_tree, submission
from studio.market.models import (
    Appeal,
    CharacterCategory,
    CharacterPublication,
    LicenseType,
    ListingReport,
    ReportReason,
    ReviewCase,
    ReviewReason,
)
from studio.market.review import appeals, claims, decisions, reports
from studio.market.review.rules import AT_ONCE, Reason
from studio.market.screening import screening
from studio.market.screening.checks import CHECKS
from studio.market.screening.checks.base import Finding

_numbers = count(1)

DESCRIPTION = "A keeper of an old lighthouse who writes letters to ships that never answer, and hums while he works."


def make_card(session: Session, *, owner: Actor, now: datetime, **changes: Any) -> Character:
    """A draft character of `owner`'s with enough text to be met."""
    return characters.create(
        session,
        actor=owner,
        changes={"name": f"Keeper {next(_numbers)}", "description": DESCRIPTION, **changes},
        now=now,
    )


def make_category(
    session: Session, *, staff: Actor, parent_id: UUID | None = None, is_active: bool = True, **values: Any
) -> CharacterCategory:
    """A shelf with a name of its own."""
    draft = categories.CategoryDraft(**{"name": f"Shelf {next(_numbers)}", **values})
    category = categories.create(session, actor=staff, draft=draft, parent_id=parent_id)
    if not is_active:
        category_tree.close(session, actor=staff, category_id=category.id, row_version=category.row_version)
    return category


def make_reason(session: Session, **values: Any) -> ReviewReason:
    """A reason that moderators can give, unless `values` say otherwise, and that nobody gave yet."""
    words = {"title": "Too short", "title_zh": "太短", "message": "Say more.", "message_zh": "请多写一些。"}
    reason = ReviewReason(code=f"made_{uuid4().hex[:12]}", **{**words, **values})
    session.add(reason)
    session.flush()
    return reason


def any_category(session: Session) -> UUID:
    """One of the shelves that every installation starts with."""
    return session.scalars(
        sa.select(CharacterCategory.id)
        .where(CharacterCategory.is_active)
        .order_by(CharacterCategory.sort_order)
        .limit(1)
    ).one()


def make_listing(
    session: Session, *, owner: Actor, now: datetime, character: Character | None = None, **values: Any
) -> CharacterPublication:
    """A listing of `owner`'s that waits for its screening."""
    character = character or make_card(session, owner=owner, now=now)
    given: dict[str, Any] = {
        "title": "The keeper of the light",
        "description": "Quiet talks by the sea.",
        "tags": ["sea", "calm"],
        "category_id": any_category(session),
        "price": Money(499, "USD"),
        "license_type": LicenseType.PREMIUM,
    }
    return submission.submit(session, actor=owner, character_id=character.id, now=now, **{**given, **values})


def case_of(session: Session, publication: CharacterPublication) -> ReviewCase:
    """The newest review of a listing."""
    return session.scalars(
        sa.select(ReviewCase).where(ReviewCase.publication_id == publication.id).order_by(ReviewCase.id.desc()).limit(1)
    ).one()


def make_waiting_case(session: Session, *, owner: Actor, now: datetime, **values: Any) -> ReviewCase:
    """A case that was screened, without a finding, and waits in the queue."""
    case = case_of(session, make_listing(session, owner=owner, now=now, **values))
    screening.keep(session, case_id=case.id, findings={check: Finding() for check in CHECKS}, now=now)
    return case


def make_claimed_case(session: Session, *, owner: Actor, moderator: Actor, now: datetime, **values: Any) -> ReviewCase:
    """A case that `moderator` holds."""
    case = make_waiting_case(session, owner=owner, now=now, **values)
    return claims.claim(session, actor=moderator, case_id=case.id, now=now)


def make_live_listing(
    session: Session, *, owner: Actor, moderator: Actor, now: datetime, **values: Any
) -> CharacterPublication:
    """A listing that was approved."""
    case = make_claimed_case(session, owner=owner, moderator=moderator, now=now, **values)
    publication = session.get_one(CharacterPublication, case.publication_id)
    decisions.approve(
        session, actor=moderator, case_id=case.id, content_hash=publication.content_hash, now=now, hold=AT_ONCE
    )
    return publication


def make_sent_back(
    session: Session,
    *,
    owner: Actor,
    moderator: Actor,
    now: datetime,
    decide: Any = decisions.request_changes,
    **values: Any,
) -> CharacterPublication:
    """A listing that was sent back, or rejected by `decide`."""
    case = make_claimed_case(session, owner=owner, moderator=moderator, now=now, **values)
    publication = session.get_one(CharacterPublication, case.publication_id)
    decide(
        session,
        actor=moderator,
        case_id=case.id,
        content_hash=publication.content_hash,
        reasons=[Reason("thin_description", "description", "Say what he wants.")],
        now=now,
        hold=AT_ONCE,
    )
    return publication


def make_report(
    session: Session,
    *,
    reporter: Actor,
    publication: CharacterPublication,
    now: datetime,
    reason: ReportReason = ReportReason.COPYRIGHT,
    comment: str = "Seen elsewhere.",
) -> ListingReport:
    """What `reporter` says is wrong with a live listing."""
    return reports.report(
        session, actor=reporter, publication_id=publication.id, reason=reason, comment=comment, now=now
    )


def make_appeal(session: Session, *, owner: Actor, moderator: Actor, now: datetime, **values: Any) -> Appeal:
    """An open appeal against a rejection."""
    listing = make_sent_back(session, owner=owner, moderator=moderator, now=now, decide=decisions.reject, **values)
    return appeals.appeal(session, actor=owner, publication_id=listing.id, text="He says what he wants.", now=now)
