"""Internal notes: what moderators tell one another about a listing."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit.text import one_line, storable
from studio.market.catalogue import queries
from studio.market.models import COMMENT_LENGTH, ReviewNote
from studio.market.review.errors import NoteInvalidError, OwnPublicationError


@dataclass(frozen=True, slots=True)
class NoteShown:
    """One note and who wrote it."""

    note: ReviewNote
    author_name: str


def add(session: Session, *, actor: Actor, publication_id: UUID, text: str, now: datetime) -> ReviewNote:
    """Who reviews can read it from now on, at every listing of the same character.

    Raises ForbiddenError, NotFoundError, OwnPublicationError, or NoteInvalidError where it says nothing or too much.
    """
    actor.must(Permission.REVIEW_DECIDE)
    publication = queries.get_listing(session, actor=actor, publication_id=publication_id)
    if publication.publisher_id == actor.user_id:
        raise OwnPublicationError
    text = storable(text).strip()
    if not one_line(text):
        raise NoteInvalidError("Write something first; the note is empty.")
    if len(text) > COMMENT_LENGTH:
        raise NoteInvalidError("Shorten the note to 4,000 characters.")
    note = ReviewNote(publication_id=publication.id, author_id=actor.user_id, text=text, created_at=now)
    session.add(note)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="review_note.add",
        resource="listing",
        resource_id=publication.id,
        kept_from_id=publication.publisher_id,
    )
    return note
