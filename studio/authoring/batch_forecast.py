"""What a bulk import would do, told before it begins: from what its files look like and from their hashes, unread."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import batch_queries, batch_work
from studio.authoring.models import CardBatchItem, ItemState
from studio.cards.glance import Glance

MOST_NAMED = 20


@dataclass(frozen=True)
class Forecast:
    """How many files seem to be what; `known` cards were brought in before, `twice` stand in this import twice."""

    new: int
    known: int
    twice: int
    pictures: int
    archives: int
    lorebooks: int
    broken: int
    broken_names: Sequence[str]


def forecast(session: Session, *, actor: Actor, batch_id: UUID) -> Forecast:
    """What would become of the files that have arrived, in three statements. Raises NotFoundError.

    Archives are opened when the import begins. A card that says the same as another one in another file, and one
    that only looks like a card, show when they are read.
    """
    batch = batch_queries.get_batch(session, actor=actor, batch_id=batch_id)
    rows = session.execute(
        sa.select(CardBatchItem.name, CardBatchItem.sha256, CardBatchItem.state, CardBatchItem.looks)
        .where(CardBatchItem.batch_id == batch.id)
        .order_by(CardBatchItem.id)
    ).all()
    cards = [row.sha256 for row in rows if row.state is ItemState.WAITING and row.looks == Glance.CARD]
    distinct = set(cards)
    known = batch_work.made_from(session, batch.owner_id, distinct).keys() & distinct if distinct else set()
    broken = [
        row.name
        for row in rows
        if row.state is ItemState.REFUSED or (row.state is ItemState.WAITING and row.looks == Glance.BROKEN)
    ]
    return Forecast(
        new=len(distinct) - len(known),
        known=len(known),
        twice=len(cards) - len(distinct),
        pictures=sum(row.state is ItemState.WAITING and row.looks == Glance.PICTURE for row in rows),
        archives=sum(row.state is ItemState.ARCHIVE for row in rows),
        lorebooks=sum(row.state is ItemState.WAITING and row.looks == Glance.LOREBOOK for row in rows),
        broken=len(broken),
        broken_names=broken[:MOST_NAMED],
    )
