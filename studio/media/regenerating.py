"""Making the sizes of all pictures again: which there are, and one picture at a time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from studio.media import variants
from studio.media.models import MediaFile, MediaPurpose, VariantKind
from studio.providers.storage import Storage


def count_pictures(session: Session) -> int:
    """How many pictures have sizes of their own."""
    return session.scalar(sa.select(sa.func.count()).where(MediaFile.purpose == MediaPurpose.PORTRAIT)) or 0


def count_to_make(session: Session, *, made_before: datetime | None) -> int:
    """How many pictures lack a size, or, with `made_before`, have one that is older."""
    return session.scalar(sa.select(sa.func.count()).where(*_to_make(made_before))) or 0


def ids_to_make(session: Session, *, made_before: datetime | None, after: UUID | None, size: int) -> Sequence[UUID]:
    """The next of these pictures, by id."""
    query = sa.select(MediaFile.id).where(*_to_make(made_before)).order_by(MediaFile.id).limit(size)
    return session.scalars(query if after is None else query.where(MediaFile.id > after)).all()


def remake(session: Session, *, file_id: UUID, made_before: datetime | None, storage: Storage) -> tuple[int, list[str]]:
    """The picture has every size, none older than `made_before`; how many were made, and hashes for `files.drop_unused`.

    May be repeated. Raises as `variants.make`; the old sizes stay then.
    """
    old: list[str] = []
    if made_before is not None:
        old = list(
            session.scalars(
                sa.delete(MediaFile)
                .where(MediaFile.source_id == file_id, MediaFile.created_at < made_before)
                .returning(MediaFile.sha256)
                .execution_options(synchronize_session=False)
            )
        )
    return len(variants.make(session, file_id=file_id, storage=storage)), old


def _to_make(made_before: datetime | None) -> list[sa.ColumnElement[bool]]:
    size = aliased(MediaFile)
    fresh = sa.select(sa.func.count()).where(size.source_id == MediaFile.id)
    if made_before is not None:
        fresh = fresh.where(size.created_at >= made_before)
    return [
        MediaFile.purpose == MediaPurpose.PORTRAIT,
        fresh.correlate(MediaFile).scalar_subquery() < len(VariantKind),
    ]
