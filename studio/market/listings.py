"""Listings: offering a version of a character, taking it back, taking it off the market and putting it there again.

Whatever changes a listing locks the character first, then listings, then the case: so two people who press at
once wait for one another and never lock each other out.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, Actor, Permission
from studio.authoring import listed, versions
from studio.authoring import queries as characters
from studio.authoring.models import Character, CharacterStatus, CharacterVersion, VersionOccasion
from studio.kit.errors import NotFoundError
from studio.kit.money import Money
from studio.market import flags, queries, resubmissions, rules, transitions
from studio.market.errors import (
    AlreadyPendingError,
    ArchivedCharacterError,
    ContentChangedError,
    ExclusiveTooLateError,
    ListingInvalidError,
    NotLiveError,
    NotOwnCharacterError,
    NotPendingError,
    NotUnlistedError,
    OtherLiveError,
    QuarantinedError,
    SoldExclusivelyError,
)
from studio.market.models import (
    HELD,
    CaseState,
    CharacterCategory,
    CharacterPublication,
    FlagKind,
    LicenseType,
    Notice,
    PublicationStatus,
    Purchase,
    ReviewCase,
    ReviewDecision,
    UndoneReason,
)
from studio.market.transitions import Step

RESOURCE = "listing"
_BATCH = 200


def submit(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    title: str,
    description: str,
    tags: Iterable[str],
    category_id: UUID,
    price: Money,
    license_type: LicenseType,
    now: datetime,
    publish_at: datetime | None = None,
) -> CharacterPublication:
    """The character as it is now waits for review under these words and terms; its screening is asked for.

    A live listing of the character stays live until its successor is approved, and until `publish_at` where that is
    given. Submitting the very same again while it waits (a double click) returns the one that waits.
    Raises ForbiddenError, NotFoundError, ArchivedCharacterError, AlreadyPendingError, QuarantinedError, SevereUnchangedError
    where it is what a severe decision was made against, or ListingInvalidError that names every wrong field.
    """
    actor.must(Permission.LISTING_SUBMIT)
    character = characters.get_character(session, actor=actor, character_id=character_id, lock=True)
    if actor.user_id is None or character.owner_id != actor.user_id:
        raise NotOwnCharacterError
    if character.status is CharacterStatus.ARCHIVED:
        raise ArchivedCharacterError
    texts = rules.checked_listing(
        title=title,
        description=description,
        tags=tags,
        price=price,
        license_type=license_type,
        problems=_category_problems(session, category_id)
        | _sold_problems(session, character.id, license_type)
        | rules.schedule_problems(publish_at, now=now),
    )
    version = versions.make(
        session, actor=actor, character_id=character.id, occasion=VersionOccasion.SUBMITTED, now=now
    )
    content_hash = rules.listing_hash(
        version={"id": str(version.id), "hash": version.content_hash},
        texts=texts,
        category=str(category_id),
        price=price,
        license_type=license_type,
    )
    if _find_by_status(session, character.id, PublicationStatus.QUARANTINED) is not None:
        raise QuarantinedError
    pending = _find_by_status(session, character.id, PublicationStatus.PENDING, PublicationStatus.SCHEDULED)
    if pending is not None:
        if pending.content_hash == content_hash:
            return pending
        raise AlreadyPendingError(pending.title)
    publication = CharacterPublication(
        character_id=character.id,
        version_number=version.version_number,
        publisher_id=actor.user_id,
        title=texts.title,
        description=texts.description,
        tags=list(texts.tags),
        category_id=category_id,
        price_minor=price.minor,
        currency=price.currency,
        license_type=license_type,
        status=PublicationStatus.PENDING,
        content_hash=content_hash,
        submitted_at=now,
        publish_at=publish_at,
        created_at=now,
    )
    resubmissions.refuse_unchanged(session, publication, version)
    _add_pending(session, publication)
    if not queries.was_approved_before(session, publisher_id=actor.user_id):
        flags.put(session, publication_id=publication.id, kind=FlagKind.NEW_CREATOR, now=now)
    audit.record(
        session, actor=actor, action="listing.submit", resource=RESOURCE, resource_id=publication.id,
        after=_terms(publication),
    )  # fmt: skip
    open_case(session, publication, actor=actor, now=now)
    ask_embedding(session, actor=actor, character_id=character.id, now=now)
    return publication


def open_case(session: Session, publication: CharacterPublication, *, actor: Actor, now: datetime) -> ReviewCase:
    """The listing is on its way to the desk: it is screened, then it waits. One that is on its way already is left alone."""
    case = queries.find_open_case(session, publication_id=publication.id)
    if case is not None:
        return case
    case = ReviewCase(publication_id=publication.id, state=CaseState.SCREENING, opened_at=now, due_at=rules.due_at(now))
    session.add(case)
    session.flush()
    ask_screening(session, actor=actor, case=case, character_id=publication.character_id, now=now)
    return case


def ask_embedding(session: Session, *, actor: Actor, character_id: UUID, now: datetime) -> None:
    """Search finds the character as it is, soon."""
    work.ask(
        session,
        "memory.embed_character",
        actor=actor,
        about=("character", character_id),
        dedupe_key=f"memory.embed_character:{character_id}",
        now=now,
        character_id=character_id,
    )


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
    session: Session, publication: CharacterPublication, *, why: UndoneReason, by_id: UUID | None, now: datetime
) -> str:
    """A locked listing that waits is withdrawn with its review and with a decision that is not in effect yet.

    Returns where it stood before.
    """
    case = queries.find_open_case(session, publication_id=publication.id)
    if case is not None:
        case = lock_case(session, case.id)
        close(case, CaseState.WITHDRAWN, now=now)
        held = queries.find_held_decision(session, case_id=case.id)
        if held is not None:
            undone(held, why=why, by_id=by_id, now=now)
    before = transitions.apply(publication, Step.WITHDRAW, now=now)
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
    show_character(session, character_id=publication.character_id, live=None)
    audit_status(session, actor=actor, action="listing.unlist", publication=publication, before="approved")
    return publication


def relist(session: Session, *, actor: Actor, publication_id: UUID, now: datetime) -> CharacterPublication:
    """A listing that was approved and taken off is live again, exactly as it was reviewed.

    Doing it twice changes nothing. Raises ForbiddenError, NotFoundError, NotUnlistedError,
    ArchivedCharacterError, ContentChangedError, or OtherLiveError while another listing of the character is live.
    """
    publication = own(session, actor=actor, publication_id=publication_id)
    if publication.status is PublicationStatus.APPROVED:
        return publication
    if not transitions.can(publication, Step.RELIST):
        raise NotUnlistedError
    refuse_impossible(session, publication)
    if current_hash(session, publication) != publication.content_hash:
        raise ContentChangedError
    live = _find_by_status(session, publication.character_id, PublicationStatus.APPROVED)
    if live is not None:
        raise OtherLiveError(live.title)
    transitions.apply(publication, Step.RELIST, now=now)
    session.flush()
    show_character(session, character_id=publication.character_id, live=publication)
    audit_status(session, actor=actor, action="listing.relist", publication=publication, before="unlisted")
    return publication


def go_live(
    session: Session, publication: CharacterPublication, *, step: Step, actor: Actor, now: datetime
) -> CharacterPublication | None:
    """A locked listing is live by `step`, and what was live of its character is unlisted; returns that one."""
    former = session.scalars(
        sa.select(CharacterPublication)
        .where(
            CharacterPublication.character_id == publication.character_id,
            CharacterPublication.status == PublicationStatus.APPROVED,
        )
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if former is not None:
        transitions.apply(former, Step.UNLIST, now=now)
        # A character is live once: the predecessor must have gone before the successor comes.
        session.flush()
    transitions.apply(publication, step, now=now, to=PublicationStatus.APPROVED)
    session.flush()
    show_character(session, character_id=publication.character_id, live=publication)
    ask_embedding(session, actor=actor, character_id=publication.character_id, now=now)
    return former


def refuse_impossible(session: Session, publication: CharacterPublication) -> None:
    """Return where a listing can be live: its character is there, and is not sold.

    Raises ArchivedCharacterError, SoldExclusivelyError or ExclusiveTooLateError.
    """
    status = session.scalar(sa.select(Character.status).where(Character.id == publication.character_id))
    if status is CharacterStatus.ARCHIVED:
        raise ArchivedCharacterError
    refuse_sold(session, character_id=publication.character_id, license_type=publication.license_type)


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


def undone(decision: ReviewDecision, *, why: UndoneReason, by_id: UUID | None, now: datetime) -> None:
    """A decision that was held back never takes effect."""
    decision.undone_at = now
    decision.undone_reason = why
    decision.undone_by_id = by_id


def lock(session: Session, publication_id: UUID) -> CharacterPublication:
    """The listing, whoever may see it, locked until the transaction ends; its character is locked first."""
    return session.scalars(
        sa.select(CharacterPublication)
        .where(CharacterPublication.id == publication_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def lock_case(session: Session, case_id: UUID) -> ReviewCase:
    """The case, locked until the transaction ends; its character and its listing are locked first."""
    return session.scalars(
        sa.select(ReviewCase)
        .where(ReviewCase.id == case_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def lock_character(session: Session, character_id: UUID) -> None:
    """Nobody else changes listings of this character until the transaction ends."""
    session.execute(sa.select(Character.id).where(Character.id == character_id).with_for_update(key_share=True))


def show_character(session: Session, *, character_id: UUID, live: CharacterPublication | None) -> None:
    """Others can meet and find the character as its `live` listing offers it, or not at all.

    An archived one stays archived. Its text did not change, so neither its row version nor its time of change does: an
    editor that is open elsewhere must not become stale because a moderator pressed a button.
    """
    table: sa.Table = Character.__table__  # type: ignore[assignment]
    status = CharacterStatus.DRAFT if live is None else CharacterStatus.PUBLISHED
    if live is None:
        listed.hide(session, character_id=character_id)
    else:
        listed.show(
            session,
            character_id=character_id,
            version_number=live.version_number,
            title=live.title,
            tags=live.tags,
        )
    session.execute(
        sa.update(table)
        .where(table.c.id == character_id, table.c.status != CharacterStatus.ARCHIVED)
        .values(status=status, updated_at=table.c.updated_at)
    )
    character = session.identity_map.get(identity_key(Character, character_id))
    if character is not None:
        session.refresh(character, ["status"])


def refuse_sold(session: Session, *, character_id: UUID, license_type: LicenseType) -> None:
    """Return where a listing of the character can be live under this licence.

    What one person has exclusively is offered to nobody else (SoldExclusivelyError), and what others have is no exclusive
    (ExclusiveTooLateError). PostgreSQL refuses both as well.
    """
    held = sa.select(sa.literal(1)).where(Purchase.character_id == character_id, Purchase.status.in_(HELD)).limit(1)
    if session.scalar(held.where(Purchase.license_type == LicenseType.EXCLUSIVE)):
        raise SoldExclusivelyError
    if license_type is LicenseType.EXCLUSIVE and session.scalar(held):
        raise ExclusiveTooLateError


def close(case: ReviewCase, state: CaseState, *, now: datetime) -> None:
    """The case is closed and nobody holds it."""
    case.state = state
    case.closed_at = now
    case.claimed_by_id = None
    case.claim_expires_at = None


def current_hash(session: Session, publication: CharacterPublication) -> str:
    """The hash of what the rows of a listing say at this moment."""
    version_id, version_hash = session.execute(
        sa.select(CharacterVersion.id, CharacterVersion.content_hash).where(
            CharacterVersion.character_id == publication.character_id,
            CharacterVersion.version_number == publication.version_number,
        )
    ).one()
    return rules.listing_hash(
        version={"id": str(version_id), "hash": version_hash},
        texts=rules.ListingTexts(publication.title, publication.description, tuple(publication.tags)),
        category=str(publication.category_id),
        price=Money(publication.price_minor, publication.currency),
        license_type=publication.license_type,
    )


def own(session: Session, *, actor: Actor, publication_id: UUID) -> CharacterPublication:
    """The actor's own listing, locked after its character; a foreign one is not found (NotFoundError)."""
    actor.must(Permission.LISTING_SUBMIT)
    seen = queries.get_listing(session, actor=actor, publication_id=publication_id)
    if seen.publisher_id != actor.user_id:
        raise NotFoundError
    lock_character(session, seen.character_id)
    return queries.get_listing(session, actor=actor, publication_id=publication_id, lock=True)


def _find_by_status(session: Session, character_id: UUID, *statuses: PublicationStatus) -> CharacterPublication | None:
    return session.scalar(
        sa.select(CharacterPublication)
        .where(CharacterPublication.character_id == character_id, CharacterPublication.status.in_(statuses))
        .limit(1)
    )


def _category_problems(session: Session, category_id: UUID) -> dict[str, str]:
    is_active = session.scalar(sa.select(CharacterCategory.is_active).where(CharacterCategory.id == category_id))
    return {} if is_active else {"category_id": "Choose an open category."}


def _sold_problems(session: Session, character_id: UUID, license_type: LicenseType) -> dict[str, str]:
    try:
        refuse_sold(session, character_id=character_id, license_type=license_type)
    except (SoldExclusivelyError, ExclusiveTooLateError) as error:
        return {"license_type": error.msgid}
    return {}


def _add_pending(session: Session, publication: CharacterPublication) -> None:
    """The lock on the character keeps others out; the unique index keeps out whoever forgets it."""
    try:
        with session.begin_nested():
            session.add(publication)
            session.flush()
    except IntegrityError as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        if constraint == "uq_character_publications_character_id_pending":
            raise AlreadyPendingError(publication.title) from None
        if constraint == "fk_character_publications_category_id":
            raise ListingInvalidError({"category_id": "Choose an open category."}) from None
        raise


def _terms(publication: CharacterPublication) -> dict[str, Any]:
    return {
        "title": publication.title,
        "version_number": publication.version_number,
        "price_minor": publication.price_minor,
        "currency": publication.currency,
        "license_type": publication.license_type.value,
        "content_hash": publication.content_hash,
    }


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
