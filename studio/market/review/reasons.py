"""Reasons that moderators can give: written, put in order, taken out of use; never taken away from a decision."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.editing import common_start
from studio.kit.errors import NotFoundError, StaleError
from studio.kit.text import one_line, storable
from studio.market.models import REASON_LENGTHS, FieldComment, ReviewReason
from studio.market.review.errors import ReasonGivenError, ReasonWrongError
from studio.market.review.rules import REVIEW_FIELDS

RESOURCE = "review_reason"
HIGHEST = 9_999
"""The last place in the order."""

_WORDS = re.compile(r"[^a-z0-9]+")
_CODE_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Wording:
    """What a person writes of a reason: its name and its sentence in both languages, what it is about, how it is used."""

    title: str
    title_zh: str
    message: str
    message_zh: str
    field: str = ""
    sort_order: int | None = 0
    """None is what is no whole number."""
    is_severe: bool = False
    is_active: bool = True

    def values(self) -> dict[str, Any]:
        """The columns, cleaned; raises ReasonWrongError that names every wrong field at once."""
        values: dict[str, Any] = asdict(self) | {
            "title": one_line(self.title),
            "title_zh": one_line(self.title_zh),
            "message": storable(self.message).strip(),
            "message_zh": storable(self.message_zh).strip(),
            "field": self.field.strip(),
        }
        wrong: dict[str, str] = {}
        for name in ("title", "title_zh"):
            if not values[name]:
                wrong[name] = "Give the reason a name in both languages."
            elif len(values[name]) > REASON_LENGTHS[name]:
                wrong[name] = "Shorten the name to 100 characters."
        for name in ("message", "message_zh"):
            if not values[name]:
                wrong[name] = "Say in both languages what the creator should do."
            elif len(values[name]) > REASON_LENGTHS[name]:
                wrong[name] = "Shorten the sentence to 1,000 characters."
        if values["field"] and values["field"] not in REVIEW_FIELDS:
            wrong["field"] = "Choose a field from the list."
        if self.sort_order is None or not 0 <= self.sort_order <= HIGHEST:
            wrong["sort_order"] = "The place is a whole number from 0 to 9999."
        if wrong:
            raise ReasonWrongError(wrong)
        return values


def reason_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Who writes reasons, or works or watches the desk, sees them all."""
    return sa.true() if actor.may(Permission.REASON_WRITE) or actor.may(Permission.REVIEW_READ) else sa.false()


def create(session: Session, *, actor: Actor, wording: Wording) -> ReviewReason:
    """Moderators can give the reason from now on, unless it is not in use yet. Raises ForbiddenError or ReasonWrongError."""
    actor.must(Permission.REASON_WRITE)
    values = wording.values()
    # Two people who call theirs the same at once get one code each.
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("market.reasons", 0))))
    reason = ReviewReason(code=_free_code(session, values["title"]), **values)
    session.add(reason)
    session.flush()
    audit.record(
        session, actor=actor, action="review_reason.create", resource=RESOURCE, resource_id=reason.id, after=values
    )
    return reason


def update(
    session: Session, *, actor: Actor, reason_id: UUID, row_version: int | None, wording: Wording, now: datetime
) -> ReviewReason:
    """The reason reads so from now on, in earlier decisions too; whether those were severe stays as it was decided.

    Raises ForbiddenError, NotFoundError, StaleError or ReasonWrongError.
    """
    actor.must(Permission.REASON_WRITE)
    reason = _locked(session, actor=actor, reason_id=reason_id)
    if row_version is not None and row_version != reason.row_version:
        raise StaleError
    values = wording.values()
    before = {name: getattr(reason, name) for name in values}
    for name, value in values.items():
        setattr(reason, name, value)
    session.flush()
    common_start.keep(
        session,
        actor=actor,
        resource=RESOURCE,
        document_id=reason.id,
        row_version=reason.row_version,
        before={name: before[name] for name, value in values.items() if before[name] != value},
        now=now,
    )
    audit.record_changes(
        session,
        actor=actor,
        action="review_reason.update",
        resource=RESOURCE,
        resource_id=reason.id,
        before=before,
        after=values,
    )
    return reason


def delete(session: Session, *, actor: Actor, reason_id: UUID, row_version: int | None) -> None:
    """A reason that nobody ever gave is gone.

    Raises ForbiddenError, NotFoundError, StaleError, or ReasonGivenError for one that stands in a decision.
    """
    actor.must(Permission.REASON_WRITE)
    reason = _locked(session, actor=actor, reason_id=reason_id)
    if row_version is not None and row_version != reason.row_version:
        raise StaleError
    if count_given(session, [reason.id]):
        raise ReasonGivenError
    before = {"code": reason.code, "title": reason.title}
    session.delete(reason)
    session.flush()
    audit.record(
        session, actor=actor, action="review_reason.delete", resource=RESOURCE, resource_id=reason_id, before=before
    )


def count_given(session: Session, ids: Iterable[UUID]) -> Mapping[UUID, int]:
    """In how many decisions each of these reasons stands, undone ones too; those in none are left out."""
    rows = session.execute(
        sa.select(FieldComment.reason_id, sa.func.count(FieldComment.decision_id.distinct()))
        .where(FieldComment.reason_id.in_(list(ids)))
        .group_by(FieldComment.reason_id)
    )
    return dict(rows.all())


def _locked(session: Session, *, actor: Actor, reason_id: UUID) -> ReviewReason:
    reason = session.scalar(
        sa.select(ReviewReason)
        .where(reason_visible_to(actor), ReviewReason.id == reason_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if reason is None:
        raise NotFoundError
    return reason


def _free_code(session: Session, title: str) -> str:
    """A code after the name, which says it in files and audits and never changes: thin_description, thin_description_2."""
    stem = _WORDS.sub("_", title.casefold()).strip("_")[:_CODE_LENGTH] or "reason"
    taken = set(
        session.scalars(sa.select(ReviewReason.code).where(ReviewReason.code.startswith(stem, autoescape=True)))
    )
    number = next(number for number in range(1, len(taken) + 2) if _numbered(stem, number) not in taken)
    return _numbered(stem, number)


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}_{number}"
