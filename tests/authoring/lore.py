"""What tests of lorebooks read and ask for."""

import sqlalchemy as sa

from studio.authoring import (
    lorebook_bulk,
)
from studio.authoring.lorebook_bulk import Order
from studio.authoring.models import LorebookEntry


def entries_of(session, lorebook) -> list[LorebookEntry]:
    query = sa.select(LorebookEntry).where(LorebookEntry.lorebook_id == lorebook.id).order_by(LorebookEntry.position)
    return list(session.scalars(query))


def names_of(session, lorebook) -> list[str]:
    return [entry.name for entry in entries_of(session, lorebook)]


def bulk(session, creator, lorebook, now, act, ids=None, wanted=None, **needs):
    return lorebook_bulk.change_many(
        session,
        actor=creator,
        character_id=lorebook.character_id,
        row_version=lorebook.row_version,
        entry_ids=ids,
        wanted=wanted,
        order=Order(act, **needs),
        now=now,
    )
