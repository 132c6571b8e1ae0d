"""What stands around a case at the desk: reasons to choose from, notes, flags, reports, a decision that is not in effect."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from studio.accounts import preferences
from studio.accounts.models import User, UserPreference
from studio.accounts.permissions import Actor, Permission
from studio.kit.beside import Beside
from studio.market.catalogue import flags
from studio.market.models import (
    CaseState,
    CharacterPublication,
    FieldComment,
    ListingReport,
    ReportState,
    ReviewCase,
    ReviewDecision,
    ReviewFlag,
    ReviewNote,
    ReviewReason,
    UndoneReason,
)
from studio.market.review.dossier import Around
from studio.market.review.held_queries import Held
from studio.market.review.notes import NoteShown
from studio.market.review.queries import Feedback
from studio.market.review.reports import report_visible_to

THEN_NEXT = "review.then_next"
"""The preference of who decides: whether the next case is taken with a decision."""
_MOST_ROWS = 100
_MOST_NOTES = 50


@dataclass(frozen=True, slots=True)
class Margin:
    """What stands around one case; each list in its order, empty where there is nothing, or where it was not asked for."""

    reasons: Sequence[ReviewReason] = ()
    """What can be chosen, for who decides now."""
    notes: Sequence[NoteShown] = ()
    """The newest notes on all listings of the character."""
    flags: Sequence[ReviewFlag] = ()
    """Those with words, oldest first."""
    reports: Sequence[ListingReport] = ()
    """The open ones first."""
    held: Held | None = None
    """The decision that is made and not in effect, with its reasons."""
    undone: Held | None = None
    """The decision that the actor undid last, for who decides now: the form shows again what was chosen."""
    takes_next: bool = False
    """Whether the actor took the next case with their last decision."""


def read(
    session: Session,
    *,
    actor: Actor,
    case: ReviewCase,
    publication: CharacterPublication,
    around: Around,
    decides: bool,
) -> Margin:
    """What stands around a case that the actor was allowed to see: one statement, and none where there is nothing.

    Around the case of their own listing there is nothing for anybody, whatever their roles: a creator learns neither who
    reported them nor what moderators say among themselves, and of a decision not before it is in effect. `decides` says whether the actor may decide now, and so needs the reasons and what they chose before.
    """
    if publication.publisher_id == actor.user_id:
        return Margin()
    lists = Beside(most=_MOST_ROWS)
    reasons = notes = author = open_flags = reports = decision = moderator = comments = reason = choice = None
    if decides:
        order = (ReviewReason.sort_order, ReviewReason.id)
        reasons = lists.put(ReviewReason, ReviewReason.is_active, order=order)
        choice = lists.put(UserPreference, preferences.is_of(actor, THEN_NEXT), order=(UserPreference.id,), most=1)
    if around.has_notes and actor.may(Permission.REVIEW_READ):
        listings = sa.select(CharacterPublication.id).where(
            CharacterPublication.character_id == publication.character_id
        )
        newest = (ReviewNote.created_at.desc(), ReviewNote.id.desc())
        notes = lists.put(ReviewNote, ReviewNote.publication_id.in_(listings), order=newest, most=_MOST_NOTES)
        writer = aliased(User)
        author = lists.join(writer, writer.id == notes.author_id, column=writer.name)
    if around.has_flags:
        is_up = sa.and_(ReviewFlag.publication_id == publication.id, ReviewFlag.cleared_at.is_(None))
        oldest = (ReviewFlag.created_at, ReviewFlag.id)
        open_flags = lists.put(ReviewFlag, is_up, flags.is_told(), order=oldest)
    if around.has_reports:
        of_listing = sa.and_(report_visible_to(actor), ListingReport.publication_id == publication.id)
        open_first = (ListingReport.state != ReportState.OPEN, ListingReport.last_at.desc(), ListingReport.id)
        reports = lists.put(ListingReport, of_listing, order=open_first)
    is_held = case.state is CaseState.DECIDING
    if is_held or (decides and around.was_undone):
        wanted = _is_held(case) if is_held else _was_undone_by(case, actor)
        last = ReviewDecision.id.desc()
        decision = lists.put(ReviewDecision, wanted, order=(last,), most=1)
        decider = aliased(User)
        moderator = lists.join(decider, decider.id == decision.moderator_id, column=decider.name)
        which = sa.select(ReviewDecision.id).where(wanted).order_by(last).limit(1).scalar_subquery()
        comments = lists.put(FieldComment, FieldComment.decision_id == which, order=(FieldComment.id,))
        known = aliased(ReviewReason)
        reason = lists.join(known, known.id == comments.reason_id)
    if lists.is_empty:
        return Margin()
    fetched = lists.fetch(session)
    made = None
    for one, name in fetched.list(decision, moderator) if decision is not None else ():
        given = [Feedback(comment.field, why, comment.comment) for comment, why in fetched.list(comments, reason)]
        made = Held(one, name or "", tuple(given))
    return Margin(
        reasons=fetched.list(reasons) if reasons is not None else (),
        notes=[NoteShown(note, name) for note, name in fetched.list(notes, author)] if notes is not None else (),
        flags=fetched.list(open_flags) if open_flags is not None else (),
        reports=fetched.list(reports) if reports is not None else (),
        held=made if is_held else None,
        undone=None if is_held else made,
        takes_next=any(one.value.get("is_on") for one in (fetched.list(choice) if choice is not None else ())),
    )


def _is_held(case: ReviewCase) -> sa.ColumnElement[bool]:
    return sa.and_(
        ReviewDecision.case_id == case.id, ReviewDecision.effected_at.is_(None), ReviewDecision.undone_at.is_(None)
    )


def _was_undone_by(case: ReviewCase, actor: Actor) -> sa.ColumnElement[bool]:
    return sa.and_(
        ReviewDecision.case_id == case.id,
        ReviewDecision.moderator_id == actor.user_id,
        ReviewDecision.undone_reason == UndoneReason.UNDONE,
    )
