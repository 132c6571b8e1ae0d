"""What a person chose last and finds chosen the next time: one row for each choice and person."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.accounts.models import UserPreference
from studio.accounts.permissions import Actor


def remember(session: Session, *, actor: Actor, key: str, value: dict[str, Any]) -> None:
    """The actor finds this value under the key from now on; nothing is kept for nobody. Twice is once."""
    if actor.user_id is None:
        return
    session.execute(
        insert(UserPreference)
        .values(user_id=actor.user_id, key=key, value=value)
        .on_conflict_do_update(
            index_elements=[UserPreference.user_id, UserPreference.key],
            set_={"value": value, "updated_at": sa.func.now()},
        )
    )


def is_of(actor: Actor, key: str) -> sa.ColumnElement[bool]:
    """Whether a row of `UserPreference` is this choice of the actor."""
    return sa.and_(UserPreference.user_id == actor.user_id, UserPreference.key == key)
