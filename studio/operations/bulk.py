"""Doing one thing to many rows: tried without effect first, then done row by row, with a result for each, and undone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio import work
from studio.accounts.models import User, UserStatus
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, StaleError, StudioError
from studio.kit.text import excerpt
from studio.operations.bulk_actions import Before, BulkAction, Step, cleaned, find_action, row_key
from studio.operations.models import BulkItem, BulkOutcome, BulkRun, BulkState
from studio.operations.queries import bulk_run_visible_to
from studio.work import steering
from studio.work.models import JobRun
from studio.work.queries import OPEN

AT_ONCE = 100
"""So many rows, a page of any list, are done within the request that asks for it."""

MOST_ROWS = 100_000
BATCH = 50
"""Rows that a job does in one transaction."""

KEPT = timedelta(days=30)
_TITLE = 120

_GONE = "The account that asked for this is suspended or gone."
_MAY_NOT = "Whoever asked for this may not do it any more."


class NotPreviewedError(ConflictError):
    """Only what was tried can be confirmed."""

    def __init__(self) -> None:
        super().__init__("This is not waiting to be confirmed. Look at its page again.")


class CannotUndoError(ConflictError):
    """There is nothing to take back, or it was taken back."""

    def __init__(self) -> None:
        super().__init__(
            "This cannot be undone: it changed nothing, is not over, was undone, or is of a kind without undo."
        )


class HasEndedError(ConflictError):
    """Nothing is left to stop."""

    def __init__(self) -> None:
        super().__init__("This has already ended.")


def do_at_once(
    session: Session,
    *,
    actor: Actor,
    action: str,
    argument: str,
    rows: Sequence[tuple[str, int | None]],
    now: datetime,
) -> BulkRun:
    """The action is done to `rows` (ids with the version that was seen), at most AT_ONCE, each refused by itself.

    The run that is returned is finished and says what became of each. Raises ForbiddenError, or InvalidError
    where the argument is of no use or no row was chosen.
    """
    kind, argument = _checked(actor, action, argument)
    if not rows:
        raise InvalidError("Choose some rows first.")
    if len(rows) > AT_ONCE:
        raise InvalidError("Choose fewer rows, or all that match.")
    run = _new_run(session, actor=actor, action=kind, argument=argument, state=BulkState.RUNNING, now=now)
    run.confirmed_at = now
    run.total = len(rows)
    session.add_all(
        BulkItem(run_id=run.id, position=place, row_id=row_id, row_version=version)
        for place, (row_id, version) in enumerate(rows)
    )
    session.flush()
    _do_items(session, run=run, actor=actor, limit=AT_ONCE, now=now)
    _end(run, BulkState.FINISHED, now=now)
    session.flush()
    return run


def ask(
    session: Session,
    *,
    actor: Actor,
    action: str,
    argument: str,
    chosen: sa.Select[tuple[str, int | None]],
    now: datetime,
) -> BulkRun:
    """The rows that `chosen` (id as text, version) finds now are written down, and a job tries the action on them.

    `chosen` must be scoped to what the actor may see; each row is asked for again in that scope when it is done.
    Nothing changes before somebody confirms. Raises ForbiddenError, or InvalidError where there is no row or too many.
    """
    kind, argument = _checked(actor, action, argument)
    run = _new_run(session, actor=actor, action=kind, argument=argument, state=BulkState.PREVIEWING, now=now)
    session.flush()
    found = chosen.limit(MOST_ROWS + 1).subquery()
    row_id, version = found.columns
    numbered = sa.select(sa.literal(run.id), sa.func.row_number().over() - 1, row_id, version)
    session.execute(
        sa.insert(BulkItem).from_select(
            ["run_id", "position", "row_id", "row_version"], numbered, include_defaults=False
        )
    )
    run.total = session.scalar(sa.select(sa.func.count()).where(BulkItem.run_id == run.id)) or 0
    if run.total == 0:
        raise InvalidError("No row matches any more.")
    if run.total > MOST_ROWS:
        raise InvalidError(
            "More than %(most)s rows match. Narrow the list by a filter or a search, then try again.", most=MOST_ROWS
        )
    session.flush()
    _ask_job(session, "operations.preview_bulk", run, actor=actor, now=now)
    return run


def preview_some(session: Session, scratch: Session, *, run_id: UUID, now: datetime, limit: int = BATCH) -> int:
    """Say of the next rows what would become of them; returns how many there were, 0 when all are said.

    The action is really done, in `scratch`, a session of its own that is rolled back here: so nothing can differ
    between what is foreseen and what will happen, but for what changes in between.
    """
    run = _locked(session, run_id)
    if run.state is not BulkState.PREVIEWING:
        return 0
    actor = _actor_of(session, run)
    kind = find_action(run.action)
    if actor is None or kind is None:
        _stop(run, _GONE if actor is None else _MAY_NOT, now=now)
        return 0
    items = _items(session, run, BulkItem.forecast.is_(None), limit=limit)
    for item in items:
        try:
            before = _do_one(scratch, kind, actor=actor, run=run, item=item, now=now)[0]
            item.forecast = BulkOutcome.UNCHANGED if before is None else BulkOutcome.CHANGED
        except StudioError as error:
            item.forecast, item.sentence = BulkOutcome.REFUSED, str(error)
        finally:
            item.row_title = _title(scratch, kind, actor=actor, item=item)
            scratch.rollback()
    if not items:
        run.state = BulkState.PREVIEWED
    session.flush()
    return len(items)


def confirm(session: Session, *, actor: Actor, run_id: UUID, now: datetime) -> BulkRun:
    """A job does what was tried. Raises NotFoundError, ForbiddenError where it is another's, or NotPreviewedError."""
    run = _own(session, actor=actor, run_id=run_id)
    if run.state is not BulkState.PREVIEWED:
        raise NotPreviewedError
    run.state, run.confirmed_at = BulkState.RUNNING, now
    session.execute(
        sa.update(BulkItem)
        .where(BulkItem.run_id == run.id, BulkItem.sentence.is_not(None))
        .values(sentence=None)
        .execution_options(synchronize_session=False)
    )
    session.flush()
    _ask_job(session, "operations.run_bulk", run, actor=actor, now=now)
    return run


def do_some(session: Session, *, run_id: UUID, now: datetime, limit: int = BATCH) -> int:
    """Do it to the next rows; returns how many there were, 0 when the run has ended.

    Who asked is looked up each time: a suspended account, or one that may not do it any more, ends the run.
    """
    run = _locked(session, run_id)
    if run.state is not BulkState.RUNNING:
        return 0
    actor = _actor_of(session, run)
    kind = find_action(run.action)
    if actor is None or kind is None or not kind.offered_to(actor):
        _stop(run, _GONE if actor is None else _MAY_NOT, now=now)
        return 0
    done = _do_items(session, run=run, actor=actor, limit=limit, now=now)
    if not done:
        _end(run, BulkState.FINISHED, now=now)
    session.flush()
    return done


def stop(session: Session, *, actor: Actor, run_id: UUID, now: datetime) -> BulkRun:
    """Nothing more is done; what was done stays, and can be undone.

    Raises NotFoundError, ForbiddenError, or HasEndedError.
    """
    run = _own(session, actor=actor, run_id=run_id)
    if run.finished_at is not None:
        raise HasEndedError
    _stop(run, None, now=now)
    session.flush()
    open_jobs = session.scalars(
        sa.select(JobRun.id).where(JobRun.about_type == "bulk_run", JobRun.about_id == run.id, JobRun.state.in_(OPEN))
    ).all()
    for job_id in open_jobs:
        steering.cancel(session, actor=actor, job_id=job_id, now=now)
    return run


def go_on(session: Session, *, actor: Actor, run_id: UUID, now: datetime) -> BulkRun:
    """The job of a run that is not over is there again, if it had failed or was stopped from the list of jobs."""
    run = _own(session, actor=actor, run_id=run_id)
    names = {BulkState.PREVIEWING: "operations.preview_bulk", BulkState.RUNNING: "operations.run_bulk"}
    if run.state not in names:
        raise HasEndedError
    _ask_job(session, names[run.state], run, actor=actor, now=now)
    return run


def undo(session: Session, *, actor: Actor, run_id: UUID, now: datetime) -> BulkRun:
    """What the run changed is put back, wherever nobody changed it since: at once for a page of rows, else by a job.

    Undoing is a run of its own, returned here. Raises NotFoundError, ForbiddenError or CannotUndoError.
    """
    run = _own(session, actor=actor, run_id=run_id)
    kind = find_action(run.action)
    if not may_be_undone(session, run) or kind is None:
        raise CannotUndoError
    kind, argument = _checked(actor, run.action, run.argument, again=True)
    back = _new_run(session, actor=actor, action=kind, argument=argument, state=BulkState.RUNNING, now=now)
    back.undoes_id, back.confirmed_at = run.id, now
    session.flush()
    changed = sa.select(
        sa.literal(back.id),
        sa.func.row_number().over(order_by=BulkItem.position) - 1,
        BulkItem.row_id,
        BulkItem.row_title,
        BulkItem.version_after,
        BulkItem.before,
    ).where(BulkItem.run_id == run.id, BulkItem.outcome == BulkOutcome.CHANGED)
    session.execute(
        sa.insert(BulkItem).from_select(
            ["run_id", "position", "row_id", "row_title", "row_version", "before"], changed, include_defaults=False
        )
    )
    back.total = run.changed
    session.flush()
    if back.total <= AT_ONCE:
        _do_items(session, run=back, actor=actor, limit=AT_ONCE, now=now)
        _end(back, BulkState.FINISHED, now=now)
        session.flush()
    else:
        _ask_job(session, "operations.run_bulk", back, actor=actor, now=now)
    return back


def may_be_undone(session: Session, run: BulkRun) -> bool:
    """Whether the run is over, changed something, is of a kind that can be put back, and was not put back yet."""
    kind = find_action(run.action)
    if run.finished_at is None or not run.changed or run.undoes_id is not None or kind is None or kind.undo is None:
        return False
    return session.scalar(sa.select(BulkRun.id).where(BulkRun.undoes_id == run.id)) is None


def forget_old(session: Session, *, now: datetime, limit: int = 20) -> int:
    """Delete runs older than KEPT with their results, at most `limit`; returns how many. May be repeated."""
    old = sa.select(BulkRun.id).where(BulkRun.created_at < now - KEPT).order_by(BulkRun.created_at).limit(limit)
    gone = session.scalars(
        sa.delete(BulkRun)
        .where(BulkRun.id.in_(old.scalar_subquery()))
        .returning(BulkRun.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(gone)


def _checked(actor: Actor, name: str, argument: str, *, again: bool = False) -> tuple[BulkAction, str]:
    kind = find_action(name)
    if kind is None:
        raise InvalidError("Choose what should be done.")
    if not kind.offered_to(actor) or actor.user_id is None:
        raise ForbiddenError
    return kind, argument if again else cleaned(kind, argument)


def _new_run(
    session: Session, *, actor: Actor, action: BulkAction, argument: str, state: BulkState, now: datetime
) -> BulkRun:
    run = BulkRun(
        id=uuid7(),
        action=action.name,
        argument=argument,
        asked_by_id=actor.user_id,
        state=state,
        total=0,
        changed=0,
        unchanged=0,
        refused=0,
        created_at=now,
    )
    session.add(run)
    session.flush()
    return run


def _ask_job(session: Session, name: str, run: BulkRun, *, actor: Actor, now: datetime) -> None:
    work.ask(
        session,
        name,
        actor=actor,
        about=("bulk_run", run.id),
        queue="bulk",
        dedupe_key=f"{name}:{run.id}",
        now=now,
        run_id=run.id,
    )


def _do_items(session: Session, *, run: BulkRun, actor: Actor, limit: int, now: datetime) -> int:
    kind = find_action(run.action)
    assert kind is not None  # noqa: S101 - Asked by every caller.
    items = _items(session, run, BulkItem.outcome.is_(None), limit=limit)
    counts = dict.fromkeys(BulkOutcome, 0)
    for item in items:
        try:
            with session.begin_nested():
                before, item_version, title = _do_one(session, kind, actor=actor, run=run, item=item, now=now)
        except StudioError as error:
            item.outcome, item.sentence = BulkOutcome.REFUSED, str(error)
        else:
            item.outcome = BulkOutcome.UNCHANGED if before is None else BulkOutcome.CHANGED
            item.before, item.version_after = dict(before) if before is not None else None, item_version
            item.row_title = title
        counts[item.outcome] += 1
    run.changed += counts[BulkOutcome.CHANGED]
    run.unchanged += counts[BulkOutcome.UNCHANGED]
    run.refused += counts[BulkOutcome.REFUSED]
    session.flush()
    return len(items)


def _do_one(
    session: Session, kind: BulkAction, *, actor: Actor, run: BulkRun, item: BulkItem, now: datetime
) -> tuple[Before | None, int | None, str]:
    """Do it to one row: what was before (None where nothing changed), the row's version then, and its title."""
    key = row_key(kind, item.row_id)
    row = session.scalar(
        sa.select(kind.model)
        .where(kind.visible_to(actor), kind.key == key)
        .with_for_update(key_share=True, of=kind.model)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFoundError
    if kind.version is not None and item.row_version is not None and row.row_version != item.row_version:
        raise StaleError("It was changed in the meantime, and was left as it is.")
    step = Step(session=session, actor=actor, row=row, argument=run.argument, now=now)
    if run.undoes_id is None:
        before = kind.change(step)
    else:
        before = item.before or {}
        if kind.undo is None:
            raise CannotUndoError
        kind.undo(step, before)
    session.flush()
    version: int | None = getattr(row, "row_version", None)
    return before, version, excerpt(kind.title_of(row), _TITLE)


def _title(session: Session, kind: BulkAction, *, actor: Actor, item: BulkItem) -> str:
    row = session.scalar(sa.select(kind.model).where(kind.visible_to(actor), kind.key == row_key(kind, item.row_id)))
    return "" if row is None else excerpt(kind.title_of(row), _TITLE)


def _items(session: Session, run: BulkRun, wanted: sa.ColumnElement[bool], *, limit: int) -> Sequence[BulkItem]:
    query = sa.select(BulkItem).where(BulkItem.run_id == run.id, wanted).order_by(BulkItem.position).limit(limit)
    return session.scalars(query).all()


def _locked(session: Session, run_id: UUID) -> BulkRun:
    run = session.scalar(
        sa.select(BulkRun)
        .where(BulkRun.id == run_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if run is None:
        raise NotFoundError
    return run


def _own(session: Session, *, actor: Actor, run_id: UUID) -> BulkRun:
    if not actor.may(Permission.JOB_STEER_OWN):
        raise ForbiddenError
    if session.scalar(sa.select(BulkRun.id).where(bulk_run_visible_to(actor), BulkRun.id == run_id)) is None:
        raise NotFoundError
    run = _locked(session, run_id)
    if run.asked_by_id != actor.user_id:
        raise ForbiddenError
    return run


def _actor_of(session: Session, run: BulkRun) -> Actor | None:
    user = session.get(User, run.asked_by_id, populate_existing=True)
    return user.actor if user is not None and user.status is UserStatus.ACTIVE else None


def _stop(run: BulkRun, because: str | None, *, now: datetime) -> None:
    run.stopped_because = because
    _end(run, BulkState.STOPPED, now=now)


def _end(run: BulkRun, state: BulkState, *, now: datetime) -> None:
    run.state, run.finished_at = state, now


def samples(session: Session, *, run: BulkRun, outcome: BulkOutcome, limit: int = 5) -> Sequence[BulkItem]:
    """The first rows that would become, or became, `outcome`."""
    column = BulkItem.outcome if run.confirmed_at is not None else BulkItem.forecast
    return _items(session, run, column == outcome, limit=limit)


def forecast(session: Session, *, run: BulkRun) -> dict[BulkOutcome, int]:
    """How many rows would be changed, unchanged, refused, as far as it was tried."""
    counted = session.execute(
        sa.select(BulkItem.forecast, sa.func.count())
        .where(BulkItem.run_id == run.id, BulkItem.forecast.is_not(None))
        .group_by(BulkItem.forecast)
    )
    found: dict[BulkOutcome, int] = dict.fromkeys(BulkOutcome, 0)
    found.update({row[0]: row[1] for row in counted if row[0] is not None})
    return found
