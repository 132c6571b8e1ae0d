"""What is handed out to nobody, whoever bought it: what was taken down for a severe reason, with all that its character had, or is hidden."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.market.models import CharacterPublication, Outcome, PublicationStatus, ReviewCase, ReviewDecision

_IS_SEVERE = sa.and_(
    ReviewDecision.is_severe, ReviewDecision.outcome != Outcome.APPROVED, ReviewDecision.overturned_at.is_(None)
)


class Withheld(StrEnum):
    """Why a version is handed out to nobody."""

    TAKEN_DOWN = "taken_down"
    """For a severe reason, which nothing has answered since: no appeal, and no approval of the same version."""
    WITH_ANOTHER = "with_another"
    """Another version of its character was, and no moderator has approved this one since."""
    ON_HOLD = "on_hold"
    """Hidden until a moderator has looked, or a second person."""


def of_character(session: Session, *, character_id: UUID) -> Mapping[int, Withheld]:
    """The versions of a character, by number, that are handed out to nobody now, and why. One statement.

    What was taken down for another reason is not among them: buyers keep what they bought. While a severe takedown waits
    for its second person, the others wait with it, but for what is live at that moment.
    """
    found: dict[int, Withheld] = {}
    for row in session.execute(_standing(character_id)):
        judged = _judged(row)
        waits = row.is_any_proposed and not row.is_live
        if row.is_hidden or (waits and judged is None):
            found[row.version_number] = Withheld.ON_HOLD
        elif judged is not None:
            found[row.version_number] = judged
    return found


def find_judgement(session: Session, publication: CharacterPublication) -> Withheld | None:
    """The severe decision that keeps a listing's version from everybody, whether it is hidden just now or not; None without one."""
    rows = session.execute(_standing(publication.character_id))
    return next((_judged(row) for row in rows if row.version_number == publication.version_number), None)


def last_refused_at(session: Session, *, character_id: UUID) -> datetime | None:
    """When the last severe decision that stands against a listing of the character took effect."""
    return session.scalar(
        sa.select(sa.func.max(ReviewDecision.effected_at))
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .where(CharacterPublication.character_id == character_id, _IS_SEVERE)
    )


def _standing(character_id: UUID) -> sa.Select[Any]:
    """A row for each version that was offered: the newest severe decision against it, and against any; its newest approval."""
    is_takedown = sa.and_(_IS_SEVERE, ReviewDecision.outcome == Outcome.TAKEN_DOWN)
    is_proposed = sa.and_(is_takedown, ReviewDecision.effected_at.is_(None), ReviewDecision.undone_at.is_(None))
    taken_down = sa.func.max(ReviewDecision.effected_at).filter(is_takedown)
    of_status = CharacterPublication.status
    was_live = CharacterPublication.published_at.is_not(None)
    return (
        sa.select(
            CharacterPublication.version_number,
            sa.func.max(ReviewDecision.effected_at).filter(_IS_SEVERE).label("refused_at"),
            # Over the groups: of the whole character.
            sa.func.max(taken_down).over().label("taken_down_at"),
            sa.func.max(ReviewDecision.effected_at)
            .filter(ReviewDecision.outcome == Outcome.APPROVED)
            .label("approved_at"),
            sa.func.bool_or(sa.func.coalesce(sa.func.bool_or(is_proposed), sa.false())).over().label("is_any_proposed"),
            sa.func.bool_or(of_status == PublicationStatus.APPROVED).label("is_live"),
            sa.func.bool_or(sa.and_(was_live, of_status == PublicationStatus.QUARANTINED)).label("is_hidden"),
        )
        .join(ReviewCase, ReviewCase.publication_id == CharacterPublication.id)
        .join(ReviewDecision, ReviewDecision.case_id == ReviewCase.id, isouter=True)
        .where(CharacterPublication.character_id == character_id)
        .group_by(CharacterPublication.version_number)
    )


def _judged(row: Any) -> Withheld | None:
    """What the decisions say of one version. What was approved at the very time was approved before."""
    if row.refused_at is not None and (row.approved_at is None or row.refused_at >= row.approved_at):
        return Withheld.TAKEN_DOWN
    if row.taken_down_at is not None and (row.approved_at is None or row.taken_down_at >= row.approved_at):
        return Withheld.WITH_ANOTHER
    return None
