"""Who may see which files, and reads of them."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import NotFoundError
from studio.media.models import MediaFile, MediaPurpose


def file_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Moderators and staff see the pictures that screens show and card sources; everyone else sees their own files."""
    if actor.may(Permission.MEDIA_READ_ANY):
        return sa.true()
    if actor.may(Permission.MEDIA_READ_OWN) and actor.user_id is not None:
        return MediaFile.owner_id == actor.user_id
    return sa.false()


def get_file(session: Session, *, actor: Actor, file_id: UUID) -> MediaFile:
    """The file, if the actor may see it; raises NotFoundError."""
    file = session.scalar(sa.select(MediaFile).where(file_visible_to(actor), MediaFile.id == file_id))
    if file is None:
        raise NotFoundError
    return file


def find_same(session: Session, *, owner_id: UUID | None, sha256: str, purpose: MediaPurpose) -> MediaFile | None:
    """A file of this person with the same bytes and purpose, if there is one."""
    return session.scalar(
        sa.select(MediaFile)
        .where(
            MediaFile.sha256 == sha256,
            MediaFile.purpose == purpose,
            MediaFile.owner_id.is_not_distinct_from(owner_id),
        )
        .order_by(MediaFile.id)
        .limit(1)
    )
