"""A person's library: what their files are called, which part of a picture counts, and letting go of files."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import InvalidError, NotFoundError, StaleError
from studio.kit.text import one_line
from studio.media import cleaning, files, queries, references, rules, variants
from studio.media.errors import UsedFileError
from studio.media.models import MediaFile, MediaPurpose

RESOURCE = "media_file"
LOOSE_STAYS = timedelta(days=7)
"""How long a file is left from when nothing uses it and nobody keeps it, for those who change their mind."""

ALT_LENGTH = 500
_SMALLEST_CROP = 0.01


def describe(
    session: Session,
    *,
    actor: Actor,
    file_id: UUID,
    row_version: int,
    alt_text: str,
    crop: Sequence[float] | None,
    focus: tuple[float, float] | None,
) -> MediaFile:
    """The file has this alt text, and a picture this crop and focal point (shares of its sides; None: as it is).

    Where crop or focus moved, the smaller sizes are made anew. Raises ForbiddenError, NotFoundError, StaleError or
    InvalidError.
    """
    actor.must(Permission.MEDIA_WRITE_OWN)
    file = _locked(session, actor=actor, file_id=file_id)
    if file.row_version != row_version:
        raise StaleError
    text = one_line(alt_text)
    if len(text) > ALT_LENGTH:
        raise InvalidError("The description is too long.", fields={"alt_text": "Say it in at most 500 characters."})
    _refuse_shares(crop, focus)
    kept = None if crop is None or tuple(crop) == (0, 0, 1, 1) else [float(share) for share in crop]
    before = _facts(file)
    is_moved = (kept, focus) != (file.crop, _focus_of(file))
    file.alt_text, file.crop = text, kept
    file.focus_x, file.focus_y = focus if focus is not None else (None, None)
    if _facts(file) == before:
        return file
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="media.describe",
        resource=RESOURCE,
        resource_id=file.id,
        before=before,
        after=_facts(file),
    )
    if is_moved and file.purpose is MediaPurpose.PORTRAIT:
        drop_bytes(session, variants.forget(session, file_id=file.id))
        variants.ask(session, actor=actor, file_id=file.id)
    return file


def keep(session: Session, *, actor: Actor, file_id: UUID) -> MediaFile:
    """The file stays in the library, whether anything uses it or not. May be repeated. Raises as `describe`."""
    actor.must(Permission.MEDIA_WRITE_OWN)
    file = _locked(session, actor=actor, file_id=file_id)
    file.is_kept, file.loose_since = True, None
    session.flush()
    return file


def delete(session: Session, *, actor: Actor, file_id: UUID) -> None:
    """The file is gone with its smaller sizes; its bytes go by a job, unless somebody else has the same.

    Raises ForbiddenError, NotFoundError, or UsedFileError where anything uses it.
    """
    actor.must(Permission.MEDIA_WRITE_OWN)
    file = _locked(session, actor=actor, file_id=file_id)
    # Whoever began to use it before us is committed by now, and whoever comes later waits for us.
    if session.scalar(sa.select(references.is_used(sa.literal(file.id)))):
        raise UsedFileError
    audit.record(
        session,
        actor=actor,
        action="media.delete",
        resource=RESOURCE,
        resource_id=file.id,
        before={"name": file.original_name, "sha256": file.sha256},
    )
    drop_bytes(session, files.forget(session, file_ids=[file.id]))


def collect(session: Session, *, now: datetime, limit: int = 200) -> tuple[int, Sequence[str]]:
    """Files that nothing used and nobody kept for a week are gone: never one that is in use.

    The week begins when `mark_loose` first finds them so. Returns how many, at most `limit`, and the hashes for
    `files.drop_unused` after the commit.
    """
    loose = (
        sa.select(MediaFile.id, MediaFile.sha256)
        .where(
            ~MediaFile.is_kept,
            MediaFile.purpose != MediaPurpose.VARIANT,
            MediaFile.loose_since < now - LOOSE_STAYS,
            ~references.is_used(MediaFile.id),
        )
        .order_by(MediaFile.loose_since)
        .limit(limit)
        # Whoever begins to use one holds it already; it is left to the next time.
        .with_for_update(skip_locked=True)
    )
    held = {
        file_id: sha256
        for file_id, sha256 in session.execute(loose)
        # Somebody keeps the same bytes at this moment, and would be given this very file.
        if files.try_lock_content(session, sha256)
    }
    free = files.loose(session, file_ids=held)
    return len(free), files.forget(session, file_ids=free)


def mark_loose(session: Session, *, now: datetime, limit: int = 1_000) -> int:
    """Files that nothing uses and nobody keeps say since when, those that are wanted again no more; returns how many changed.

    At most `limit` of each; to be repeated until there is none.
    """
    is_loose = sa.and_(~MediaFile.is_kept, MediaFile.purpose != MediaPurpose.VARIANT, ~references.is_used(MediaFile.id))
    changed = 0
    for criterion, since in (
        (sa.and_(MediaFile.loose_since.is_(None), is_loose), now),
        (sa.and_(MediaFile.loose_since.is_not(None), ~is_loose), None),
    ):
        ids = session.scalars(
            sa.select(MediaFile.id).where(criterion).limit(limit).with_for_update(skip_locked=True)
        ).all()
        session.execute(
            sa.update(MediaFile)
            .where(MediaFile.id.in_(ids))
            # Nobody's change: what a person has open in a form stays good.
            .values(loose_since=since, updated_at=MediaFile.updated_at)
            .execution_options(synchronize_session=False)
        )
        changed += len(ids)
    return changed


def drop_bytes(session: Session, hashes: Iterable[str]) -> None:
    """The bytes that no row speaks of any more go after this transaction."""
    for sha256 in sorted(set(hashes)):
        work.ask(session, "media.drop_bytes", dedupe_key=f"media.drop_bytes:{sha256}", sha256=sha256)


def _locked(session: Session, *, actor: Actor, file_id: UUID) -> MediaFile:
    file = session.scalar(
        sa.select(MediaFile)
        .where(queries.library_visible_to(actor), MediaFile.id == file_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if file is None:
        raise NotFoundError
    return file


def _refuse_shares(crop: Sequence[float] | None, focus: tuple[float, float] | None) -> None:
    if crop is not None:
        left, top, right, bottom = crop
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1) or (
            min(right - left, bottom - top) < _SMALLEST_CROP
        ):
            raise InvalidError(
                "This part of the picture cannot be cut out.",
                fields={"crop": "Choose a part of the picture that is not empty."},
            )
    if focus is not None and not all(0 <= share <= 1 for share in focus):
        raise InvalidError(
            "The focal point lies outside the picture.", fields={"focus": "Choose a point within the picture."}
        )


def _focus_of(file: MediaFile) -> tuple[float, float] | None:
    return None if file.focus_x is None or file.focus_y is None else (file.focus_x, file.focus_y)


def _facts(file: MediaFile) -> Mapping[str, Any]:
    return {"alt_text": file.alt_text, "crop": file.crop, "focus": _focus_of(file)}


def is_cleared_at(file: MediaFile) -> datetime | None:
    """When a file that nobody keeps may be cleared away, if nothing uses it by then; None where that is not settled yet."""
    if file.is_kept or file.loose_since is None or file.purpose not in rules.LIBRARY:
        return None
    return file.loose_since + LOOSE_STAYS


def keeps_words(file: MediaFile) -> bool:
    """Whether titles, names and places may stand in the file, as its maker wrote them."""
    is_freed = file.details.get("is_freed")
    return is_freed is False or (file.media_type in cleaning.KEEPS_WORDS and not is_freed)
