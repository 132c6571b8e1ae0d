"""What of a character is for sale, to whom, and its leaving the market once it is sold exclusively."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, Actor
from studio.authoring.models import Character, CharacterStatus
from studio.kit.errors import NotFoundError
from studio.market.catalogue import listings, publishing, queries, transitions
from studio.market.catalogue.transitions import Step
from studio.market.models import (
    HELD,
    CharacterPublication,
    LicenseType,
    Notice,
    PublicationStatus,
    Purchase,
    PurchaseStatus,
    UndoneReason,
)
from studio.market.money.errors import (
    NotForSaleError,
    OwnPurchaseError,
    ReservedError,
)


def lock_offer(session: Session, *, actor: Actor, publication_id: UUID) -> CharacterPublication:
    """The listing that the actor could buy, locked after its character. Raises NotFoundError, OwnPurchaseError or NotForSaleError."""
    try:
        seen = queries.get_listing(session, actor=actor, publication_id=publication_id)
    except NotFoundError:
        if _was_sold_exclusively(session, publication_id):
            # Who had its page open a moment ago is told; it was on the market for everybody to see.
            raise NotForSaleError from None
        raise
    listings.lock_character(session, seen.character_id)
    publication = queries.get_listing(session, actor=actor, publication_id=publication_id, lock=True)
    if publication.publisher_id == actor.user_id:
        raise OwnPurchaseError
    status = session.scalar(sa.select(Character.status).where(Character.id == publication.character_id))
    if publication.status is not PublicationStatus.APPROVED or status is CharacterStatus.ARCHIVED:
        raise NotForSaleError
    return publication


def _was_sold_exclusively(session: Session, publication_id: UUID) -> bool:
    query = sa.select(sa.literal(1)).where(
        Purchase.publication_id == publication_id,
        Purchase.license_type == LicenseType.EXCLUSIVE,
        Purchase.status.in_(HELD),
    )
    return session.scalar(query.limit(1)) is not None


def open_or_held(character_id: UUID) -> sa.Select[Purchase]:
    """Purchases of a character that wait for their money or were paid and hold a licence."""
    return sa.select(Purchase).where(
        Purchase.character_id == character_id, Purchase.status.in_([PurchaseStatus.PENDING, *HELD])
    )


def refuse_if_taken(publication: CharacterPublication, others: list[Purchase]) -> None:
    """Return where the purchases of `others` leave the listing to one more buyer; raises NotForSaleError or ReservedError."""
    exclusive = [one for one in others if one.license_type is LicenseType.EXCLUSIVE]
    if any(one.status is not PurchaseStatus.PENDING for one in exclusive):
        raise NotForSaleError
    if exclusive:
        raise ReservedError
    if publication.license_type is LicenseType.EXCLUSIVE and others:
        # Somebody else has it, or is paying for it, under an earlier licence.
        raise NotForSaleError


def take_off_the_market(session: Session, purchase: Purchase, *, now: datetime) -> None:
    """Every listing of a character that was sold exclusively is off the market, or comes out of quarantine off it."""
    found = session.scalars(
        sa.select(CharacterPublication)
        .where(
            CharacterPublication.character_id == purchase.character_id,
            CharacterPublication.status.in_(
                [
                    PublicationStatus.APPROVED,
                    PublicationStatus.PENDING,
                    PublicationStatus.SCHEDULED,
                    PublicationStatus.QUARANTINED,
                ]
            ),
        )
        .order_by(CharacterPublication.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    for listing in found:
        if listing.status is PublicationStatus.APPROVED:
            before = transitions.apply(listing, Step.UNLIST, now=now).value
            session.flush()
            publishing.show_character(session, character_id=purchase.character_id, live=None)
        elif listing.status is PublicationStatus.QUARANTINED:
            # A moderator still has to look. It comes out off the market; what waited before is withdrawn then.
            if listing.quarantined_from is PublicationStatus.APPROVED:
                listing.quarantined_from = PublicationStatus.UNLISTED
            continue
        else:
            # What waits to follow it could never go live.
            before = listings.take_back(session, listing, why=UndoneReason.SOLD, by_id=None, now=now)
        listings.tell(listing, Notice.SOLD, now=now)
        audit.record(
            session,
            actor=SYSTEM,
            action="listing.sell_exclusively",
            resource=listings.RESOURCE,
            resource_id=listing.id,
            before={"status": before},
            after={"status": listing.status.value},
        )
    session.flush()
