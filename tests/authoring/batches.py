"""Imports of many cards from opening to the end, in the transaction of a test."""

import io
import zipfile

import sqlalchemy as sa

from studio.authoring import (
    batch_archives,
    batch_work,
    card_batches,
)
from studio.authoring.errors import (
    TooManyFilesError,
)
from studio.authoring.models import (
    CardBatch,
    CardBatchItem,
    OnDuplicate,
)
from studio.cards.errors import CardError

YAML = b"name: Chiharu\ncontext: Chiharu builds computers.\ngreeting: Hello!\n"


def opened(session, actor, now, *, on_duplicate=OnDuplicate.SKIP) -> CardBatch:
    return card_batches.open_batch(session, actor=actor, on_duplicate=on_duplicate, now=now)


def receive(session, actor, storage, batch, given):
    return card_batches.receive(session, actor=actor, storage=storage, batch_id=batch.id, given=given)


def work_through(session, storage, batch, now) -> None:
    """What the job does, in this transaction."""
    while (archive := batch_archives.next_archive(session, batch_id=batch.id)) is not None:
        problem, is_card = None, False
        try:
            with batch_archives.opened(storage, archive) as file:
                is_card = not batch_archives.is_pack(file)
                for members in () if is_card else batch_archives.groups(file):
                    batch_archives.keep(session, storage=storage, archive=archive, members=members)
        except (CardError, TooManyFilesError) as error:
            problem = error
        batch_archives.close(session, archive=archive, problem=problem, is_card=is_card, now=now)
    while batch_work.take(session, storage=storage, batch_id=batch.id, now=now).settled:
        pass
    batch_work.finish(session, batch_id=batch.id, now=now)


def brought(session, actor, storage, now, given, **options) -> dict[str, CardBatchItem]:
    """The files by name after the whole import."""
    batch = opened(session, actor, now, **options)
    receive(session, actor, storage, batch, given)
    card_batches.start(session, actor=actor, batch_id=batch.id, now=now)
    work_through(session, storage, batch, now)
    return items_of(session, batch)


def items_of(session, batch) -> dict[str, CardBatchItem]:
    rows = session.scalars(sa.select(CardBatchItem).where(CardBatchItem.batch_id == batch.id)).all()
    return {item.name: item for item in rows}


def packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return buffer.getvalue()


def count(session, table) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table))
