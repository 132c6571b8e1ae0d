"""The sizes of a picture that screens use, made once each, anew where its crop or its focal point was moved."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts.permissions import SYSTEM, Actor
from studio.media import files, pixels
from studio.media.models import MediaFile, MediaPurpose, VariantKind
from studio.providers.storage import Storage, key_of
from studio.work.models import FINAL, JobRun


def ask(session: Session, *, file_id: UUID, actor: Actor = SYSTEM) -> JobRun:
    """The picture will have every variant, soon after this transaction is committed."""
    return work.ask(
        session,
        "media.make_variants",
        actor=actor,
        about=("media_file", file_id),
        dedupe_key=f"media.make_variants:{file_id}",
        file_id=file_id,
    )


def is_asked(file_id: UUID) -> sa.ColumnElement[bool]:
    """Whether a job that makes the picture's variants is under way."""
    key = f"media.make_variants:{file_id}"
    return sa.exists().where(JobRun.dedupe_key == key, JobRun.state.not_in(FINAL))


def make(session: Session, *, file_id: UUID, storage: Storage) -> list[MediaFile]:
    """The picture has every variant; those that it has already are left as they are.

    Returns what was made: nothing the second time, or where the picture is gone or is itself a variant.
    Raises InvalidError where the picture cannot be decoded, StorageError where its bytes cannot be read.
    """
    source = session.scalar(
        sa.select(MediaFile)
        .where(MediaFile.id == file_id, MediaFile.purpose == MediaPurpose.PORTRAIT)
        # Two jobs for one picture make its variants one after the other.
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if source is None:
        return []
    there = set(session.scalars(sa.select(MediaFile.variant).where(MediaFile.source_id == source.id)))
    missing = [kind for kind in VariantKind if kind not in there]
    if not missing:
        return []
    _, picture = pixels.opened(storage.get(key_of(source.sha256)), shown=pixels.needed(source.crop))
    focus = (source.focus_x, source.focus_y) if source.focus_x is not None and source.focus_y is not None else None
    made = []
    for kind, data, width, height in pixels.variants(picture, missing, crop=source.crop, focus=focus):
        made.append(
            files.put(
                session,
                storage=storage,
                data=data,
                owner_id=source.owner_id,
                purpose=MediaPurpose.VARIANT,
                media_type="image/webp",
                width=width,
                height=height,
                source_id=source.id,
                variant=kind,
            )
        )
    return made


def forget(session: Session, *, file_id: UUID) -> Sequence[str]:
    """The picture's variants are gone, to be made anew; returns their hashes for `files.drop_unused`."""
    gone = sa.delete(MediaFile).where(MediaFile.source_id == file_id).returning(MediaFile.sha256)
    return session.scalars(gone).all()
