"""Listings: offering a version of a character, taking it back, taking it off the market and putting it there again.

Whatever changes a listing locks the character first, then listings, then the case: so two people who press at
once wait for one another and never lock each other out.
"""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, Actor, Permission
from studio.authoring.models import Character, CharacterStatus
from studio.kit.errors import NotFoundError
from studio.market.catalogue import approvals, cases, flags, publishing, queries, transitions, withheld
from studio.market.catalogue.errors import (
    ContentChangedError,
    NotLiveError,
    NotPendingError,
    NotUnlistedError,
    OtherLiveError,
    TakenDownSinceError,
)
from studio.market.catalogue.transitions import Step
from studio.market.models import (
    CaseState,
    CharacterPublication,
    Notice,
    PublicationStatus,
    UndoneReason,
)

RESOURCE = "listing"
_BATCH = 200


def withdraw(session: Session, *, actor: Actor, publication_id: UUID, now: datetime) -> CharacterPublication:
    """A listing that waits, for review or for its time, does not wait any more, and its review is closed.

    A decision that was made a moment ago and is not in effect yet never will be. Withdrawing twice changes nothing.
    Raises ForbiddenError, NotFoundError, or NotPendingError where it was decided.
    """
    publication = own(session, actor=actor, publication_id=publication_id)
    if publication.status is PublicationStatus.WITHDRAWN:
        return publication
    if not transitions.can(publication, Step.WITHDRAW):
        raise NotPendingError
    before = take_back(session, publication, why=UndoneReason.WITHDRAWN, by_id=actor.user_id, now=now)
    tell(publication, None, now=now)
    audit_status(session, actor=actor, action="listing.withdraw", publication=publication, before=before)
    return publication


def take_back(
    session: Session,
    publication: CharacterPublication,
    *,
    why: UndoneReason,
    by_id: UUID | None,
    now: datetime,
    step: Step = Step.WITHDRAW,
) -> str:
    """A locked listing that waits is withdrawn with its review and with a decision that is not in effect yet.

    `step` says how it gets there where it does not wait: out of quarantine, or by an appeal.

    Returns where it stood before.
    """
    case = cases.find_open_case(session, publication_id=publication.id)
    if case is not None:
        case = cases.lock_case(session, case.id)
        cases.close(case, CaseState.WITHDRAWN, now=now)
        held = cases.find_held_decision(session, case_id=case.id)
        if held is not None:
            cases.undone(held, why=why, by_id=by_id, now=now)
    before = transitions.apply(publication, step, now=now, to=PublicationStatus.WITHDRAWN)
    session.flush()
    flags.clear(session, publication_id=publication.id, now=now)
    return before.value


def unlist(session: Session, *, actor: Actor, publication_id: UUID, now: datetime) -> CharacterPublication:
    """A live listing is off the market, and its character is a draft again. Doing it twice changes nothing.

    Raises ForbiddenError, NotFoundError or NotLiveError.
    """
    publication = own(session, actor=actor, publication_id=publication_id)
    if publication.status is PublicationStatus.UNLISTED:
        return publication
    if not transitions.can(publication, Step.UNLIST):
        raise NotLiveError
    transitions.apply(publication, Step.UNLIST, now=now)
    tell(publication, None, now=now)
    session.flush()
    publishing.show_character(session, character_id=publication.character_id, live=None)
    audit_status(session, actor=actor, action="listing.unlist", publication=publication, before="approved")
    return publication


def relist(session: Session, *, actor: Actor, publication_id: UUID, now: datetime) -> CharacterPublication:
    """A listing that was approved and taken off is live again, exactly as it was reviewed.

    Doing it twice changes nothing. Raises ForbiddenError, NotFoundError, NotUnlistedError,
    ArchivedCharacterError, ContentChangedError, TakenDownSinceError where another version was taken down for a severe
    reason, or OtherLiveError while another listing of the character is live.
    """
    publication = own(session, actor=actor, publication_id=publication_id)
    if publication.status is PublicationStatus.APPROVED:
        return publication
    if not transitions.can(publication, Step.RELIST):
        raise NotUnlistedError
    publishing.refuse_impossible(session, publication)
    is_same = publishing.current_hash(session, publication) == publication.content_hash
    if not is_same or not approvals.is_approved(session, publication, content_hash=publication.content_hash):
        raise ContentChangedError
    if withheld.find_judgement(session, publication) is not None:
        raise TakenDownSinceError
    live = find_by_status(session, publication.character_id, PublicationStatus.APPROVED)
    if live is not None:
        raise OtherLiveError(live.title)
    transitions.apply(publication, Step.RELIST, now=now)
    session.flush()
    publishing.show_character(session, character_id=publication.character_id, live=publication)
    audit_status(session, actor=actor, action="listing.relist", publication=publication, before="unlisted")
    return publication


def withdraw_archived(session: Session, *, now: datetime) -> int:
    """Listings that wait while their character is archived are withdrawn, and say so; at most a batch of them."""
    ids = session.execute(
        sa.select(CharacterPublication.id, CharacterPublication.character_id)
        .join(Character, Character.id == CharacterPublication.character_id)
        .where(
            CharacterPublication.status.in_([PublicationStatus.PENDING, PublicationStatus.SCHEDULED]),
            Character.status == CharacterStatus.ARCHIVED,
        )
        .order_by(CharacterPublication.id)
        .limit(_BATCH)
    ).all()
    for publication_id, character_id in ids:
        lock_character(session, character_id)
        publication = lock(session, publication_id)
        status = session.scalar(sa.select(Character.status).where(Character.id == character_id))
        if status is not CharacterStatus.ARCHIVED or not transitions.can(publication, Step.WITHDRAW):
            continue
        before = take_back(session, publication, why=UndoneReason.ARCHIVED, by_id=None, now=now)
        tell(publication, Notice.ARCHIVED, now=now)
        audit_status(session, actor=SYSTEM, action="listing.withdraw", publication=publication, before=before)
    session.flush()
    return len(ids)


def tell(publication: CharacterPublication, notice: Notice | None, *, now: datetime) -> None:
    """The creator reads on the listing's page what happened to it; None takes the notice away."""
    publication.notice = notice
    publication.noticed_at = None if notice is None else now


def lock(session: Session, publication_id: UUID) -> CharacterPublication:
    """The listing, whoever may see it, locked until the transaction ends; its character is locked first."""
    return session.scalars(
        sa.select(CharacterPublication)
        .where(CharacterPublication.id == publication_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def lock_character(session: Session, character_id: UUID) -> None:
    """Nobody else changes listings of this character until the transaction ends."""
    session.execute(sa.select(Character.id).where(Character.id == character_id).with_for_update(key_share=True))


def own(session: Session, *, actor: Actor, publication_id: UUID) -> CharacterPublication:
    """The actor's own listing, locked after its character; a foreign one is not found (NotFoundError)."""
    actor.must(Permission.LISTING_SUBMIT)
    seen = queries.get_listing(session, actor=actor, publication_id=publication_id)
    if seen.publisher_id != actor.user_id:
        raise NotFoundError
    lock_character(session, seen.character_id)
    return queries.get_listing(session, actor=actor, publication_id=publication_id, lock=True)


def find_by_status(session: Session, character_id: UUID, *statuses: PublicationStatus) -> CharacterPublication | None:
    """A listing of the character that stands at one of these, if there is one."""
    return session.scalar(
        sa.select(CharacterPublication)
        .where(CharacterPublication.character_id == character_id, CharacterPublication.status.in_(statuses))
        .limit(1)
    )


def audit_status(
    session: Session, *, actor: Actor, action: str, publication: CharacterPublication, before: str
) -> None:
    """The audit log says where the listing stood before, and where it stands now."""
    audit.record(
        session,
        actor=actor,
        action=action,
        resource=RESOURCE,
        resource_id=publication.id,
        before={"status": before},
        after={"status": publication.status.value},
    )
