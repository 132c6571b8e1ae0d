"""The error log: every error that nobody handled, once, with the reference that the person saw, grouped by place."""

import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit import context, db
from studio.kit.errors import NotFoundError
from studio.operations.models import ErrorGroup, ErrorLog, ErrorSource
from studio.operations.rules import Scrubbed, new_reference, scrub, scrubbed

log = logging.getLogger(__name__)

FILE = "errors.jsonl"
_MOST_PER_GROUP_AND_HOUR = 100
_LARGEST_FILE = 20_000_000


def record(
    session: Session,
    *,
    error: BaseException,
    source: ErrorSource,
    place: str,
    user_id: UUID | None = None,
    request_id: str | None = None,
    job_id: UUID | None = None,
    now: datetime,
) -> str:
    """Keep `error` in the log, scrubbed and bounded, and return the reference to show to the person ("7K2M-9QXW").

    `place` is the route, the job's name or the command. To be called in a transaction of its own: the one in
    which the error happened is lost. An error that returns a hundred times an hour is
    counted further but no longer kept one by one.
    """
    return _keep(
        session,
        kept=scrubbed(error),
        reference=new_reference(),
        source=source,
        place=place,
        user_id=user_id,
        request_id=request_id or context.request_id.get(),
        job_id=job_id,
        now=now,
    )


def report(
    engine: sa.Engine,
    *,
    data: Path,
    error: BaseException,
    source: ErrorSource,
    place: str,
    user_id: UUID | None = None,
    request_id: str | None = None,
    job_id: UUID | None = None,
    now: datetime,
) -> str:
    """As `record`, in a transaction of its own, and never raising.

    While the database cannot be reached the error goes to a file under `data`, which `collect_files` reads back.
    """
    kept, reference = scrubbed(error), new_reference()
    request_id = request_id or context.request_id.get()
    try:
        with db.session_scope(engine) as session:
            return _keep(
                session,
                kept=kept,
                reference=reference,
                source=source,
                place=place,
                user_id=user_id,
                request_id=request_id,
                job_id=job_id,
                now=now,
            )
    except Exception as second:  # noqa: BLE001 - A second failure must not hide the first.
        log.warning("error %s goes to a file: the database refused it (%s)", reference, type(second).__name__)
    _to_file(
        data,
        kept=kept,
        reference=reference,
        source=source,
        place=place,
        user_id=user_id,
        request_id=request_id,
        job_id=job_id,
        now=now,
    )
    return reference


def report_to_file(*, data: Path, error: BaseException, source: ErrorSource, place: str, now: datetime) -> str:
    """As `report`, for a process that has no database (its servers have stopped, say); `collect_files` reads it back."""
    kept, reference = scrubbed(error), new_reference()
    _to_file(
        data,
        kept=kept,
        reference=reference,
        source=source,
        place=place,
        user_id=None,
        request_id=context.request_id.get(),
        job_id=None,
        now=now,
    )
    return reference


def _to_file(
    data: Path,
    *,
    kept: Scrubbed,
    reference: str,
    source: ErrorSource,
    place: str,
    user_id: UUID | None,
    request_id: str | None,
    job_id: UUID | None,
    now: datetime,
) -> None:
    line = {
        "reference": reference,
        "source": source.value,
        "type": kept.type,
        "message": kept.message,
        "stack": kept.stack,
        "fingerprint": kept.fingerprint,
        "place": place,
        "user_id": str(user_id) if user_id else None,
        "request_id": request_id,
        "job_id": str(job_id) if job_id else None,
        "at": now.isoformat(),
    }
    try:
        _append(data / "logs" / FILE, json.dumps(line, ensure_ascii=False))
    except OSError:
        log.exception("error %s could not be kept anywhere: %s at %s", reference, kept.type, place)


def collect_files(session: Session, *, data: Path, now: datetime) -> int:
    """Move the errors that `report` had to put into a file into the log; returns how many. May be repeated."""
    place = data / "logs" / FILE
    taken = place.with_suffix(".taken")
    if not taken.exists():
        try:
            place.rename(taken)
        except FileNotFoundError:
            return 0
    lines = list(_lines(taken))
    # A crash after the commit and before the file is gone reads it again: references are kept once.
    known = set(
        session.scalars(
            sa.select(ErrorLog.reference).where(ErrorLog.reference.in_([line["reference"] for line in lines]))
        )
    )
    count = 0
    for line in lines:
        if line["reference"] in known:
            continue
        _keep(
            session,
            kept=Scrubbed(
                type=line["type"], message=line["message"], stack=line["stack"], fingerprint=line["fingerprint"]
            ),
            reference=line["reference"],
            source=ErrorSource(line["source"]),
            place=line["place"],
            user_id=None,
            request_id=line["request_id"],
            job_id=None,
            now=min(datetime.fromisoformat(line["at"]), now),
        )
        count += 1
    db.on_commit(session, lambda: taken.unlink(missing_ok=True), key=taken)
    return count


def resolve(session: Session, *, actor: Actor, fingerprint: str, now: datetime) -> ErrorGroup:
    """Mark the group as dealt with; it opens again by itself when the error returns. May be repeated.

    Raises ForbiddenError or NotFoundError.
    """
    group = _locked(session, actor=actor, fingerprint=fingerprint)
    if group.resolved_at is None:
        group.resolved_at, group.resolved_by_id = now, actor.user_id
        _audit(session, actor=actor, group=group, verb="resolve")
    return group


def reopen(session: Session, *, actor: Actor, fingerprint: str) -> ErrorGroup:
    """Mark the group as not dealt with. May be repeated. Raises ForbiddenError or NotFoundError."""
    group = _locked(session, actor=actor, fingerprint=fingerprint)
    if group.resolved_at is not None:
        group.resolved_at = group.resolved_by_id = None
        _audit(session, actor=actor, group=group, verb="reopen")
    return group


def prune(session: Session, *, before: datetime, limit: int = 5_000) -> int:
    """Delete errors kept before then, at most `limit`, and groups not seen since; returns how many errors went."""
    old = sa.select(ErrorLog.id).where(ErrorLog.created_at < before).order_by(ErrorLog.created_at).limit(limit)
    gone = session.scalars(
        sa.delete(ErrorLog)
        .where(ErrorLog.id.in_(old.scalar_subquery()))
        .returning(ErrorLog.id)
        .execution_options(synchronize_session=False)
    ).all()
    session.execute(
        sa.delete(ErrorGroup)
        .where(ErrorGroup.last_seen_at < before, ~sa.exists().where(ErrorLog.fingerprint == ErrorGroup.fingerprint))
        .execution_options(synchronize_session=False)
    )
    return len(gone)


def _keep(
    session: Session,
    *,
    kept: Scrubbed,
    reference: str,
    source: ErrorSource,
    place: str,
    user_id: UUID | None,
    request_id: str | None,
    job_id: UUID | None,
    now: datetime,
) -> str:
    group = insert(ErrorGroup).values(
        fingerprint=kept.fingerprint,
        error_type=kept.type,
        message=kept.message,
        count=1,
        first_seen_at=now,
        last_seen_at=now,
    )
    count = session.scalar(
        group.on_conflict_do_update(
            index_elements=[ErrorGroup.fingerprint],
            set_={
                "count": ErrorGroup.count + 1,
                "message": group.excluded.message,
                "last_seen_at": sa.func.greatest(ErrorGroup.last_seen_at, group.excluded.last_seen_at),
                # Whoever said that it was dealt with should hear that it was not.
                "resolved_at": None,
                "resolved_by_id": None,
            },
        ).returning(ErrorGroup.count)
    )
    if (count or 0) > _MOST_PER_GROUP_AND_HOUR and _is_flooding(session, fingerprint=kept.fingerprint, now=now):
        return _latest_reference(session, fingerprint=kept.fingerprint) or reference
    session.add(
        ErrorLog(
            id=uuid7(),
            reference=reference,
            fingerprint=kept.fingerprint,
            source=source,
            error_type=kept.type,
            message=kept.message,
            stack_trace=kept.stack,
            place=scrub(place, 200),
            user_id=user_id,
            request_id=request_id,
            job_id=job_id,
            created_at=now,
        )
    )
    session.flush()
    return reference


def _is_flooding(session: Session, *, fingerprint: str, now: datetime) -> bool:
    hundredth = session.scalar(
        sa.select(ErrorLog.created_at)
        .where(ErrorLog.fingerprint == fingerprint)
        .order_by(ErrorLog.created_at.desc())
        .offset(_MOST_PER_GROUP_AND_HOUR - 1)
        .limit(1)
    )
    return hundredth is not None and (now - hundredth).total_seconds() < 3600  # noqa: PLR2004 - An hour.


def _latest_reference(session: Session, *, fingerprint: str) -> str | None:
    return session.scalar(
        sa.select(ErrorLog.reference)
        .where(ErrorLog.fingerprint == fingerprint)
        .order_by(ErrorLog.created_at.desc())
        .limit(1)
    )


def _locked(session: Session, *, actor: Actor, fingerprint: str) -> ErrorGroup:
    actor.must(Permission.ERROR_RESOLVE)
    group = session.scalars(
        sa.select(ErrorGroup)
        .where(ErrorGroup.fingerprint == fingerprint)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if group is None:
        raise NotFoundError
    return group


def _audit(session: Session, *, actor: Actor, group: ErrorGroup, verb: str) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"error.{verb}",
        resource="error",
        resource_id=None,
        after={"fingerprint": group.fingerprint, "error_type": group.error_type},
    )


def _append(place: Path, line: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        if os.fstat(file.fileno()).st_size < _LARGEST_FILE:
            file.write(line + "\n")


def _lines(place: Path) -> Iterator[dict[str, Any]]:
    with place.open(encoding="utf-8") as file:
        for text in file:
            try:
                line = json.loads(text)
            except ValueError:
                # The process died while writing; what it began is lost, what others wrote is not.
                continue
            if isinstance(line, dict) and "reference" in line:
                yield line
