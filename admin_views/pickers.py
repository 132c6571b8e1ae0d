"""What a form field offers while a person types: rows of their scope, a few at a time."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from admin_views import listing
from studio.accounts.permissions import Actor
from studio.kit.text import escape_like, one_line

MOST_SUGGESTIONS = 20


class Picker:
    """Rows that a form field offers while a person types: scoped, bounded, LIKE escaped."""

    def __init__(self, *, model: type[Any], scope: Any, search: Sequence[Any], label: Any, order: Any) -> None:
        """`scope` and `label` are functions: of the actor to a criterion, of a row to its text."""
        self.model, self.scope, self.search, self.label, self.order = model, scope, search, label, order

    def suggestions(self, session: Session, *, actor: Actor, text: str, limit: int) -> list[dict[str, str]]:
        """At most MOST_SUGGESTIONS rows that `actor` may see and that contain `text`."""
        pattern = f"%{escape_like(one_line(text)[: listing.LONGEST_SEARCH])}%"
        query = (
            sa.select(self.model)
            .where(self.scope(actor), sa.or_(*(column.ilike(pattern, escape="\\") for column in self.search)))
            .order_by(self.order, self.model.id)
            .limit(max(1, min(limit, MOST_SUGGESTIONS)))
        )
        return [{"value": str(row.id), "text": str(self.label(row))} for row in session.scalars(query)]
