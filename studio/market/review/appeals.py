"""Appeals: a creator objects to a decision, once, and somebody who took no part in it answers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.models import Role, User, UserStatus
from studio.accounts.permissions import Actor, Permission, RoleName, granted_by
from studio.kit.errors import NotFoundError
from studio.kit.text import one_line, storable
from studio.market.catalogue import cases, due, flags, listings, publishing, queries, transitions, withheld
from studio.market.catalogue.due import Pace
from studio.market.catalogue.transitions import Step
from studio.market.models import (
    APPEAL_LENGTH,
    COMMENT_LENGTH,
    Appeal,
    AppealState,
    CharacterPublication,
    FlagKind,
    Notice,
    Outcome,
    PublicationStatus,
    ReviewCase,
    ReviewDecision,
)
from studio.market.review import effects, rules
from studio.market.review import queries as review_queries
from studio.market.review.errors import (
    AnswerInvalidError,
    AppealClosedError,
    AppealConfirmedDecisionError,
    AppealedAlreadyError,
    AppealInvalidError,
    AppealOwnDecisionError,
    AppealOwnListingError,
    NotAppealableError,
)

RESOURCE = "appeal"
_MOST_COUNTED = 1_000
_MOST_NAMED = 6


def appeal_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Who works or watches the desk sees every appeal; a creator sees their own."""
    if actor.may(Permission.REVIEW_READ):
        return sa.true()
    if actor.may(Permission.LISTING_READ_OWN) and actor.user_id is not None:
        return Appeal.appellant_id == actor.user_id
    return sa.false()


def can_appeal(decision: ReviewDecision, *, now: datetime) -> bool:
    """Whether the decision went against a listing, not too long ago, and still stands."""
    return (
        decision.outcome is not Outcome.APPROVED
        and decision.effected_at is not None
        and decision.overturned_at is None
        and now <= decision.effected_at + rules.APPEAL_WITHIN
    )


def appeal(
    session: Session, *, actor: Actor, publication_id: UUID, text: str, now: datetime, pace: Pace | None = None
) -> Appeal:
    """The actor objects to the newest decision on their own listing; somebody else will answer, at the pace of reviews.

    Raises ForbiddenError, NotFoundError, NotAppealableError, AppealedAlreadyError, or AppealInvalidError where it says
    nothing or more than 2,000 characters.
    """
    publication = listings.own(session, actor=actor, publication_id=publication_id)
    text = storable(text).strip()
    if not one_line(text):
        raise AppealInvalidError("Say in your own words why the decision is wrong.")
    if len(text) > APPEAL_LENGTH:
        raise AppealInvalidError("Shorten the appeal to 2,000 characters.")
    decided = review_queries.find_decision(session, actor=actor, publication_id=publication.id)
    if decided is None or publication.status not in queries.SENT_BACK or not can_appeal(decided.decision, now=now):
        raise NotAppealableError
    made = Appeal(
        decision_id=decided.decision.id,
        appellant_id=actor.user_id,
        text=text,
        state=AppealState.OPEN,
        created_at=now,
        due_at=due.due_at(now, pace=pace),
    )
    try:
        with session.begin_nested():
            session.add(made)
            session.flush()
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) == "uq_appeals_decision_id":
            raise AppealedAlreadyError from None
        raise
    flags.put(session, publication_id=publication.id, kind=FlagKind.APPEAL, now=now)
    audit.record(
        session,
        actor=actor,
        action="appeal.make",
        resource=RESOURCE,
        resource_id=made.id,
        after={"decision": str(decided.decision.id), "outcome": decided.decision.outcome.value},
    )
    return made


def answer(session: Session, *, actor: Actor, appeal_id: UUID, upholds: bool, text: str, now: datetime) -> Appeal:
    """Somebody who took no part in the decision answers the appeal, with a reason that the creator reads.

    Upheld, the decision is overturned: what was taken down is live again (unlisted where another listing of the
    character is, or it cannot be live any more), and what was sent back waits at the desk again, in somebody else's hands;
    it is withdrawn where its character was archived or sold. Dismissed, it stands.
    Raises ForbiddenError, NotFoundError, AppealOwnDecisionError, AppealClosedError or AnswerInvalidError.
    """
    actor.must(Permission.REVIEW_DECIDE)
    text = storable(text).strip()
    if not one_line(text):
        raise AnswerInvalidError("Write an answer; the creator reads it.")
    if len(text) > COMMENT_LENGTH:
        raise AnswerInvalidError("Shorten the answer to 4,000 characters.")
    decision, publication = _locked(session, actor=actor, appeal_id=appeal_id)
    refusal = why_not(decision, publication, actor=actor)
    if refusal is not None:
        raise refusal
    row = session.scalars(
        sa.select(Appeal).where(Appeal.id == appeal_id).with_for_update().execution_options(populate_existing=True)
    ).one()
    if row.state is not AppealState.OPEN:
        raise AppealClosedError
    row.state = AppealState.UPHELD if upholds else AppealState.DISMISSED
    row.decided_by_id, row.decided_at, row.answer, row.due_at = actor.user_id, now, text, None
    session.flush()
    flags.clear(session, publication_id=publication.id, kinds=[FlagKind.APPEAL], now=now)
    before = publication.status
    if upholds:
        decision.overturned_at = now
        session.flush()
        _restore(session, publication, actor=actor, now=now)
    audit.record(
        session,
        actor=actor,
        action="appeal.uphold" if upholds else "appeal.dismiss",
        resource=RESOURCE,
        resource_id=row.id,
        before={"status": before.value},
        after={"status": publication.status.value, "decision": str(decision.id)},
    )
    return row


def why_not(
    decision: ReviewDecision, publication: CharacterPublication, *, actor: Actor
) -> AppealOwnDecisionError | None:
    """Why the actor cannot answer an appeal against the decision, whatever their roles; None where nothing is in the way. Pure."""
    if actor.user_id == publication.publisher_id:
        return AppealOwnListingError()
    if actor.user_id == decision.moderator_id:
        return AppealOwnDecisionError()
    return AppealConfirmedDecisionError() if actor.user_id == decision.second_id else None


def list_answerers(
    session: Session, *, actor: Actor, decision: ReviewDecision, publication: CharacterPublication
) -> Sequence[str]:
    """Who can answer an appeal against the decision, by name, for those who work or watch the desk; the first six."""
    actor.must(Permission.REVIEW_READ)
    roles = [name for name in RoleName if Permission.REVIEW_DECIDE in granted_by([name])]
    took_part = {decision.moderator_id, decision.second_id, publication.publisher_id} - {None}
    return session.scalars(
        sa.select(User.name)
        .where(
            User.status == UserStatus.ACTIVE,
            User.id.not_in(took_part),
            User.roles.any(Role.name.in_(roles)),
        )
        .order_by(User.name, User.id)
        .limit(_MOST_NAMED)
    ).all()


def count_open_for(session: Session, *, actor: Actor) -> int:
    """How many appeals wait for an answer that the actor can give: on others' listings, against others' decisions."""
    actor.must(Permission.REVIEW_DECIDE)
    some = (
        sa.select(Appeal.id)
        .join(ReviewDecision, ReviewDecision.id == Appeal.decision_id)
        .where(
            Appeal.state == AppealState.OPEN,
            Appeal.appellant_id != actor.user_id,
            ReviewDecision.moderator_id != actor.user_id,
            ReviewDecision.second_id.is_distinct_from(actor.user_id),
        )
        .limit(_MOST_COUNTED)
        .subquery()
    )
    return session.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def get_appeal(session: Session, *, actor: Actor, appeal_id: UUID) -> Appeal:
    """The appeal, if the actor may see it; raises NotFoundError."""
    found = session.scalar(sa.select(Appeal).where(appeal_visible_to(actor), Appeal.id == appeal_id))
    if found is None:
        raise NotFoundError
    return found


def about(session: Session, row: Appeal) -> tuple[ReviewDecision, CharacterPublication]:
    """The decision that an appeal is against, and its listing."""
    found = session.execute(
        sa.select(ReviewDecision, CharacterPublication)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .where(ReviewDecision.id == row.decision_id)
    ).one()
    return found[0], found[1]


def _locked(session: Session, *, actor: Actor, appeal_id: UUID) -> tuple[ReviewDecision, CharacterPublication]:
    decision, seen = about(session, get_appeal(session, actor=actor, appeal_id=appeal_id))
    listings.lock_character(session, seen.character_id)
    return decision, listings.lock(session, seen.id)


def _restore(session: Session, publication: CharacterPublication, *, actor: Actor, now: datetime) -> None:
    """The listing is where it would be without the decision, as far as that is still possible."""
    if not transitions.can(publication, Step.RESTORE):
        # It went on meanwhile; the overturned decision is recorded, and that is all there is to do.
        return
    newest = queries.find_newest_listing(session, actor=actor, character_id=publication.character_id)
    is_superseded = newest is not None and newest.id != publication.id
    was_live = publication.published_at is not None
    if is_superseded and not was_live:
        return
    obstacle = publishing.find_obstacle(session, publication)
    to = PublicationStatus.PENDING if obstacle is None else PublicationStatus.WITHDRAWN
    if was_live:
        is_same = publishing.current_hash(session, publication) == publication.content_hash
        is_judged = withheld.find_judgement(session, publication) is not None
        is_possible = obstacle is None and is_same and not is_judged and not effects.is_other_live(session, publication)
        is_taken_down = publication.status is PublicationStatus.TAKEN_DOWN
        to = PublicationStatus.APPROVED if is_taken_down and is_possible else PublicationStatus.UNLISTED
    if to is PublicationStatus.APPROVED:
        publishing.go_live(session, publication, step=Step.RESTORE, actor=actor, now=now)
    else:
        transitions.apply(publication, Step.RESTORE, now=now, to=to)
        session.flush()
    listings.tell(publication, Notice.RESTORED if obstacle is None else effects.OBSTACLE_NOTICES[obstacle], now=now)
    session.flush()
    if to is PublicationStatus.PENDING:
        cases.open_case(session, publication, actor=actor, now=now)
        flags.put(session, publication_id=publication.id, kind=FlagKind.APPEAL, now=now)
