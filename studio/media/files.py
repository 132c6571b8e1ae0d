"""Keeping files: sniffed, bounded, freed of metadata, stored before their row exists; and letting go of them."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.accounts.permissions import Actor
from studio.cards import portraits
from studio.kit.text import excerpt
from studio.media import pixels, queries, rules
from studio.media.errors import TooLargeFileError, UnusableFileError
from studio.media.models import MediaFile, MediaPurpose
from studio.providers.storage import Storage, key_of

_NAME_LENGTH = 200
_BIGINTS = ARRAY(sa.BigInteger)


def keep(
    session: Session, *, actor: Actor, storage: Storage, data: bytes, purpose: MediaPurpose, name: str = ""
) -> MediaFile:
    """The actor has a file with these bytes for this purpose; keeping equal bytes again gives the same file.

    A portrait is kept without texts, EXIF and places (its pixels untouched), must decode, and gets its size and a
    64-bit difference hash. `name` is remembered for the person and never used as a path.
    Raises TooLargeFileError, UnusableFileError or another InvalidError before anything is stored.
    """
    _refuse_size(data, purpose)
    facts: dict[str, Any] = {}
    if purpose in rules.PICTURES:
        data, facts = _checked_picture(data)
    return put(
        session,
        storage=storage,
        data=data,
        owner_id=actor.user_id,
        purpose=purpose,
        original_name=excerpt(name.replace("\\", "/").rpartition("/")[2], _NAME_LENGTH),
        media_type=rules.media_type_of(data),
        **facts,
    )


def put(
    session: Session, *, storage: Storage, data: bytes, owner_id: UUID | None, purpose: MediaPurpose, **columns: Any
) -> MediaFile:
    """The bytes are in the storage, and a row says so; `data` and `columns` are taken as already checked."""
    sha256 = hashlib.sha256(data).hexdigest()
    _lock_content(session, sha256)
    if columns.get("source_id") is None and (
        same := queries.find_same(session, owner_id=owner_id, sha256=sha256, purpose=purpose)
    ):
        # The bytes are written again all the same: if they were lost, this heals them.
        storage.put(key_of(sha256), data)
        return same
    # Bytes without a row are harmless; a row without bytes is not: so the bytes come first.
    storage.put(key_of(sha256), data)
    file = MediaFile(owner_id=owner_id, purpose=purpose, sha256=sha256, size_bytes=len(data), **columns)
    session.add(file)
    session.flush()
    return file


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
                    "original_name": excerpt(name.replace("\\", "/").rpartition("/")[2], _NAME_LENGTH),
                    "media_type": rules.media_type_of(data),
                }
            )
    if rows:
        session.connection().execute(sa.insert(MediaFile), rows)
    return kept


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
        _lock_content(session, sha256)
        if session.scalar(sa.select(MediaFile.id).where(MediaFile.sha256 == sha256).limit(1)) is None:
            storage.delete(key_of(sha256))
            dropped += 1
    return dropped


def _lock_content(session: Session, sha256: str) -> None:
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_number(sha256))))


def _lock_number(sha256: str) -> int:
    return int.from_bytes(bytes.fromhex(sha256[:16]), signed=True)


def _refuse_size(data: bytes, purpose: MediaPurpose) -> None:
    limit = rules.MOST_BYTES[purpose]
    if not data:
        raise UnusableFileError("The file is empty. Choose another file.")
    if len(data) > limit:
        raise TooLargeFileError("The file has more than %(limit)s MB. Choose a smaller one.", limit=limit // 1_000_000)


def _checked_picture(data: bytes) -> tuple[bytes, dict[str, Any]]:
    header, picture = pixels.opened(data)
    facts = {
        "width": header.width,
        "height": header.height,
        "perceptual_hash": pixels.difference_hash(picture),
        # What was removed, so that screens can say so.
        "details": {
            "kind": header.kind,
            "is_animated": header.is_animated,
            "had_texts": header.has_text_chunks,
            "had_exif": header.has_exif,
        },
    }
    return portraits.without_metadata(data), facts
