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
from studio.accounts.permissions import Actor, Permission
from studio.authoring import listed, versions
from studio.authoring import queries as characters
from studio.authoring.models import Character, CharacterStatus, CharacterVersion, VersionOccasion
from studio.kit.errors import NotFoundError
from studio.kit.money import Money
from studio.market import queries, rules
from studio.market.errors import (
    AlreadyPendingError,
    ArchivedCharacterError,
    ExclusiveTooLateError,
    ListingInvalidError,
    NotLiveError,
    NotOwnCharacterError,
    NotPendingError,
    NotUnlistedError,
    OtherLiveError,
    SoldExclusivelyError,
)
from studio.market.models import (
    HELD,
    CaseState,
    CharacterCategory,
    CharacterPublication,
    LicenseType,
    PublicationStatus,
    Purchase,
    ReviewCase,
)

RESOURCE = "listing"


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
) -> CharacterPublication:
    """The character as it is now waits for review under these words and terms; its screening is asked for.

    A live listing of the character stays live until its successor is approved. Submitting the very same again
    while it waits (a double click) returns the one that waits.
    Raises ForbiddenError, NotFoundError, ArchivedCharacterError, AlreadyPendingError, or ListingInvalidError
    that names every wrong field.
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
        problems=_category_problems(session, category_id) | _sold_problems(session, character.id, license_type),
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
    pending = _find_by_status(session, character.id, PublicationStatus.PENDING)
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
        created_at=now,
    )
    _add_pending(session, publication)
    case = ReviewCase(publication_id=publication.id, state=CaseState.SCREENING, opened_at=now, due_at=rules.due_at(now))
    session.add(case)
    session.flush()
    audit.record(
        session, actor=actor, action="listing.submit", resource=RESOURCE, resource_id=publication.id,
        after=_terms(publication),
    )  # fmt: skip
    ask_screening(session, actor=actor, case=case, character_id=character.id, now=now)
    work.ask(
        session,
        "memory.embed_character",
        actor=actor,
        about=("character", character.id),
        dedupe_key=f"memory.embed_character:{character.id}",
        now=now,
        character_id=character.id,
    )
    return publication


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
    """A listing that waits does not wait any more, and its review is closed. Withdrawing twice changes nothing.

    Raises ForbiddenError, NotFoundError, or NotPendingError where it was decided.
    """
    publication = _own(session, actor=actor, publication_id=publication_id)
    if publication.status is PublicationStatus.WITHDRAWN:
        return publication
    if publication.status is not PublicationStatus.PENDING:
        raise NotPendingError
    case = queries.find_open_case(session, publication_id=publication.id)
    if case is not None:
        case = session.get_one(ReviewCase, case.id, with_for_update={"key_share": True}, populate_existing=True)
        close(case, CaseState.WITHDRAWN, now=now)
    publication.status = PublicationStatus.WITHDRAWN
    session.flush()
    _audit_status(session, actor=actor, action="listing.withdraw", publication=publication, before="pending")
    return publication


def unlist(session: Session, *, actor: Actor, publication_id: UUID) -> CharacterPublication:
    """A live listing is off the market, and its character is a draft again. Doing it twice changes nothing.

    Raises ForbiddenError, NotFoundError or NotLiveError.
    """
    publication = _own(session, actor=actor, publication_id=publication_id)
    if publication.status is PublicationStatus.UNLISTED:
        return publication
    if publication.status is not PublicationStatus.APPROVED:
        raise NotLiveError
    publication.status = PublicationStatus.UNLISTED
    session.flush()
    show_character(session, character_id=publication.character_id, live=None)
    _audit_status(session, actor=actor, action="listing.unlist", publication=publication, before="approved")
    return publication


def relist(session: Session, *, actor: Actor, publication_id: UUID) -> CharacterPublication:
    """A listing that was approved and taken off is live again, in the version that was reviewed.

    Doing it twice changes nothing. Raises ForbiddenError, NotFoundError, NotUnlistedError,
    ArchivedCharacterError, or OtherLiveError while another listing of the character is live.
    """
    publication = _own(session, actor=actor, publication_id=publication_id)
    if publication.status is PublicationStatus.APPROVED:
        return publication
    if publication.status is not PublicationStatus.UNLISTED or publication.published_at is None:
        raise NotUnlistedError
    status = session.scalar(sa.select(Character.status).where(Character.id == publication.character_id))
    if status is CharacterStatus.ARCHIVED:
        raise ArchivedCharacterError
    refuse_sold(session, character_id=publication.character_id, license_type=publication.license_type)
    live = _find_by_status(session, publication.character_id, PublicationStatus.APPROVED)
    if live is not None:
        raise OtherLiveError(live.title)
    publication.status = PublicationStatus.APPROVED
    session.flush()
    show_character(session, character_id=publication.character_id, live=publication)
    _audit_status(session, actor=actor, action="listing.relist", publication=publication, before="unlisted")
    return publication


def lock_character(session: Session, character_id: UUID) -> None:
    """Nobody else changes listings of this character until the transaction ends."""
    session.execute(sa.select(Character.id).where(Character.id == character_id).with_for_update(key_share=True))


def show_character(session: Session, *, character_id: UUID, live: CharacterPublication | None) -> None:
    """Others can meet and find the character as its `live` listing offers it, or not at all.

    An archived one stays archived.

    Its text did not change, so neither its row version nor its time of change does: an editor that is open elsewhere
    must not become stale because a moderator pressed a button.
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


def _own(session: Session, *, actor: Actor, publication_id: UUID) -> CharacterPublication:
    """The actor's own listing, locked after its character; a foreign one is not found."""
    actor.must(Permission.LISTING_SUBMIT)
    seen = queries.get_listing(session, actor=actor, publication_id=publication_id)
    if seen.publisher_id != actor.user_id:
        raise NotFoundError
    lock_character(session, seen.character_id)
    return queries.get_listing(session, actor=actor, publication_id=publication_id, lock=True)


def _find_by_status(session: Session, character_id: UUID, status: PublicationStatus) -> CharacterPublication | None:
    return session.scalar(
        sa.select(CharacterPublication).where(
            CharacterPublication.character_id == character_id, CharacterPublication.status == status
        )
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


def _audit_status(
    session: Session, *, actor: Actor, action: str, publication: CharacterPublication, before: str
) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        resource=RESOURCE,
        resource_id=publication.id,
        before={"status": before},
        after={"status": publication.status.value},
    )
