"""Submitting: a version of a character waits for review under words and terms."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.authoring import queries as characters
from studio.authoring import versions
from studio.authoring.models import CharacterStatus, VersionOccasion
from studio.kit.money import Money
from studio.kit.text import storable
from studio.market.catalogue import cases, flags, listings, publishing, queries, resubmissions, rules
from studio.market.catalogue.errors import (
    AlreadyPendingError,
    ArchivedCharacterError,
    ExclusiveTooLateError,
    ListingInvalidError,
    NotOwnCharacterError,
    QuarantinedError,
    SoldExclusivelyError,
)
from studio.market.models import (
    CharacterPublication,
    FlagKind,
    LicenseType,
    PublicationStatus,
)


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
    to_moderator: str = "",
) -> CharacterPublication:
    """The character as it is now waits for review under these words and terms; its screening is asked for.

    A live listing of the character stays live until its successor is approved, and until `publish_at` where that is
    given. `to_moderator` is read at the desk and nowhere else. Submitting the very same again while it waits (a double click) returns the one that waits.
    Raises ForbiddenError, NotFoundError, ArchivedCharacterError, AlreadyPendingError, QuarantinedError, SevereUnchangedError
    where it is what a severe decision was made against, or ListingInvalidError that names every wrong field.
    """
    actor.must(Permission.LISTING_SUBMIT)
    character = characters.get_character(session, actor=actor, character_id=character_id, lock=True)
    if actor.user_id is None or character.owner_id != actor.user_id:
        raise NotOwnCharacterError
    if character.status is CharacterStatus.ARCHIVED:
        raise ArchivedCharacterError
    to_moderator = storable(to_moderator).strip()
    texts = rules.checked_listing(
        title=title,
        description=description,
        tags=tags,
        price=price,
        license_type=license_type,
        problems=_category_problems(session, category_id)
        | _sold_problems(session, character.id, license_type)
        | rules.schedule_problems(publish_at, now=now)
        | rules.message_problems(to_moderator),
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
    if listings.find_by_status(session, character.id, PublicationStatus.QUARANTINED) is not None:
        raise QuarantinedError
    pending = listings.find_by_status(session, character.id, PublicationStatus.PENDING, PublicationStatus.SCHEDULED)
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
        to_moderator=to_moderator,
        created_at=now,
    )
    resubmissions.refuse_unchanged(session, publication, version)
    _add_pending(session, publication)
    if not queries.was_approved_before(session, publisher_id=actor.user_id):
        flags.put(session, publication_id=publication.id, kind=FlagKind.NEW_CREATOR, now=now)
    audit.record(
        session, actor=actor, action="listing.submit", resource=listings.RESOURCE, resource_id=publication.id,
        after=_terms(publication),
    )  # fmt: skip
    cases.open_case(session, publication, actor=actor, now=now)
    publishing.ask_embedding(session, actor=actor, character_id=character.id, now=now)
    return publication


def _category_problems(session: Session, category_id: UUID) -> dict[str, str]:
    """A closed shelf takes nothing, and neither does what stands in it; who closes one waits until this is submitted."""
    is_open = category_id in queries.open_categories(session, [category_id], lock=True)
    return {} if is_open else {"category_id": "Choose an open category."}


def _sold_problems(session: Session, character_id: UUID, license_type: LicenseType) -> dict[str, str]:
    try:
        publishing.refuse_sold(session, character_id=character_id, license_type=license_type)
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
