"""Rules of reviews that need no database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from studio.kit.text import storable
from studio.market.catalogue import rules
from studio.market.models import COMMENT_LENGTH, CaseState, ReviewCase
from studio.market.review.errors import ReasonsInvalidError

CLAIM = timedelta(minutes=30)
"""How long a claim lasts without a sign of life of its holder."""

UNDO = timedelta(seconds=10)
"""How long a decision is held back, in which whoever made it can undo it."""

AT_ONCE = timedelta(0)
"""A decision is in effect as it is made: where rows are brought in, and nobody could press Undo."""

APPEAL_WITHIN = timedelta(days=184)
"""How long after a decision took effect its creator can appeal against it."""
MOST_REASONS = 20

CARD_FIELDS = (
    "name",
    "description",
    "personality",
    "scenario",
    "first_mes",
    "alternate_greetings",
    "mes_example",
    "system_prompt",
    "post_history_instructions",
    "creator_notes",
    "tags",
    "character_book",
    "portrait",
    "content_rating",
)
LISTING_FIELDS = ("listing.title", "listing.description", "listing.tags", "listing.category", "listing.price")
REVIEW_FIELDS = CARD_FIELDS + LISTING_FIELDS
"""What a reason can be tied to: fields of the card by their V3 name, and fields of the listing."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a listing is rejected: the code of a reason, the field that it is about ("" is the whole), own words."""

    code: str
    field: str = ""
    comment: str = ""


def is_held(case: ReviewCase, *, now: datetime) -> bool:
    """Whether somebody holds the case at `now`; a claim ends by itself."""
    return case.state is CaseState.CLAIMED and case.claim_expires_at is not None and case.claim_expires_at > now


def checked_reasons(reasons: Iterable[Reason]) -> list[Reason]:
    """The reasons of a rejection, cleaned, each once; raises ReasonsInvalidError where none or a wrong field is given."""
    cleaned = rules.distinct(
        Reason(code=reason.code.strip(), field=reason.field.strip(), comment=storable(reason.comment).strip())
        for reason in reasons
    )
    if not cleaned:
        raise ReasonsInvalidError(
            "Give at least one reason, so that the creator knows what to change.",
            fields={"reasons": "Give at least one reason."},
        )
    if len(cleaned) > MOST_REASONS:
        raise ReasonsInvalidError("Give at most %(most)s reasons.", most=MOST_REASONS)
    for reason in cleaned:
        if reason.field and reason.field not in REVIEW_FIELDS:
            raise ReasonsInvalidError(
                "A reason is tied to a field that does not exist; choose one from the list.",
                fields={"field": "Choose a field from the list."},
            )
        if len(reason.comment) > COMMENT_LENGTH:
            raise ReasonsInvalidError("Shorten the comment to %(most)s characters.", most=COMMENT_LENGTH)
    return cleaned


def checked_note(note: str) -> str:
    """The moderator's note, cleaned; raises ReasonsInvalidError where it is too long."""
    note = storable(note).strip()
    if len(note) > COMMENT_LENGTH:
        raise ReasonsInvalidError(
            "Shorten the note to %(most)s characters.",
            fields={"note": "Shorten the note to 4,000 characters."},
            most=COMMENT_LENGTH,
        )
    return note
