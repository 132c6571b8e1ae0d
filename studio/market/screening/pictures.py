"""What a portrait's header says, read from its stored bytes; nothing is decoded."""

from collections.abc import Iterator
from io import BytesIO

import sqlalchemy as sa
from PIL import Image
from sqlalchemy.orm import Session

from studio.authoring.models import CardDocument
from studio.cards import png
from studio.cards.pictures import inspect_picture
from studio.kit.errors import StudioError
from studio.kit.text import storable
from studio.market.screening.checks.submission import Picture
from studio.media.models import MediaFile
from studio.providers.storage import MissingObjectError, Storage, key_of

_CARD_KEYWORDS = ("chara", "ccv3", png.ASSET_PREFIX)
_MOST_TEXTS = 20
_LONGEST_TEXT = 100_000
_GPS_TAG = 0x8825


def read(session: Session, *, portrait: MediaFile, storage: Storage) -> Picture:
    """The facts of a portrait's header, and the foreign texts of the card file that it came in.

    A portrait is kept without texts and EXIF; the file that a creator brought is not, and what stands in it
    (a generator's prompt, a place) is worth a look. Bytes that are missing leave what the row knows.
    """
    try:
        facts = facts_of(storage.get(key_of(portrait.sha256)))
    except MissingObjectError:
        return Picture(media_type=portrait.media_type, width=portrait.width or 0, height=portrait.height or 0)
    source = session.scalar(
        sa.select(MediaFile)
        .join(CardDocument, CardDocument.source_file_id == MediaFile.id)
        .where(CardDocument.portrait_id == portrait.id, MediaFile.media_type.startswith("image/"))
        .order_by(CardDocument.created_at.desc())
        .limit(1)
    )
    if source is None or source.sha256 == portrait.sha256:
        return facts
    try:
        brought = facts_of(storage.get(key_of(source.sha256)))
    except StudioError:
        return facts
    return Picture(
        media_type=facts.media_type,
        width=facts.width,
        height=facts.height,
        is_animated=facts.is_animated,
        has_exif=facts.has_exif,
        has_gps=facts.has_gps,
        texts={**brought.texts, **facts.texts},
    )


def facts_of(data: bytes) -> Picture:
    """What the header of a picture says; raises InvalidError where it is no picture within the limits."""
    header = inspect_picture(data)
    return Picture(
        media_type=header.media_type,
        width=header.width,
        height=header.height,
        is_animated=header.is_animated,
        has_exif=header.has_exif,
        has_gps=header.has_exif and _has_gps(data),
        texts=dict(_texts(data)) if header.kind == "png" else {},
    )


def _texts(data: bytes) -> Iterator[tuple[str, str]]:
    kept = 0
    for chunk in png.text_chunks(png.walk(data), data):
        if chunk.keyword.lower().startswith(_CARD_KEYWORDS):
            continue
        try:
            text = png.text_of(chunk, limit=_LONGEST_TEXT)
        except StudioError:
            # Too long or damaged; that it is there is what the check reports.
            text = b"(unreadable)"
        yield chunk.keyword, storable(text.decode(errors="replace"))
        kept += 1
        if kept >= _MOST_TEXTS:
            return


def _has_gps(data: bytes) -> bool:
    try:
        with Image.open(BytesIO(data)) as picture:
            return bool(picture.getexif().get_ifd(_GPS_TAG))
    except Exception:  # noqa: BLE001 - EXIF is a stranger's binary; Pillow raises a dozen kinds at a damaged one.
        return False
