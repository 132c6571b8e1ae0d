"""Sessions that people signed out of: their cookies are signed and would open pages for as long as they last."""

import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.accounts.models import EndedSession

LASTS = timedelta(hours=12)
"""A session that is not used for so long is over by itself."""
_MOST_PRUNED = 1_000


def fresh_token() -> str:
    """The name of a new session."""
    return secrets.token_urlsafe(24)


def is_ended(token: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether the session of this name was signed out of, as part of a statement."""
    return sa.exists().where(EndedSession.token == token)


def end(session: Session, *, token: str, now: datetime) -> None:
    """Have no cookie of this session open anything from now on; repeating it changes nothing.

    What ended so long ago that its cookies are over as well is forgotten.
    """
    session.execute(insert(EndedSession).values(token=token, ended_at=now).on_conflict_do_nothing())
    over = sa.select(EndedSession.token).where(EndedSession.ended_at < now - 2 * LASTS).limit(_MOST_PRUNED)
    session.execute(
        sa.delete(EndedSession).where(EndedSession.token.in_(over)).execution_options(synchronize_session=False)
    )
