"""What is handed out to nobody, whoever bought it: versions that were taken down for a severe reason, or are hidden just now."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.market.models import CharacterPublication, Outcome, PublicationStatus, ReviewCase, ReviewDecision


class Withheld(StrEnum):
    """Why a version is handed out to nobody."""

    TAKEN_DOWN = "taken_down"
    """For a severe reason, which nothing has answered since: no appeal, and no approval of the same version."""
    ON_HOLD = "on_hold"
    """Hidden until a moderator has looked, or a second person."""


def of_character(session: Session, *, character_id: UUID) -> Mapping[int, Withheld]:
    """The versions of a character, by number, that are handed out to nobody now, and why. One statement.

    What was taken down for another reason is not among them: buyers keep what they bought.
    """
    is_severe = sa.and_(
        ReviewDecision.is_severe, ReviewDecision.outcome != Outcome.APPROVED, ReviewDecision.overturned_at.is_(None)
    )
    refused = sa.func.max(ReviewDecision.effected_at).filter(is_severe)
    approved = sa.func.max(ReviewDecision.effected_at).filter(ReviewDecision.outcome == Outcome.APPROVED)
    is_hidden = sa.func.bool_or(CharacterPublication.status == PublicationStatus.QUARANTINED)
    rows = session.execute(
        sa.select(CharacterPublication.version_number, is_hidden)
        .join(ReviewCase, ReviewCase.publication_id == CharacterPublication.id)
        .join(ReviewDecision, ReviewDecision.case_id == ReviewCase.id, isouter=True)
        .where(CharacterPublication.character_id == character_id, CharacterPublication.published_at.is_not(None))
        .group_by(CharacterPublication.version_number)
        .having(sa.or_(is_hidden, refused >= sa.func.coalesce(approved, sa.func.to_timestamp(0))))
    )
    return {number: Withheld.ON_HOLD if hidden else Withheld.TAKEN_DOWN for number, hidden in rows}
