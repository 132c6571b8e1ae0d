"""Screening: all checks over one listing, their findings kept, and the case put into the queue. It decides nothing."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.authoring import fields
from studio.kit.errors import StudioError
from studio.kit.orm import lock_row
from studio.market.catalogue import cases, due, queries
from studio.market.catalogue.due import Pace
from studio.market.models import (
    CaseState,
    CharacterPublication,
    CheckMode,
    MatchKind,
    ReviewCase,
    ScreeningResult,
    Severity,
)
from studio.market.screening import assessing, check_modes, duplicates, pictures
from studio.market.screening.checks import CHECKS, MODEL_CHECKS
from studio.market.screening.checks.base import Check, Finding, about
from studio.market.screening.checks.models import ModelCheck, Models
from studio.market.screening.checks.submission import Submission, Twin
from studio.market.screening.duplicates import Match
from studio.media.models import MediaFile
from studio.providers.errors import ProviderError
from studio.providers.storage import MissingObjectError, Storage, key_of
from studio.work.models import FINAL, JobRun

log = logging.getLogger(__name__)

LABEL = "Deterministic rules on this machine; not screened by a model."
"""What the desk says of where the findings come from when no model looked."""

FAILED = duplicates.FAILED
"""The name under which a case tells that its screening did not work."""

MOST_ATTEMPTS = 6
"""So often a model is asked about one listing, some minutes apart, before a person's look has to do."""

_FAILED_MESSAGE = "The screening did not work, so nothing was checked. Read the card with more care."
_AGAIN_AFTER = timedelta(minutes=4)
_MOST_STUCK = 200
_GRACE = timedelta(seconds=30)
_FOUND_BY_CARD = (MatchKind.EXACT, MatchKind.TEXT, MatchKind.PICTURE)

_BROKEN = "This check could not be done. Look yourself at what it looks for; staff find out why by this reference:"

AnyCheck = Check | ModelCheck
Findings = Mapping[AnyCheck, Finding]

Report = Callable[[Exception], str]
"""Keeps an error in the error log and returns the reference to show; raises what is no fault of a check."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the checks look at, and how each check's switch stands."""

    submission: Submission
    modes: Mapping[str, CheckMode]


def run(
    session: Session, *, case_id: UUID, storage: Storage, now: datetime, models: Models | None = None
) -> dict[str, Any]:
    """Every check that is on has a result in the case, and a case that was being screened waits in the queue.

    Running twice gives the same rows as running once; a case that is gone or closed meanwhile is left alone.
    Returns how many checks found something, by severity. The job does the same in steps, to tell its progress.
    """
    prepared = prepare(session, case_id=case_id, storage=storage, now=now)
    if prepared is None:
        return {"screened": False}
    findings = dict(look(prepared, models=models))
    return keep(session, case_id=case_id, findings=findings, modes=prepared.modes, now=now)


def prepare(session: Session, *, case_id: UUID, storage: Storage, now: datetime) -> Prepared | None:
    """What the checks look at, read once; None where the case is gone or closed.

    The card's fingerprint and what is alike by card, text or picture are kept with the case.
    """
    case = session.get(ReviewCase, case_id)
    if case is None or case.state in {CaseState.DECIDED, CaseState.WITHDRAWN}:
        return None
    publication = session.get_one(CharacterPublication, case.publication_id)
    version = queries.version_of(session, publication)
    portrait = session.get(MediaFile, version.portrait_id) if version.portrait_id is not None else None
    fingerprint = duplicates.remember(session, publication=publication, version=version, now=now)
    matches = duplicates.find(session, publication=publication, fingerprint=fingerprint, portrait=portrait)
    duplicates.keep(session, case_id=case.id, matches=matches, kinds=_FOUND_BY_CARD)
    profile = fields.profile_in(version.studio)
    submission = Submission(
        card=version.card,
        studio=version.studio,
        listing={
            "title": publication.title,
            "description": publication.description,
            "tags": list(publication.tags),
        },
        rating=str(profile.get("content_rating") or "unrated"),
        picture=pictures.read(session, portrait=portrait, storage=storage) if portrait is not None else None,
        same_card=_twins(matches, MatchKind.EXACT),
        similar_texts=_twins(matches, MatchKind.TEXT),
        similar_pictures=_twins(matches, MatchKind.PICTURE),
        portrait=_reader(storage, portrait.sha256) if portrait is not None else lambda: None,
    )
    return Prepared(submission, check_modes.modes(session))


def look(
    prepared: Prepared, *, models: Models | None, only: frozenset[str] | None = None, report: Report | None = None
) -> Iterator[tuple[AnyCheck, Finding]]:
    """What each check that is on finds, one after the other; `only` names the checks to run.

    A model that cannot be asked is a finding of its own, and so is a check that breaks, where `report` keeps the error:
    the listing is not lost, the other checks go on, and a person is told.
    """
    for check in CHECKS:
        if prepared.modes.get(check.name) is not CheckMode.OFF and (only is None or check.name in only):
            yield check, _done(partial(check.look, prepared.submission), report)
    for asking in models_to_ask(prepared.modes, models=models):
        if models is not None and (only is None or asking.name in only):
            yield asking, _done(partial(_asked, asking, prepared.submission, models), report)


def models_to_ask(modes: Mapping[str, CheckMode], *, models: Models | None) -> list[ModelCheck]:
    """The checks by models that are on and have a model."""
    if models is None:
        return []
    return [check for check in MODEL_CHECKS if modes.get(check.name) is not CheckMode.OFF and check.source(models)]


def keep(
    session: Session,
    *,
    case_id: UUID,
    findings: Findings,
    now: datetime,
    modes: Mapping[str, CheckMode] | None = None,
    pace: Pace | None = None,
) -> dict[str, Any]:
    """The findings are the results of the case, whatever an earlier run found; a case under screening waits now.

    The case's risk is weighed anew, and what may be about minors is due at once, as with a report of it. `modes` is how the switches stood when the checks looked.
    """
    case = _locked(session, case_id)
    if case is None:
        return {"screened": False}
    for check, finding in findings.items():
        mode = (modes or {}).get(check.name, CheckMode.ACTIVE)
        _put(session, case_id, check.name, check.version, finding, now=now, mode=mode)
    session.execute(
        sa.delete(ScreeningResult).where(ScreeningResult.case_id == case_id, ScreeningResult.check_name == FAILED)
    )
    told = [
        one for check, one in findings.items() if (modes or {}).get(check.name, CheckMode.ACTIVE) is CheckMode.ACTIVE
    ]
    _into_queue(case, pace)
    if any(finding.is_grave for finding in told):
        cases.hurry(session, case)
    session.flush()
    assessing.assess(session, case=case)
    # The job's page shows this to the creator too: nothing of a check that is only tried.
    found = [finding.severity for finding in told]
    unasked = sum(finding.is_failed for finding in told)
    counts: dict[str, Any] = {"screened": True, **{severity.value: found.count(severity) for severity in Severity}}
    return counts | ({"unscreened": unasked} if unasked else {})


def give_up(session: Session, *, case_id: UUID, now: datetime) -> bool:
    """A case whose screening failed for good joins the queue all the same, and says so at its top.

    Tells whether the case was still being screened; for any other nothing changes.
    """
    case = _locked(session, case_id)
    if case is None or case.state is not CaseState.SCREENING:
        return False
    failure = Finding((about("", _FAILED_MESSAGE, Severity.SEVERE),))
    _put(session, case_id, FAILED, 1, failure, now=now, mode=CheckMode.ACTIVE)
    _into_queue(case, None)
    session.flush()
    assessing.assess(session, case=case)
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


def list_unscreened(session: Session, *, now: datetime, limit: int) -> list[UUID]:
    """Cases at the desk that a model could not look at some minutes ago and may be asked about again, the oldest first."""
    query = (
        sa.select(ScreeningResult.case_id)
        .join(ReviewCase, ReviewCase.id == ScreeningResult.case_id)
        .where(
            ScreeningResult.is_failed,
            # What broke on this machine breaks again.
            ScreeningResult.check_name.in_([check.name for check in MODEL_CHECKS]),
            ScreeningResult.attempts < MOST_ATTEMPTS,
            ScreeningResult.checked_at < now - _AGAIN_AFTER,
            ReviewCase.state.in_([CaseState.WAITING, CaseState.CLAIMED]),
        )
        .group_by(ScreeningResult.case_id)
        .order_by(sa.func.min(ScreeningResult.checked_at))
        .limit(limit)
    )
    return list(session.scalars(query))


def _done(look_: Callable[[], Finding], report: Report | None) -> Finding:
    if report is None:
        return look_()
    try:
        return look_()
    except Exception as error:  # noqa: BLE001 - Whatever a check stumbles over, the others look all the same.
        broken = about("", _BROKEN, Severity.WARNING)
        return Finding((replace(broken, excerpt=report(error)),), is_failed=True)


def _asked(check: ModelCheck, submission: Submission, models: Models) -> Finding:
    source, models = check.source(models), models.metered()
    try:
        finding = check.look(submission, models)
    except ProviderError as error:
        log.warning("%s could not look at a listing: %s (HTTP %s)", check.name, error.msgid, error.http_status)
        # The sentence as it is translated; its parameters are numbers that a log needs and a moderator does not.
        finding = Finding((about("", _sentence(error), Severity.WARNING),), is_failed=True)
    return replace(finding, source=source, requests=models.meter.requests, cost_micro=models.meter.cost_micro)


def _sentence(error: ProviderError) -> str:
    return error.msgid if "%(" not in error.msgid else "The model's server is busy or refuses the request just now."


def _reader(storage: Storage, sha256: str) -> Callable[[], bytes | None]:
    def read() -> bytes | None:
        try:
            return storage.get(key_of(sha256))
        except (MissingObjectError, StudioError):
            return None

    return read


def _twins(matches: list[Match], kind: MatchKind) -> tuple[Twin, ...]:
    return tuple(
        Twin(
            str(match.character_id),
            match.name,
            is_same_owner=match.is_same_owner,
            distance=duplicates.distance_of(match.similarity) if kind is MatchKind.PICTURE else 0,
            similarity=match.similarity,
        )
        for match in matches
        if match.kind is kind
    )


def _locked(session: Session, case_id: UUID) -> ReviewCase | None:
    case = lock_row(session, ReviewCase, case_id)
    return None if case is None or case.state in {CaseState.DECIDED, CaseState.WITHDRAWN} else case


def _into_queue(case: ReviewCase, pace: Pace | None) -> None:
    if case.state is not CaseState.SCREENING:
        return
    case.state = CaseState.WAITING
    # What is due at once stays so.
    if pace is not None and case.due_at > case.opened_at:
        case.due_at = due.due_at(case.opened_at, pace=pace)


def _put(
    session: Session, case_id: UUID, name: str, version: int, finding: Finding, *, now: datetime, mode: CheckMode
) -> None:
    values = {
        "check_version": version,
        "severity": finding.severity,
        "evidence": [item.to_json() for item in finding.evidence],
        "checked_at": now,
        "mode": mode,
        "source": finding.source,
        "is_failed": finding.is_failed,
    }
    # Only failures are counted: a model that answered starts anew.
    again = sa.case((ScreeningResult.is_failed, ScreeningResult.attempts + 1), else_=1) if finding.is_failed else 1
    session.execute(
        insert(ScreeningResult)
        .values(case_id=case_id, check_name=name, **values)
        .on_conflict_do_update(constraint="uq_screening_results_case_id_check_name", set_={**values, "attempts": again})
    )
