"""The review that is under way for a listing: opened, screened, closed."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts.permissions import Actor
from studio.market.catalogue import rules
from studio.market.catalogue.transitions import OPEN_CASES
from studio.market.models import (
    CaseState,
    CharacterPublication,
    ReviewCase,
    ReviewDecision,
    UndoneReason,
)


def open_case(session: Session, publication: CharacterPublication, *, actor: Actor, now: datetime) -> ReviewCase:
    """The listing is on its way to the desk: it is screened, then it waits. One that is on its way already is left alone."""
    case = find_open_case(session, publication_id=publication.id)
    if case is not None:
        return case
    case = ReviewCase(publication_id=publication.id, state=CaseState.SCREENING, opened_at=now, due_at=rules.due_at(now))
    session.add(case)
    session.flush()
    ask_screening(session, actor=actor, case=case, character_id=publication.character_id, now=now)
    return case


def ask_screening(session: Session, *, actor: Actor, case: ReviewCase, character_id: UUID, now: datetime) -> None:
    """The checks will run over the case; asking again while they wait changes nothing."""
    work.ask(
        session,
        "market.screen_listing",
        actor=actor,
        about=("character", character_id),
        dedupe_key=screening_key(case.id),
        now=now,
        case_id=case.id,
    )


def screening_key(case_id: UUID) -> str:
    """What makes the screening of one case one job."""
    return f"market.screen_listing:{case_id}"


def hurry(session: Session, case: ReviewCase) -> None:
    """A review that is under way is due at once: it stands at the top of the queue, whatever the pace. Twice is once."""
    case = lock_case(session, case.id)
    case.due_at = min(case.due_at, case.opened_at)
    session.flush()


def undone(decision: ReviewDecision, *, why: UndoneReason, by_id: UUID | None, now: datetime) -> None:
    """A decision that was held back never takes effect."""
    decision.undone_at = now
    decision.undone_reason = why
    decision.undone_by_id = by_id


def lock_case(session: Session, case_id: UUID) -> ReviewCase:
    """The case, locked until the transaction ends; its character and its listing are locked first."""
    return session.scalars(
        sa.select(ReviewCase)
        .where(ReviewCase.id == case_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def close(case: ReviewCase, state: CaseState, *, now: datetime) -> None:
    """The case is closed and nobody holds it."""
    case.state = state
    case.closed_at = now
    case.claimed_by_id = None
    case.claim_expires_at = None


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
