"""Taking a character out as a card file, with a report of what the chosen form cannot say."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import documents, queries
from studio.authoring.models import CardDocument, Character
from studio.cards.reader import read_card
from studio.cards.writer import Export, write_card
from studio.media.models import MediaFile
from studio.providers.storage import Storage, key_of

_WITH_ASSETS = ("png_", "apng_", "charx_", "jpeg_", "byaf_")


def export_card(
    session: Session,
    *,
    actor: Actor,
    storage: Storage,
    character_id: UUID,
    to: str,
    as_: str,
    version_number: int | None = None,
    now: datetime,
    source_url: str | None = None,
    keep_metadata: bool = False,
    is_public: bool = False,
) -> Export:
    """The draft, or one of its versions, as a card with its portrait and assets: V1, V2 or V3 by `to`, a file by `as_`.

    It starts from the document that the character came from, so unknown keys and their order survive; assets
    come from the file that was brought. Equal drafts at equal `now` give equal bytes.
    With `keep_metadata` the portrait is the one of the file that was brought, with the texts that stood in it, as long
    as the character shows that one; with `is_public` our own extension is left out.
    Raises ForbiddenError, NotFoundError, ExportError, or StorageError where the portrait's bytes cannot be read.
    """
    character = queries.get_exportable(session, actor=actor, character_id=character_id)
    source = queries.find_source(session, character_id=character.id)
    portrait_id = character.portrait_id
    if version_number is None:
        document, known = documents.read_of(session, character)
    else:
        version = queries.get_version(session, character_id=character.id, version_number=version_number)
        document, known, portrait_id = version.card, None, version.portrait_id
    picture = _original(session, storage, source, portrait_id) if keep_metadata else None
    return write_card(
        document,
        to=to,
        as_=as_,
        now=now,
        picture=picture if picture is not None else _bytes_of(session, storage, portrait_id),
        assets=_assets(session, storage, source),
        source_url=source_url,
        keep_metadata=keep_metadata,
        is_public=is_public,
        is_storable=True,
        known=known,
    )


def has_metadata(session: Session, character: Character) -> bool:
    """Whether the portrait that was brought held texts, EXIF or places, which the studio took out of its own copy."""
    file = session.get(MediaFile, character.portrait_id) if character.portrait_id is not None else None
    return file is not None and bool(file.details.get("had_texts") or file.details.get("had_exif"))


def _original(
    session: Session, storage: Storage, source: CardDocument | None, portrait_id: UUID | None
) -> bytes | None:
    """The portrait as it stood in the card's file, where that one is shown."""
    if source is None or source.portrait_id is None or source.portrait_id != portrait_id:
        return None
    data = _bytes_of(session, storage, source.source_file_id)
    reading = read_card(data) if data is not None else None
    return reading.picture.data if reading is not None and reading.picture is not None else None


def _bytes_of(session: Session, storage: Storage, file_id: UUID | None) -> bytes | None:
    file = session.get(MediaFile, file_id) if file_id is not None else None
    return storage.get(key_of(file.sha256)) if file is not None else None


def _assets(session: Session, storage: Storage, source: CardDocument | None) -> Mapping[str, bytes]:
    if source is None or not source.report.get("assets") or not source.format.startswith(_WITH_ASSETS):
        return {}
    data = _bytes_of(session, storage, source.source_file_id)
    return read_card(data).assets if data is not None else {}
