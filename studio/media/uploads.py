"""Bringing files into the library: announced, sent in parts that may stop and go on, looked at when they are whole."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError
from studio.media import files, library, queries, rules, variants
from studio.media.errors import TooLargeFileError, TooManyUploadsError, UnusableFileError, UploadOffsetError
from studio.media.models import MediaFile, MediaPurpose, MediaUpload, MediaUploadPart
from studio.providers.storage import Storage, key_of

PART_BYTES = 4_000_000
"""What a browser sends at once."""

MOST_OPEN = 500
STAYS = timedelta(days=1)
"""How long an upload waits for its next part."""

_HEAD = 8192


def begin(session: Session, *, actor: Actor, name: str, size: int, quota: int) -> MediaUpload:
    """The actor's file of `size` bytes is announced, and room is held for it.

    Raises ForbiddenError, UnusableFileError (empty), TooLargeFileError, FullLibraryError or TooManyUploadsError.
    """
    actor.must(Permission.MEDIA_WRITE_OWN)
    if actor.user_id is None:
        raise ForbiddenError
    if size < 1:
        raise UnusableFileError("The file is empty. Choose another file.")
    if size > rules.MOST_UPLOADED:
        raise TooLargeFileError(
            "The file has more than %(limit)s MB. Choose a smaller one.", limit=rules.MOST_UPLOADED // 1_000_000
        )
    files.refuse_full(session, owner_id=actor.user_id, more=size, quota=quota)
    waiting = sa.select(sa.func.count()).where(
        MediaUpload.owner_id == actor.user_id, MediaUpload.file_id.is_(None), MediaUpload.refusal.is_(None)
    )
    if (session.scalar(waiting) or 0) >= MOST_OPEN:
        raise TooManyUploadsError(most=MOST_OPEN)
    upload = MediaUpload(owner_id=actor.user_id, name=files.plain_name(name), size_bytes=size)
    session.add(upload)
    session.flush()
    return upload


def receive(
    session: Session,
    *,
    actor: Actor,
    storage: Storage,
    upload_id: UUID,
    offset: int,
    data: bytes,
    quota: int,
    now: datetime,
) -> MediaUpload:
    """These bytes have arrived, from `offset` on; with the last ones the file is in the library, or refused.

    What came of it stands in the upload: `file_id`, or `refusal` with the sentence. Raises NotFoundError,
    UploadOffsetError where the bytes don't follow on the others, or InvalidError where they are more than announced.
    """
    upload = session.scalar(
        sa.select(MediaUpload)
        .where(queries.upload_visible_to(actor), MediaUpload.id == upload_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if upload is None:
        raise NotFoundError
    if offset != upload.arrived_bytes:
        raise UploadOffsetError(arrived=upload.arrived_bytes)
    if len(data) > upload.size_bytes - offset:
        raise InvalidError("More bytes came than the file was said to have. Send it again.")
    if not data:
        return upload
    upload.arrived_bytes += len(data)
    upload.updated_at = now
    if upload.arrived_bytes < upload.size_bytes:
        _keep_part(session, upload, storage=storage, offset=offset, data=data)
        return upload
    # The room that was held for it is now the file's own.
    upload.refusal = {}
    session.flush()
    try:
        with _whole(session, upload, storage=storage, last=data) as (path, content):
            file, was_there = _take(
                session, actor=actor, storage=storage, path=path, content=content, name=upload.name, quota=quota
            )
    except InvalidError as error:
        upload.refusal = {"sentence": error.msgid, "params": {key: str(value) for key, value in error.params.items()}}
    else:
        upload.refusal, upload.file_id, upload.was_there = None, file.id, was_there
    session.flush()
    if upload.size_bytes > len(data):
        work.ask(session, "media.clear_upload", dedupe_key=f"media.clear_upload:{upload.id}", upload_id=upload.id)
    return upload


def discard(session: Session, *, actor: Actor, upload_id: UUID) -> None:
    """The file that was on its way is forgotten, with what has arrived of it. Raises NotFoundError."""
    upload = session.scalar(
        sa.select(MediaUpload)
        .where(queries.upload_visible_to(actor), MediaUpload.id == upload_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if upload is None:
        raise NotFoundError
    _forget(session, [upload])


def discard_quiet(session: Session, *, actor: Actor, quiet_since: datetime) -> int:
    """As `discard` for all of the actor's unfinished uploads of which nothing came since then; returns how many."""
    actor.must(Permission.MEDIA_WRITE_OWN)
    found = session.scalars(
        sa.select(MediaUpload)
        .where(queries.upload_waits(actor, quiet_since=quiet_since))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    _forget(session, found)
    return len(found)


def _forget(session: Session, found: Sequence[MediaUpload]) -> None:
    ids = [upload.id for upload in found]
    parts = sa.delete(MediaUploadPart).where(MediaUploadPart.upload_id.in_(ids)).returning(MediaUploadPart.sha256)
    library.drop_bytes(session, session.scalars(parts).all())
    for upload in found:
        session.delete(upload)
    session.flush()


def take(
    session: Session, *, actor: Actor, storage: Storage, data: bytes, name: str, quota: int
) -> tuple[MediaFile, bool]:
    """The actor has this file in their library; and whether they had it already. For files that come whole.

    Raises ForbiddenError or InvalidError.
    """
    actor.must(Permission.MEDIA_WRITE_OWN)
    with tempfile.NamedTemporaryFile(prefix="greenroom-") as held:
        held.write(data)
        held.flush()
        return _take(session, actor=actor, storage=storage, path=Path(held.name), content=data, name=name, quota=quota)


def clear(session: Session, *, upload_id: UUID) -> Sequence[str]:
    """The parts of a finished upload are forgotten; returns the hashes for `files.drop_unused` after the commit."""
    upload = session.get(MediaUpload, upload_id)
    if upload is not None and upload.file_id is None and upload.refusal is None:
        return []
    gone = sa.delete(MediaUploadPart).where(MediaUploadPart.upload_id == upload_id).returning(MediaUploadPart.sha256)
    return session.scalars(gone).all()


def sweep(session: Session, *, now: datetime, limit: int = 100) -> tuple[int, Sequence[str]]:
    """Uploads that nothing arrived for since a day are gone; how many, and the hashes for `files.drop_unused`."""
    due = session.scalars(
        sa.select(MediaUpload.id)
        .where(MediaUpload.updated_at < now - STAYS)
        .order_by(MediaUpload.updated_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    parts = sa.delete(MediaUploadPart).where(MediaUploadPart.upload_id.in_(due)).returning(MediaUploadPart.sha256)
    hashes = session.scalars(parts).all()
    session.execute(sa.delete(MediaUpload).where(MediaUpload.id.in_(due)))
    return len(due), hashes


def _keep_part(session: Session, upload: MediaUpload, *, storage: Storage, offset: int, data: bytes) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    files.lock_content(session, sha256)
    storage.put(key_of(sha256), data)
    session.add(MediaUploadPart(upload_id=upload.id, position=offset, size_bytes=len(data), sha256=sha256))
    session.flush()


@contextmanager
def _whole(
    session: Session, upload: MediaUpload, *, storage: Storage, last: bytes
) -> Iterator[tuple[Path, bytes | None]]:
    """A file on this machine with all that arrived, for as long as it is needed; and its bytes, if they came at once."""
    parts = session.scalars(
        sa.select(MediaUploadPart.sha256)
        .where(MediaUploadPart.upload_id == upload.id)
        .order_by(MediaUploadPart.position)
    ).all()
    with tempfile.NamedTemporaryFile(prefix="greenroom-") as held:
        for sha256 in parts:
            for piece in storage.stream(key_of(sha256)):
                held.write(piece)
        held.write(last)
        held.flush()
        yield Path(held.name), None if parts else last


def _take(
    session: Session,
    *,
    actor: Actor,
    storage: Storage,
    path: Path,
    content: bytes | None,
    name: str,
    quota: int,
) -> tuple[MediaFile, bool]:
    with path.open("rb") as opened:
        head = opened.read(_HEAD)
    media_type = rules.upload_type_of(head)
    purpose = rules.PURPOSES.get(media_type)
    if media_type == "image/svg+xml":
        raise UnusableFileError("SVG drawings are not taken, since they can hold scripts; save it as PNG.")
    if rules.is_of_phones(head):
        raise UnusableFileError("HEIC and AVIF pictures are not taken. Save this one as JPEG or PNG, and bring that.")
    if purpose is None:
        raise UnusableFileError(
            "The studio does not take files of this kind. It takes PNG, JPEG, WebP and GIF pictures, MP3, WAV, OGG, FLAC "
            "and M4A sound, MP4 and WebM video, PDF and plain text."
        )
    if purpose is not MediaPurpose.PORTRAIT:
        return files.keep_path(
            session, actor=actor, storage=storage, path=path, media_type=media_type, name=name, quota=quota
        )
    if path.stat().st_size > rules.MOST_BYTES[purpose]:
        raise TooLargeFileError(
            "The file has more than %(limit)s MB. Choose a smaller one.", limit=rules.MOST_BYTES[purpose] // 1_000_000
        )
    data = content if content is not None else path.read_bytes()
    file, was_there = files.keep_or_find(
        session,
        actor=actor,
        storage=storage,
        data=data,
        purpose=purpose,
        name=name,
        quota=quota,
        is_kept=True,
    )
    variants.ask(session, actor=actor, file_id=file.id)
    return file, was_there
