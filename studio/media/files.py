"""Keeping files: sniffed, bounded, freed of metadata, stored before their row exists; and letting go of them."""

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.accounts.permissions import Actor
from studio.cards.pictures import inspect_picture
from studio.kit.text import excerpt
from studio.media import cleaning, pdf, pixels, queries, references, rules
from studio.media.errors import FullLibraryError, TooLargeFileError, UnusableFileError
from studio.media.models import MediaFile, MediaPurpose
from studio.providers.storage import Storage, key_of

_NAME_LENGTH = 200
_BIGINTS = ARRAY(sa.BigInteger)
_LOOKED_AT_ONCE = 500
_QUOTA_LOCK = 5_033
"""The first half of the advisory lock under which a person's room is counted."""


def keep(
    session: Session,
    *,
    actor: Actor,
    storage: Storage,
    data: bytes,
    purpose: MediaPurpose,
    name: str = "",
    quota: int = rules.QUOTA_BYTES,
    is_kept: bool = False,
) -> MediaFile:
    """The actor has a file with these bytes for this purpose; keeping equal bytes again gives the same file.

    A portrait is kept without texts, EXIF and places (its pixels untouched, unless it could be read as something
    else too), must decode, and gets its size and a 64-bit difference hash. `name` is remembered for the person and
    never used as a path. With `is_kept` it stays in the person's library even where nothing uses it.
    Raises TooLargeFileError, FullLibraryError, UnusableFileError or another InvalidError before anything is stored.
    """
    return keep_or_find(
        session, actor=actor, storage=storage, data=data, purpose=purpose, name=name, quota=quota, is_kept=is_kept
    )[0]


def keep_or_find(
    session: Session,
    *,
    actor: Actor,
    storage: Storage,
    data: bytes,
    purpose: MediaPurpose,
    name: str = "",
    quota: int = rules.QUOTA_BYTES,
    is_kept: bool = False,
) -> tuple[MediaFile, bool]:
    """As `keep`; and whether the actor had the file already."""
    _refuse_size(len(data), purpose)
    facts: dict[str, Any] = {}
    if purpose in rules.PICTURES:
        data, facts = checked_picture(data)
        _refuse_size(len(data), purpose)
    sha256 = hashlib.sha256(data).hexdigest()
    if queries.find_same(session, owner_id=actor.user_id, sha256=sha256, purpose=purpose) is None:
        # What is there already needs no more room.
        refuse_full(session, owner_id=actor.user_id, more=len(data), quota=quota)
    file, was_there = _put(
        session,
        storage=storage,
        data=data,
        owner_id=actor.user_id,
        purpose=purpose,
        original_name=plain_name(name),
        media_type=rules.media_type_of(data),
        is_kept=is_kept,
        **facts,
    )
    file.is_kept = file.is_kept or is_kept
    return file, was_there


def keep_path(
    session: Session,
    *,
    actor: Actor,
    storage: Storage,
    path: Path,
    media_type: str,
    name: str = "",
    quota: int = rules.QUOTA_BYTES,
) -> tuple[MediaFile, bool]:
    """The actor has the file at `path`, which is no picture, in their library; and whether they had it already.

    It may be larger than the memory, is changed in place (what tells of places and devices goes), and is the
    caller's to delete. `media_type` is what its first bytes say. Raises as `keep`.
    """
    purpose = rules.PURPOSES[media_type]
    _refuse_size(path.stat().st_size, purpose)
    if media_type == pdf.MEDIA_TYPE:
        details: dict[str, Any] = {"is_freed": True, **pdf.free(path)}
    else:
        is_freed = cleaning.recording(path, media_type)
        details = {"is_freed": is_freed} if media_type in cleaning.KEEPS_WORDS or not is_freed else {}
    with path.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    size = path.stat().st_size
    if queries.find_same(session, owner_id=actor.user_id, sha256=sha256, purpose=purpose) is None:
        refuse_full(session, owner_id=actor.user_id, more=size, quota=quota)
    lock_content(session, sha256)
    storage.put_file(key_of(sha256), path)
    same = queries.find_same(session, owner_id=actor.user_id, sha256=sha256, purpose=purpose)
    if same is not None:
        same.is_kept, same.loose_since = True, None
        same.details = {**same.details, **details}
        return same, True
    file = MediaFile(
        owner_id=actor.user_id,
        purpose=purpose,
        sha256=sha256,
        size_bytes=size,
        media_type=media_type,
        original_name=plain_name(name),
        is_kept=True,
        details=details,
    )
    session.add(file)
    session.flush()
    return file, False


def refuse_full(session: Session, *, owner_id: UUID | None, more: int, quota: int) -> None:
    """Return if the person may have `more` bytes; raise FullLibraryError where that would be over `quota` (0: no limit).

    Two at once wait for each other, so that they cannot both fit into the same room.
    """
    if owner_id is None or not quota:
        return
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_QUOTA_LOCK, sa.func.hashtext(str(owner_id)))))
    if queries.bytes_of(session, owner_id=owner_id) + more > quota:
        raise FullLibraryError(limit=quota // 1_000_000)


def plain_name(name: str) -> str:
    """A file's name as people read it: without folders, on one line, never used as a path."""
    return excerpt(name.replace("\\", "/").rpartition("/")[2], _NAME_LENGTH)


def put(
    session: Session, *, storage: Storage, data: bytes, owner_id: UUID | None, purpose: MediaPurpose, **columns: Any
) -> MediaFile:
    """The bytes are in the storage, and a row says so; `data` and `columns` are taken as already checked."""
    return _put(session, storage=storage, data=data, owner_id=owner_id, purpose=purpose, **columns)[0]


def _put(
    session: Session, *, storage: Storage, data: bytes, owner_id: UUID | None, purpose: MediaPurpose, **columns: Any
) -> tuple[MediaFile, bool]:
    sha256 = hashlib.sha256(data).hexdigest()
    lock_content(session, sha256)
    if columns.get("source_id") is None and (
        same := queries.find_same(session, owner_id=owner_id, sha256=sha256, purpose=purpose)
    ):
        # The bytes are written again all the same: if they were lost, this heals them.
        storage.put(key_of(sha256), data)
        # Whoever brings it again means to use it: its week begins anew.
        same.loose_since = None
        return same, True
    # Bytes without a row are harmless; a row without bytes is not: so the bytes come first.
    storage.put(key_of(sha256), data)
    file = MediaFile(owner_id=owner_id, purpose=purpose, sha256=sha256, size_bytes=len(data), **columns)
    session.add(file)
    session.flush()
    return file, False


def put_many(
    session: Session,
    *,
    storage: Storage,
    contents: Mapping[str, tuple[bytes, str]],
    owner_id: UUID | None,
    purpose: MediaPurpose,
) -> dict[str, UUID]:
    """As `put` for many files that are no pictures, in three statements: the id of each by its hash.

    `contents` holds bytes and names by their SHA-256, each taken as already checked.
    """
    if not contents:
        return {}
    numbers = sorted(_lock_number(sha256) for sha256 in contents)
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.unnest(sa.literal(numbers, _BIGINTS)))))
    kept = dict(
        session.execute(
            sa.select(MediaFile.sha256, MediaFile.id).where(
                MediaFile.sha256.in_(contents),
                MediaFile.purpose == purpose,
                MediaFile.owner_id.is_not_distinct_from(owner_id),
                MediaFile.source_id.is_(None),
            )
        ).all()
    )
    rows: list[dict[str, Any]] = []
    for sha256, (data, name) in contents.items():
        storage.put(key_of(sha256), data)
        if sha256 not in kept:
            kept[sha256] = uuid7()
            rows.append(
                {
                    "id": kept[sha256],
                    "owner_id": owner_id,
                    "purpose": purpose,
                    "sha256": sha256,
                    "size_bytes": len(data),
                    "original_name": plain_name(name),
                    "media_type": rules.media_type_of(data),
                }
            )
    if rows:
        session.connection().execute(sa.insert(MediaFile), rows)
    return kept


def loose(session: Session, *, file_ids: Iterable[UUID]) -> list[UUID]:
    """Those of the files that nothing uses and nobody keeps; they stay so until this transaction is over."""
    held = session.scalars(
        sa.select(MediaFile.id).where(MediaFile.id.in_(list(file_ids))).order_by(MediaFile.id).with_for_update()
    ).all()
    # A second look, since the first may have waited: whoever used one in between is committed now, and
    # whoever would use one from here on waits for us.
    unused = sa.select(MediaFile.id).where(
        MediaFile.id.in_(held), ~MediaFile.is_kept, ~references.is_used(MediaFile.id)
    )
    return list(session.scalars(unused))


def forget(session: Session, *, file_ids: Iterable[UUID]) -> list[str]:
    """The rows of these files and of their variants are gone; returns the hashes for `drop_unused` after the commit.

    The caller knows that nothing else shows them: a portrait that is deleted leaves its characters without one.
    """
    ids = list(file_ids)
    found = sa.select(MediaFile.sha256).where(MediaFile.id.in_(ids) | MediaFile.source_id.in_(ids)).distinct()
    hashes = list(session.scalars(found))
    session.execute(sa.delete(MediaFile).where(MediaFile.id.in_(ids)))
    return hashes


def drop_unused(session: Session, *, storage: Storage, hashes: Iterable[str]) -> int:
    """The bytes that no row speaks of any more are deleted; returns how many objects. May be repeated.

    Run it in a transaction of its own, after the one that deleted the rows is committed.
    """
    dropped = 0
    for sha256 in sorted(set(hashes)):
        # Whoever keeps the same bytes at this moment waits, and then stores them anew.
        lock_content(session, sha256)
        if not references.is_spoken_of(session, sha256):
            storage.delete(key_of(sha256))
            dropped += 1
    return dropped


def lock_content(session: Session, sha256: str) -> None:
    """Whoever stores or drops the bytes with this hash waits until this transaction is over."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_number(sha256))))


def try_lock_content(session: Session, sha256: str) -> bool:
    """As `lock_content` without waiting; whether it is ours."""
    return bool(session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_lock_number(sha256)))))


def drop_orphans(session: Session, *, storage: Storage, part: int, before: datetime) -> int:
    """Objects of one of `storage.PARTS` parts of the storage that no row speaks of are deleted; returns how many.

    Only those that were put there before `before`: younger ones may belong to a transaction that is under way.
    """
    old = (found.sha256 for found in storage.walk(part) if found.changed_at < before)
    dropped = 0
    while some := list(itertools.islice(old, _LOOKED_AT_ONCE)):
        known = references.spoken_of(session, some)
        dropped += drop_unused(session, storage=storage, hashes=[sha256 for sha256 in some if sha256 not in known])
    # What a worker that was killed had half written.
    return dropped + storage.drop_staged(part, before=before)


def _lock_number(sha256: str) -> int:
    return int.from_bytes(bytes.fromhex(sha256[:16]), signed=True)


def _refuse_size(size: int, purpose: MediaPurpose) -> None:
    limit = rules.MOST_BYTES[purpose]
    if not size:
        raise UnusableFileError("The file is empty. Choose another file.")
    if size > limit:
        raise TooLargeFileError("The file has more than %(limit)s MB. Choose a smaller one.", limit=limit // 1_000_000)


def checked_picture(data: bytes) -> tuple[bytes, dict[str, Any]]:
    """The picture as it may be kept, and the columns that tell of it; raises InvalidError for what is no picture."""
    header, look = pixels.looked_at(data)
    facts: dict[str, Any] = {"width": header.width, "height": header.height, "perceptual_hash": look}
    try:
        clean, is_again = cleaning.picture(data)
    except (OSError, ValueError, SyntaxError) as error:
        raise UnusableFileError(
            "The picture is damaged and cannot be shown; save it again as PNG or JPEG and upload that."
        ) from error
    # What was removed, so that screens can say so.
    facts["details"] = {
        "kind": inspect_picture(clean).kind if is_again else header.kind,
        "is_animated": header.is_animated and not is_again,
        "had_texts": header.has_text_chunks,
        "had_exif": header.has_exif,
        "was_encoded_again": is_again,
    }
    return clean, facts
