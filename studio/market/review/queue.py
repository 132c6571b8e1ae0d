"""The queue of the review desk: what waits, by the time at which it is due, and the next case for whoever asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import CharacterVersion
from studio.kit import paging
from studio.market.models import (
    CaseState,
    CharacterPublication,
    CheckMode,
    LookReason,
    ReviewCase,
    ScreeningResult,
    Severity,
)
from studio.market.review import queries, rules
from studio.market.screening import assessing

PAGE = 25

_ORDER = (paging.Key(ReviewCase.due_at), paging.Key(ReviewCase.id))


class Show(StrEnum):
    """Which part of the queue is shown."""

    ALL = "all"
    FREE = "free"
    MINE = "mine"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One case that waits, as the queue shows it."""

    case: ReviewCase
    publication: CharacterPublication
    creator_name: str
    holder_name: str | None
    """Who works on it at this moment; a claim that ended is nobody's, and who works on their own they are not told."""
    portrait_id: UUID | None
    severe: int
    warnings: int
    is_own: bool
    is_overturned: bool
    """Whether an appeal overturned the actor on it, so that somebody else reviews it."""
    reasons: tuple[LookReason, ...] = ()


@dataclass(frozen=True, slots=True)
class QueuePage:
    """A page of the queue, what is due first at its top."""

    rows: Sequence[QueueRow]
    next_cursor: str | None


def page(
    session: Session,
    *,
    actor: Actor,
    now: datetime,
    show: Show = Show.ALL,
    after: str | None = None,
    limit: int = PAGE,
) -> QueuePage:
    """The cases that wait or are claimed, what is due first before all others, `limit` at a time from the cursor `after`.

    Raises ForbiddenError or BadCursorError. Two statements, however long the queue is.
    """
    actor.must(Permission.REVIEW_READ)
    creator, holder = aliased(User), aliased(User)
    query = (
        sa.select(
            ReviewCase,
            CharacterPublication,
            creator.name,
            holder.name,
            CharacterVersion.portrait_id,
            queries.is_overturned(actor),
            *assessing.reason_columns(),
        )
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .join(creator, creator.id == CharacterPublication.publisher_id)
        .join(
            CharacterVersion,
            sa.and_(
                CharacterVersion.character_id == CharacterPublication.character_id,
                CharacterVersion.version_number == CharacterPublication.version_number,
            ),
        )
        .outerjoin(holder, holder.id == ReviewCase.claimed_by_id)
        .where(queries.case_visible_to(actor), is_queued(), _shown(show, actor=actor, now=now))
        .order_by(*(key.order() for key in _ORDER))
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(paging.after(_ORDER, paging.decode_cursor(after, _ORDER)))
    found = session.execute(query).all()
    ids = [case.id for case, *_ in found[:limit]]
    weights = _weights(session, ids)
    rows = [
        QueueRow(
            case=case,
            publication=publication,
            creator_name=creator_name,
            holder_name=holder_name
            if rules.is_held(case, now=now) and publication.publisher_id != actor.user_id
            else None,
            portrait_id=portrait_id,
            severe=weights.get(case.id, (0, 0))[0],
            warnings=weights.get(case.id, (0, 0))[1],
            is_own=publication.publisher_id == actor.user_id,
            is_overturned=is_overturned,
            reasons=assessing.reasons_from(reasons),
        )
        for case, publication, creator_name, holder_name, portrait_id, is_overturned, *reasons in found[:limit]
    ]
    last = rows[-1].case if len(found) > limit else None
    cursor = paging.encode_cursor([last.due_at, last.id]) if last is not None else None
    return QueuePage(rows, cursor)


def is_queued() -> sa.ColumnElement[bool]:
    """Cases that wait for a decision, held or not."""
    return ReviewCase.state.in_([CaseState.WAITING, CaseState.CLAIMED])


def next_case(session: Session, *, actor: Actor, now: datetime, but: UUID | None = None) -> UUID | None:
    """The case that is due first of those that nobody holds and that the actor may decide; `but` is passed over.

    Not theirs are their own work, and a listing on which an appeal overturned them.

    It is locked until the transaction ends, and one that somebody else is taking at this moment is passed over: of
    two people who press at once each gets a case.
    """
    actor.must(Permission.REVIEW_READ)
    query = free(actor=actor, now=now, but=but).with_for_update(key_share=True, skip_locked=True, of=ReviewCase)
    return session.scalar(query)


def free(*, actor: Actor, now: datetime, but: UUID | None = None) -> sa.Select[UUID]:
    """The query for the case that `next_case` would give, without a lock: for looking ahead. `but` is passed over."""
    query = (
        sa.select(ReviewCase.id)
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .where(queries.case_visible_to(actor), is_queued(), _is_free(now), _is_foreign(actor))
        .order_by(*(key.order() for key in _ORDER))
        .limit(1)
    )
    return query if but is None else query.where(ReviewCase.id != but)


def _shown(show: Show, *, actor: Actor, now: datetime) -> sa.ColumnElement[bool]:
    match show:
        case Show.FREE:
            return sa.and_(_is_free(now), _is_foreign(actor))
        case Show.MINE:
            return sa.and_(ReviewCase.claimed_by_id == actor.user_id, ReviewCase.claim_expires_at > now)
        case Show.OVERDUE:
            return ReviewCase.due_at < now
        case _:
            return sa.true()


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(ReviewCase.claim_expires_at.is_(None), ReviewCase.claim_expires_at <= now)


def _is_foreign(actor: Actor) -> sa.ColumnElement[bool]:
    return sa.and_(CharacterPublication.publisher_id != actor.user_id, ~queries.is_overturned(actor))


def _weights(session: Session, case_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """How many checks of each case found something severe, and how many something to look at."""
    if not case_ids:
        return {}

    def counted(severity: Severity) -> Any:
        return sa.func.count().filter(ScreeningResult.severity == severity)

    rows = session.execute(
        sa.select(ScreeningResult.case_id, counted(Severity.SEVERE), counted(Severity.WARNING))
        .where(ScreeningResult.case_id.in_(case_ids), ScreeningResult.mode == CheckMode.ACTIVE)
        .group_by(ScreeningResult.case_id)
    )
    return {case_id: (severe, warnings) for case_id, severe, warnings in rows}
