"""The switches of the screening's checks, and how often each was right as moderators decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import NotFoundError
from studio.kit.orm import lock_row
from studio.market.models import CheckMode, Outcome, ReviewDecision, ScreeningCheck, ScreeningResult, Severity
from studio.market.screening.checks import ALL, MODEL_CHECKS

RESOURCE = "screening_check"

SINCE = timedelta(days=30)
"""How far back the figures of a check go."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one version of a check found in a time, and what moderators then decided.

    A hit is a finding that is worth a look (warning or severe). `rejected_hits` were sent back: the check was
    right, or the case had another fault; `approved_hits` were false alarms.
    """

    version: int
    looked: int = 0
    hits: int = 0
    failed: int = 0
    shadow: int = 0
    rejected_hits: int = 0
    approved_hits: int = 0
    rejected_others: int = 0

    @property
    def precision(self) -> float | None:
        """The share of the decided hits that were sent back; None where none was decided."""
        decided = self.rejected_hits + self.approved_hits
        return self.rejected_hits / decided if decided else None


@dataclass(frozen=True, slots=True)
class Switch:
    """One check with its switch and its record, the newest version first."""

    name: str
    version: int
    title: str
    is_model: bool
    mode: CheckMode
    row_version: int
    """0 while nobody has touched the switch."""
    changed_at: datetime | None
    changed_by: str | None
    records: tuple[Record, ...]


def modes(session: Session) -> dict[str, CheckMode]:
    """The mode of every check that the program has."""
    kept = {row.name: row.mode for row in session.scalars(sa.select(ScreeningCheck))}
    return {check.name: kept.get(check.name, CheckMode.ACTIVE) for check in ALL}


def list_switches(session: Session, *, actor: Actor, now: datetime) -> list[Switch]:
    """Every check in the order of the desk, with what it found in the last thirty days; raises ForbiddenError."""
    actor.must(Permission.SCREENING_READ)
    rows = session.execute(
        sa.select(ScreeningCheck, User.name).outerjoin(User, User.id == ScreeningCheck.changed_by_id)
    )
    kept: dict[str, tuple[ScreeningCheck, str | None]] = {row.name: (row, name) for row, name in rows}
    records = _records(session, since=now - SINCE)
    found = []
    for check in ALL:
        row, name = kept.get(check.name, (None, None))
        found.append(
            Switch(
                name=check.name,
                version=check.version,
                title=check.title,
                is_model=check in MODEL_CHECKS,
                mode=row.mode if row is not None else CheckMode.ACTIVE,
                row_version=row.row_version if row is not None else 0,
                changed_at=row.changed_at if row is not None else None,
                changed_by=name,
                records=tuple(records.get(check.name, ())),
            )
        )
    return found


def switch(session: Session, *, actor: Actor, name: str, mode: CheckMode, now: datetime) -> CheckMode:
    """The check is in `mode` from the next screening on; what it found before keeps the mode of its time.

    Setting what is set changes nothing. Raises ForbiddenError, or NotFoundError for a check that is not.
    """
    actor.must(Permission.SCREENING_WRITE)
    if name not in {check.name for check in ALL}:
        raise NotFoundError
    row = lock_row(session, ScreeningCheck, name, key_share=False)
    before = row.mode if row is not None else CheckMode.ACTIVE
    if before is mode:
        return mode
    values = {"mode": mode, "changed_at": now, "changed_by_id": actor.user_id}
    session.execute(
        insert(ScreeningCheck)
        .values(name=name, row_version=1, **values)
        .on_conflict_do_update(
            index_elements=[ScreeningCheck.name], set_={**values, "row_version": ScreeningCheck.row_version + 1}
        )
    )
    audit.record(
        session,
        actor=actor,
        action="screening_check.switch",
        resource=RESOURCE,
        resource_id=None,
        before={"check": name, "mode": before.value},
        after={"check": name, "mode": mode.value},
    )
    return mode


def _records(session: Session, *, since: datetime) -> Mapping[str, list[Record]]:
    is_hit = ScreeningResult.severity.in_([Severity.WARNING, Severity.SEVERE])
    rejected, approved = ReviewDecision.outcome == Outcome.REJECTED, ReviewDecision.outcome == Outcome.APPROVED

    def counted(*conditions: sa.ColumnElement[bool]) -> Any:
        return sa.func.count().filter(*conditions)

    rows = session.execute(
        sa.select(
            ScreeningResult.check_name,
            ScreeningResult.check_version,
            counted(ScreeningResult.is_failed.is_(False)),
            counted(is_hit),
            counted(ScreeningResult.is_failed.is_(True)),
            counted(ScreeningResult.mode == CheckMode.SHADOW),
            counted(is_hit, rejected),
            counted(is_hit, approved),
            counted(sa.func.coalesce(is_hit, sa.false()).is_(False), ScreeningResult.is_failed.is_(False), rejected),
        )
        .outerjoin(ReviewDecision, ReviewDecision.case_id == ScreeningResult.case_id)
        .where(ScreeningResult.checked_at >= since)
        .group_by(ScreeningResult.check_name, ScreeningResult.check_version)
        .order_by(ScreeningResult.check_name, ScreeningResult.check_version.desc())
    )
    found: dict[str, list[Record]] = {}
    for name, *numbers in rows:
        found.setdefault(name, []).append(Record(*numbers))
    return found
