"""Publishing: the one live listing of a character, and what others can meet of it."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from studio import work
from studio.accounts.permissions import Actor
from studio.authoring import listed
from studio.authoring.models import Character, CharacterStatus, CharacterVersion
from studio.kit.money import Money
from studio.market.catalogue import rules, transitions
from studio.market.catalogue.errors import (
    ArchivedCharacterError,
    ExclusiveTooLateError,
    SoldExclusivelyError,
)
from studio.market.catalogue.transitions import Step
from studio.market.models import (
    HELD,
    CharacterPublication,
    LicenseType,
    PublicationStatus,
    Purchase,
    UndoneReason,
)


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


def find_obstacle(session: Session, publication: CharacterPublication) -> UndoneReason | None:
    """Why a listing cannot be live, whatever it says: its character is archived, or sold; None where it can."""
    try:
        refuse_impossible(session, publication)
    except ArchivedCharacterError:
        return UndoneReason.ARCHIVED
    except (SoldExclusivelyError, ExclusiveTooLateError):
        return UndoneReason.SOLD
    return None


def leads_to_the_market(publication: CharacterPublication) -> bool:
    """Whether an approval makes the listing live, or nothing: one that is off the market stays so.

    One that was live before its quarantine may come out of it off the market.
    """
    if publication.status is PublicationStatus.QUARANTINED:
        return publication.quarantined_from not in {PublicationStatus.APPROVED, PublicationStatus.UNLISTED}
    return publication.status is not PublicationStatus.UNLISTED


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
