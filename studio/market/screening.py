"""Screening: all checks over one listing, their findings kept, and the case put into the queue. It decides nothing."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.authoring.models import Character, CharacterStatus
from studio.market import pictures, queries
from studio.market.checks import CHECKS
from studio.market.checks.base import Check, Finding, about
from studio.market.checks.picture import HINT
from studio.market.checks.submission import Submission, Twin
from studio.market.models import (
    CaseState,
    CharacterPublication,
    ReviewCase,
    ScreeningResult,
    Severity,
)
from studio.media.models import MediaFile
from studio.providers.storage import Storage
from studio.work.models import FINAL, JobRun

LABEL = "Deterministic rules on this machine; not screened by a model."
"""What the desk says of where the findings come from."""

FAILED = "screening"
"""The name under which a case tells that its screening did not work."""

_FAILED_MESSAGE = "The screening did not work, so nothing was checked. Read the card with more care."
_MOST_TWINS = 10
_MOST_STUCK = 200
_GRACE = timedelta(seconds=30)


def run(session: Session, *, case_id: UUID, storage: Storage, now: datetime) -> dict[str, Any]:
    """Every check has a result in the case, and a case that was being screened waits in the queue.

    Running twice gives the same rows as running once; a case that is gone or closed meanwhile is left alone.
    Returns how many checks found something, by severity. The job does the same in steps, to tell its progress.
    """
    submission = prepare(session, case_id=case_id, storage=storage)
    if submission is None:
        return {"screened": False}
    return keep(session, case_id=case_id, findings={check: check.look(submission) for check in CHECKS}, now=now)


def prepare(session: Session, *, case_id: UUID, storage: Storage) -> Submission | None:
    """What the checks look at, read once; None where the case is gone or closed."""
    case = session.get(ReviewCase, case_id)
    if case is None or case.state in {CaseState.DECIDED, CaseState.WITHDRAWN}:
        return None
    publication = session.get_one(CharacterPublication, case.publication_id)
    version = queries.version_of(session, publication)
    portrait = session.get(MediaFile, version.portrait_id) if version.portrait_id is not None else None
    profile = version.studio.get("profile") or {}
    return Submission(
        card=version.card,
        studio=version.studio,
        listing={
            "title": publication.title,
            "description": publication.description,
            "tags": list(publication.tags),
        },
        rating=str(profile.get("content_rating") or "unrated"),
        picture=pictures.read(session, portrait=portrait, storage=storage) if portrait is not None else None,
        same_card=tuple(_same_card(session, publication, version.content_hash)),
        similar_pictures=tuple(_similar_pictures(session, publication, portrait)),
    )


def keep(session: Session, *, case_id: UUID, findings: Mapping[Check, Finding], now: datetime) -> dict[str, Any]:
    """The findings are the results of the case, whatever an earlier run found; a case under screening waits now."""
    case = _locked(session, case_id)
    if case is None:
        return {"screened": False}
    for check, finding in findings.items():
        _put(session, case_id, check.name, check.version, finding, now)
    session.execute(
        sa.delete(ScreeningResult).where(ScreeningResult.case_id == case_id, ScreeningResult.check_name == FAILED)
    )
    _into_queue(case)
    session.flush()
    found = [finding.severity for finding in findings.values()]
    return {"screened": True, **{severity.value: found.count(severity) for severity in Severity}}


def give_up(session: Session, *, case_id: UUID, now: datetime) -> bool:
    """A case whose screening failed for good joins the queue all the same, and says so at its top.

    Tells whether the case was still being screened; for any other nothing changes.
    """
    case = _locked(session, case_id)
    if case is None or case.state is not CaseState.SCREENING:
        return False
    failure = Finding((about("", _FAILED_MESSAGE, Severity.SEVERE),))
    _put(session, case_id, FAILED, 1, failure, now)
    _into_queue(case)
    session.flush()
    return True


def release_stuck(session: Session, *, now: datetime) -> int:
    """Cases under screening for which no job waits or runs (any more) join the queue; returns how many."""
    key = sa.func.concat("market.screen_listing:", sa.cast(ReviewCase.id, sa.Text))
    is_open = sa.exists().where(JobRun.dedupe_key == key, JobRun.state.not_in(FINAL))
    stuck = session.scalars(
        sa.select(ReviewCase.id)
        .where(ReviewCase.state == CaseState.SCREENING, ReviewCase.opened_at < now - _GRACE, ~is_open)
        .order_by(ReviewCase.opened_at)
        .limit(_MOST_STUCK)
    ).all()
    return sum(give_up(session, case_id=case_id, now=now) for case_id in stuck)


def _locked(session: Session, case_id: UUID) -> ReviewCase | None:
    case = session.get(ReviewCase, case_id, with_for_update={"key_share": True}, populate_existing=True)
    return None if case is None or case.state in {CaseState.DECIDED, CaseState.WITHDRAWN} else case


def _into_queue(case: ReviewCase) -> None:
    if case.state is CaseState.SCREENING:
        case.state = CaseState.WAITING


def _put(session: Session, case_id: UUID, name: str, version: int, finding: Finding, now: datetime) -> None:
    values = {
        "check_version": version,
        "severity": finding.severity,
        "evidence": [item.to_json() for item in finding.evidence],
        "checked_at": now,
    }
    session.execute(
        insert(ScreeningResult)
        .values(case_id=case_id, check_name=name, **values)
        .on_conflict_do_update(constraint="uq_screening_results_case_id_check_name", set_=values)
    )


def _same_card(session: Session, publication: CharacterPublication, content_hash: str) -> Iterator[Twin]:
    rows = session.execute(
        sa.select(Character.id, Character.name, Character.owner_id)
        .where(
            Character.content_hash == content_hash,
            Character.id != publication.character_id,
            Character.status != CharacterStatus.ARCHIVED,
        )
        .order_by(Character.id)
        .limit(_MOST_TWINS)
    )
    for character_id, name, owner_id in rows:
        yield Twin(str(character_id), name, is_same_owner=owner_id == publication.publisher_id)


def _similar_pictures(
    session: Session, publication: CharacterPublication, portrait: MediaFile | None
) -> Iterator[Twin]:
    """Characters whose portraits' hashes differ in at most HINT bits.

    A portrait that is one plain colour hashes to 0 and would be like every other such one; it says nothing.
    """
    if portrait is None or not portrait.perceptual_hash:
        return
    difference = MediaFile.perceptual_hash.op("#")(portrait.perceptual_hash)
    distance = sa.func.bit_count(sa.func.int8send(difference))
    rows = session.execute(
        sa.select(Character.id, Character.name, Character.owner_id, distance.label("distance"))
        .join(MediaFile, MediaFile.id == Character.portrait_id)
        .where(
            MediaFile.perceptual_hash.is_not(None),
            distance <= HINT,
            Character.id != publication.character_id,
            Character.status != CharacterStatus.ARCHIVED,
        )
        .order_by("distance", Character.id)
        .limit(_MOST_TWINS)
    )
    for character_id, name, owner_id, bits in rows:
        yield Twin(str(character_id), name, is_same_owner=owner_id == publication.publisher_id, distance=int(bits))
