"""Tags that a person may choose from while typing: their own characters', and those of characters that are listed."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring.models import Character, ListedTag
from studio.authoring.queries import not_in_trash
from studio.kit.text import escape_like, folded, one_line

MOST_SUGGESTIONS = 12
_OWN_CHARACTERS = 300
_LONGEST = 100


def suggestions(session: Session, *, actor: Actor, text: str) -> list[str]:
    """At most twelve tags, each once whatever its case: the actor's own that contain `text`, then listed ones.

    Listed ones begin with `text`, the commonest first; an empty text suggests the commonest of all. Own ones are
    those of the 300 characters that the actor changed last. Two statements, both bounded.
    """
    typed = folded(one_line(text))[:_LONGEST]
    found: dict[str, str] = {}
    for tag in (*_own(session, actor, typed), *_listed(session, typed)):
        found.setdefault(folded(tag), tag)
    return list(found.values())[:MOST_SUGGESTIONS]


def _own(session: Session, actor: Actor, typed: str) -> list[str]:
    if actor.user_id is None:
        return []
    latest = (
        sa.select(Character.tags)
        .where(Character.owner_id == actor.user_id, not_in_trash())
        .order_by(Character.updated_at.desc(), Character.id.desc())
        .limit(_OWN_CHARACTERS)
        .subquery()
    )
    tag = sa.select(sa.func.unnest(latest.c.tags).label("tag")).subquery().c.tag
    query = (
        sa.select(tag)
        .where(_folded(tag).like(f"%{escape_like(typed)}%", escape="\\"))
        .group_by(tag)
        .order_by(sa.func.count().desc(), tag)
        .limit(MOST_SUGGESTIONS)
    )
    return list(session.scalars(query))


def _listed(session: Session, typed: str) -> list[str]:
    query = (
        sa.select(ListedTag.label)
        .where(ListedTag.folded.like(f"{escape_like(typed)}%", escape="\\"), ListedTag.uses > 0)
        .order_by(ListedTag.uses.desc(), ListedTag.folded)
        .limit(MOST_SUGGESTIONS)
    )
    return list(session.scalars(query))


def _folded(tag: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    return sa.func.lower(sa.func.normalize(tag, sa.text("NFKC")))
