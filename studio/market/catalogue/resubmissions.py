"""What was sent back for a severe reason is not submitted again as it was: it is changed, or appealed against."""

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from studio.authoring.models import CharacterVersion
from studio.market.catalogue.errors import SevereUnchangedError
from studio.market.models import CharacterPublication, FieldComment, Outcome, ReviewCase, ReviewDecision

_AGAINST = (Outcome.CHANGES_REQUESTED, Outcome.REJECTED, Outcome.TAKEN_DOWN)
_LISTING = "listing."
_MOST_LOOKED_AT = 200


def refuse_unchanged(session: Session, publication: CharacterPublication, version: CharacterVersion) -> None:
    """Return where `publication`, not in the session yet, is not what a severe decision was made against.

    What has to be another is what the decision's reasons are about: the card with its picture, the listing's own words and terms, or,
    of reasons about the whole, either. The creator's other characters count too: a copy of the character is the same. A decision
    that was overturned on appeal stands in nobody's way. Raises SevereUnchangedError.
    """
    decisions = (
        sa.select(ReviewDecision.id, CharacterPublication, CharacterVersion)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .join(
            CharacterVersion,
            sa.and_(
                CharacterVersion.character_id == CharacterPublication.character_id,
                CharacterVersion.version_number == CharacterPublication.version_number,
            ),
        )
        .where(
            CharacterPublication.publisher_id == publication.publisher_id,
            sa.or_(
                CharacterPublication.character_id == publication.character_id,
                CharacterVersion.content_hash == version.content_hash,
            ),
            ReviewDecision.is_severe,
            ReviewDecision.outcome.in_(_AGAINST),
            ReviewDecision.effected_at.is_not(None),
            ReviewDecision.overturned_at.is_(None),
        )
        .order_by(ReviewDecision.effected_at.desc())
        .limit(_MOST_LOOKED_AT)
        .options(undefer(CharacterVersion.studio))
    )
    against = session.execute(decisions).all()
    if not against:
        return
    fields: dict[UUID, set[str]] = {}
    ids = [decision_id for decision_id, _, _ in against]
    comments = sa.select(FieldComment.decision_id, FieldComment.field).where(FieldComment.decision_id.in_(ids))
    for decision_id, field in session.execute(comments):
        fields.setdefault(decision_id, set()).add(field)
    for decision_id, refused, refused_version in against:
        if _is_unchanged(
            fields.get(decision_id, {""}),
            is_card_same=_card(refused_version) == _card(version),
            is_listing_same=_listing(refused) == _listing(publication),
        ):
            raise SevereUnchangedError


def _is_unchanged(fields: Iterable[str], *, is_card_same: bool, is_listing_same: bool) -> bool:
    """Whether any of what the reasons are about is still the same. Pure."""
    for field in fields:
        if field.startswith(_LISTING):
            is_same = is_listing_same
        elif field:
            is_same = is_card_same
        else:
            is_same = is_card_same and is_listing_same
        if is_same:
            return True
    return False


def _card(version: CharacterVersion) -> tuple[object, ...]:
    return version.content_hash, version.portrait_id, version.studio


def _listing(publication: CharacterPublication) -> tuple[object, ...]:
    terms = (publication.category_id, publication.price_minor, publication.currency.strip(), publication.license_type)
    return publication.title, publication.description, tuple(publication.tags), *terms
