"""Approvals: which content of a listing a moderator approved, and how a move by staff carries that over."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.market.models import CarriedApproval, CharacterPublication, Outcome, ReviewCase, ReviewDecision


def is_approved(session: Session, publication: CharacterPublication, *, content_hash: str) -> bool:
    """Whether a moderator approved the listing under this hash, or staff carried an approval over to it.

    PostgreSQL asks the same of what goes live (`is_approved_content`).
    """
    decided = (
        sa.select(sa.literal(1))
        .select_from(ReviewDecision)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .where(
            ReviewCase.publication_id == publication.id,
            ReviewDecision.outcome == Outcome.APPROVED,
            ReviewDecision.effected_at.is_not(None),
            ReviewDecision.content_hash == content_hash,
        )
    )
    carried = sa.select(sa.literal(1)).where(
        CarriedApproval.publication_id == publication.id, CarriedApproval.to_hash == content_hash
    )
    return bool(session.scalar(sa.select(sa.or_(decided.exists(), carried.exists()))))


def carry(session: Session, publication: CharacterPublication, *, former_hash: str, actor: Actor) -> None:
    """What was approved under `former_hash` is approved under the listing's present hash too: the actor's decision."""
    session.add(
        CarriedApproval(
            publication_id=publication.id, from_hash=former_hash, to_hash=publication.content_hash, by_id=actor.user_id
        )
    )
    session.flush()
