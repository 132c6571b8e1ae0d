"""Who may see which files, and reads of them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import NotFoundError
from studio.media import rules
from studio.media.models import GeneratedPicture, ImageGeneration, MediaFile, MediaPurpose, MediaUpload
from studio.media.rules import LIBRARY, LOOK_ALIKE_BITS


def file_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Moderators and staff see the pictures that screens show and card sources; everyone else sees their own files.

    Speech is heard through the short links of `studio.voices` alone.
    """
    no_speech = MediaFile.purpose != MediaPurpose.SPEECH
    if actor.may(Permission.MEDIA_READ_ANY):
        return no_speech
    if actor.may(Permission.MEDIA_READ_OWN) and actor.user_id is not None:
        return sa.and_(MediaFile.owner_id == actor.user_id, no_speech)
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


def library_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Everybody's library is their own: pictures, recordings and documents, without cards and smaller copies."""
    if actor.may(Permission.MEDIA_READ_OWN) and actor.user_id is not None:
        return sa.and_(MediaFile.owner_id == actor.user_id, MediaFile.purpose.in_(LIBRARY))
    return sa.false()


def generation_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Who asked for pictures sees what came of it."""
    if actor.may(Permission.MEDIA_GENERATE) and actor.user_id is not None:
        return ImageGeneration.user_id == actor.user_id
    return sa.false()


def upload_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Who sends a file sees how far it is."""
    if actor.may(Permission.MEDIA_WRITE_OWN) and actor.user_id is not None:
        return MediaUpload.owner_id == actor.user_id
    return sa.false()


def get_upload(session: Session, *, actor: Actor, upload_id: UUID) -> MediaUpload:
    """The upload, if it is the actor's; raises NotFoundError."""
    upload = session.scalar(sa.select(MediaUpload).where(upload_visible_to(actor), MediaUpload.id == upload_id))
    if upload is None:
        raise NotFoundError
    return upload


def upload_waits(actor: Actor, *, quiet_since: datetime) -> sa.ColumnElement[bool]:
    """Unfinished uploads of the actor of which nothing came since then."""
    return sa.and_(
        upload_visible_to(actor),
        MediaUpload.file_id.is_(None),
        MediaUpload.refusal.is_(None),
        MediaUpload.updated_at < quiet_since,
    )


def unfinished_uploads(
    session: Session, *, actor: Actor, quiet_since: datetime, limit: int = 10
) -> tuple[int, int, Sequence[MediaUpload]]:
    """How many uploads of the actor stopped on their way, the bytes that arrived of them, and the newest of them."""
    rows = session.execute(
        sa.select(
            MediaUpload,
            sa.func.count().over().label("found"),
            sa.func.sum(MediaUpload.arrived_bytes).over().label("here"),
        )
        .where(upload_waits(actor, quiet_since=quiet_since))
        .order_by(MediaUpload.updated_at.desc(), MediaUpload.id)
        .limit(limit)
    ).all()
    return (rows[0].found, int(rows[0].here), [row[0] for row in rows]) if rows else (0, 0, [])


def get_generation(session: Session, *, actor: Actor, generation_id: UUID) -> ImageGeneration:
    """The request for pictures, if it is the actor's; raises NotFoundError."""
    found = session.scalar(
        sa.select(ImageGeneration).where(generation_visible_to(actor), ImageGeneration.id == generation_id)
    )
    if found is None:
        raise NotFoundError
    return found


def pictures_of(session: Session, *, generation_ids: Sequence[UUID]) -> dict[UUID, list[GeneratedPicture]]:
    """What came of each of these requests, in order."""
    found: dict[UUID, list[GeneratedPicture]] = {one: [] for one in generation_ids}
    query = (
        sa.select(GeneratedPicture)
        .where(GeneratedPicture.generation_id.in_(generation_ids))
        .order_by(GeneratedPicture.generation_id, GeneratedPicture.position)
    )
    for picture in session.scalars(query):
        found[picture.generation_id].append(picture)
    return found


def bytes_of(session: Session, *, owner_id: UUID) -> int:
    """What the person keeps and what is on its way, in bytes; the smaller copies of pictures are the studio's."""
    kept = sa.select(sa.func.coalesce(sa.func.sum(MediaFile.size_bytes), 0)).where(
        MediaFile.owner_id == owner_id, MediaFile.purpose != MediaPurpose.VARIANT
    )
    coming = sa.select(sa.func.coalesce(sa.func.sum(MediaUpload.size_bytes), 0)).where(
        MediaUpload.owner_id == owner_id, MediaUpload.file_id.is_(None), MediaUpload.refusal.is_(None)
    )
    return int(session.scalar(sa.select(kept.scalar_subquery() + coming.scalar_subquery())) or 0)


def look_alikes(session: Session, *, file: MediaFile, limit: int = 12) -> Sequence[MediaFile]:
    """Other pictures of the same person that look like this one, the most alike first."""
    if file.perceptual_hash is None or not rules.tells_apart(file.perceptual_hash) or file.owner_id is None:
        return []
    distance = _distance(MediaFile.perceptual_hash, file.perceptual_hash)
    return session.scalars(
        sa.select(MediaFile)
        .where(
            MediaFile.owner_id == file.owner_id,
            MediaFile.purpose == MediaPurpose.PORTRAIT,
            _tells_apart(MediaFile.perceptual_hash),
            MediaFile.id != file.id,
            distance <= LOOK_ALIKE_BITS,
        )
        .order_by(distance, MediaFile.id)
        .limit(limit)
    ).all()


def has_look_alike(*, owner_id: UUID | None) -> sa.ColumnElement[bool]:
    """Whether this person has another picture that looks like this one, by the rule of `look_alikes`.

    Hashes that differ in at most six bits are equal in one of seven parts at least: so few pairs have to be compared.
    """
    one, other = aliased(MediaFile), aliased(MediaFile)
    found = [
        sa.select(one.id)
        .join(other, _part(one.perceptual_hash, place) == _part(other.perceptual_hash, place))
        .where(
            one.owner_id == owner_id,
            other.owner_id == owner_id,
            one.purpose == MediaPurpose.PORTRAIT,
            other.purpose == MediaPurpose.PORTRAIT,
            _tells_apart(one.perceptual_hash),
            _tells_apart(other.perceptual_hash),
            one.id != other.id,
            _distance(one.perceptual_hash, other.perceptual_hash) <= LOOK_ALIKE_BITS,
        )
        for place in range(LOOK_ALIKE_BITS + 1)
    ]
    return MediaFile.id.in_(sa.union(*found))


def _tells_apart(value: sa.SQLColumnExpression[int | None]) -> sa.ColumnElement[bool]:
    """As `rules.tells_apart`."""
    return sa.func.bit_count(sa.func.int8send(value)).between(LOOK_ALIKE_BITS + 1, 63 - LOOK_ALIKE_BITS)


_PART_BITS = -(-64 // (LOOK_ALIKE_BITS + 1))


def _part(value: sa.SQLColumnExpression[int | None], place: int) -> sa.ColumnElement[int]:
    return value.op(">>")(sa.literal(place * _PART_BITS, sa.Integer)).op("&")(
        sa.literal((1 << _PART_BITS) - 1, sa.BigInteger)
    )


def _distance(
    one: sa.SQLColumnExpression[int | None], other: sa.SQLColumnExpression[int | None] | int
) -> sa.ColumnElement[int]:
    if isinstance(other, int):
        other = sa.literal(other, sa.BigInteger)
    return sa.func.bit_count(sa.func.int8send(one.op("#")(other)))
