"""What a severe decision means for the other listings of its character: none stays where people meet it unless somebody looks."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor
from studio.market.catalogue import cases, flags, listings, transitions, withheld
from studio.market.catalogue.transitions import Step
from studio.market.models import CharacterPublication, FlagKind, Notice, PublicationStatus

WHY = "Another version of this character was refused for a severe reason. Decide whether this one may stay."
"""What the desk says of a listing that waits because of its sibling."""

_MEANT_FOR_PEOPLE = (PublicationStatus.APPROVED, PublicationStatus.SCHEDULED)


def look_at(session: Session, publication: CharacterPublication, *, actor: Actor, now: datetime) -> None:
    """The listings of the same character that are live or wait for their time are at the desk, whose severe decision is in effect.

    What is handed out to nobody any more is hidden until somebody has looked; the others stay where they are meanwhile.
    The character is locked.
    """
    others = session.scalars(
        sa.select(CharacterPublication.id)
        .where(
            CharacterPublication.character_id == publication.character_id,
            CharacterPublication.id != publication.id,
            CharacterPublication.status.in_(_MEANT_FOR_PEOPLE),
        )
        .order_by(CharacterPublication.id)
    ).all()
    for other_id in others:
        other = listings.lock(session, other_id)
        is_judged = withheld.find_judgement(session, other) is not None
        before = other.status
        if is_judged:
            transitions.apply(other, Step.QUARANTINE, now=now)
            listings.tell(other, Notice.QUARANTINED, now=now)
            session.flush()
        cases.open_case(session, other, actor=actor, now=now)
        kind = FlagKind.QUARANTINED if is_judged else FlagKind.REQUEUED
        flags.put(session, publication_id=other.id, kind=kind, now=now, detail=WHY)
        audit.record(
            session,
            actor=actor,
            action="listing.quarantine" if is_judged else "listing.review_again",
            resource=listings.RESOURCE,
            resource_id=other.id,
            before={"status": before.value},
            after={"status": other.status.value},
            reason=WHY,
            kept_from_id=other.publisher_id,
        )
    session.flush()
