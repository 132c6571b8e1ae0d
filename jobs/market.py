"""Jobs of the market: screening and comparing, decisions and times that take effect, claims given back, listings moved to other shelves."""

from functools import partial
from typing import Any
from uuid import UUID

from jobs.registry import JobContext, job
from jobs.runtime import JobTimeoutError
from studio import work
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM
from studio.market.catalogue import category_tree, due, listings
from studio.market.review import claims, effects, schedules
from studio.market.screening import duplicates, screening
from studio.market.screening.checks import ALL, MODEL_CHECKS
from studio.market.screening.checks.base import Finding
from studio.market.screening.checks.models import Models
from studio.providers.language import prices_from

_MOST_AT_ONCE = 200
_BATCH = 50


@job("market.screen_listing", timeout=600)
def screen_listing(run: JobContext, *, case_id: UUID) -> dict[str, Any] | None:
    """Run every check that is on over the listing of a case; then the case waits in the queue.

    A model that cannot be asked does not keep the case from the queue: the desk says so, and the model is asked again later.
    Nor does a check that breaks: the desk says so, and the error log why.
    """
    return _screen(run, case_id, only=None)


@job("market.screen_by_models", timeout=600)
def screen_by_models(run: JobContext, *, case_id: UUID) -> dict[str, Any] | None:
    """Ask the models once more about a listing that they could not look at."""
    return _screen(run, case_id, only=frozenset(check.name for check in MODEL_CHECKS))


def _screen(run: JobContext, case_id: UUID, *, only: frozenset[str] | None) -> dict[str, Any] | None:
    run.progress("Reading the card", 2)
    with run.transaction() as session:
        prepared = screening.prepare(session, case_id=case_id, storage=run.resources.storage, now=run.now())
    if prepared is None:
        return {"screened": False}
    models = Models(run.resources.moderation, run.resources.judge, prices_from(run.settings))
    checks = [check for check in ALL if only is None or check.name in only]
    report = partial(_report, run)
    findings: dict[screening.AnyCheck, Finding] = {}
    for done, check in enumerate(checks):
        run.progress(check.title, 5 + 90 * done // len(checks))
        only_it = frozenset({check.name})
        for looked, finding in screening.look(prepared, models=models, only=only_it, report=report):
            findings[looked] = finding
            # The creator asked for a review, not for a model: the studio pays.
            run.spend_for_house(finding.cost_micro, kind=looked.name, requests=finding.requests)
    with run.transaction(last=True) as session:
        run.result = screening.keep(
            session,
            case_id=case_id,
            findings=findings,
            modes=prepared.modes,
            pace=due.pace_from(run.settings),
            now=run.now(),
        )
    return None


def _report(run: JobContext, error: Exception) -> str:
    if isinstance(error, JobTimeoutError):
        # No check broke: the time of all of them is over.
        raise error
    return run.report(error)


@job("market.tend_desk", max_attempts=3)
def tend_desk(run: JobContext) -> dict[str, int] | None:
    """Keep the cases at the desk complete: neighbours, fingerprints, and models that could not be asked before."""
    with run.transaction() as session:
        uncompared = duplicates.list_uncompared(session, limit=_MOST_AT_ONCE)
    compared = 0
    for done, case_id in enumerate(uncompared):
        run.progress("Comparing with other characters", 80 * done // len(uncompared))
        with run.transaction() as session:
            compared += duplicates.find_neighbours(session, case_id=case_id, now=run.now())
    filled = 0
    for _ in range(_MOST_AT_ONCE // _BATCH):
        run.progress("Remembering what is live", 85)
        with run.transaction() as session:
            step = duplicates.fill(session, limit=_BATCH, now=run.now())
        filled += step
        if step < _BATCH:
            break
    with run.transaction(last=True) as session:
        unscreened = screening.list_unscreened(session, now=run.now(), limit=_MOST_AT_ONCE)
        for case_id in unscreened:
            work.ask(
                session,
                "market.screen_by_models",
                dedupe_key=f"market.screen_by_models:{case_id}",
                queue="bulk",
                max_attempts=2,
                now=run.now(),
                case_id=case_id,
            )
        run.result = {"compared": compared, "remembered": filled, "asked_again": len(unscreened)}
    return None


@job("market.release_stuck_screenings")
def release_stuck_screenings(run: JobContext) -> dict[str, Any] | None:
    """Put cases whose screening failed for good into the queue, with the failure in sight."""
    with run.transaction(last=True) as session:
        run.result = {"released": screening.release_stuck(session, now=run.now())}
    return None


@job("market.let_decision_take_effect")
def let_decision_take_effect(run: JobContext, *, decision_id: UUID) -> dict[str, Any] | None:
    """Let the effects of a decision leave that can no longer be undone."""
    with run.transaction(last=True) as session:
        run.result = {"in_effect": effects.take_effect(session, decision_id=decision_id, now=run.now())}
    return None


@job("market.publish_listing")
def publish_listing(run: JobContext, *, publication_id: UUID) -> dict[str, Any] | None:
    """Put a scheduled listing on the market at its time, if it is still what was approved."""
    with run.transaction(last=True) as session:
        run.result = {"done": schedules.publish(session, publication_id=publication_id, now=run.now())}
    return None


@job("market.look_after_listings")
def look_after_listings(run: JobContext) -> dict[str, Any] | None:
    """Do what a lost job left: decisions and times that are due; and withdraw what waits for an archived character."""
    counts: dict[str, int] = {}
    for name, sweep in (
        ("in_effect", effects.release_due),
        ("published", schedules.publish_due),
        ("featured_no_more", schedules.end_featured),
        ("withdrawn", listings.withdraw_archived),
    ):
        with run.transaction() as session:
            counts[name] = sweep(session, now=run.now())
    return counts


@job("market.release_claims")
def release_claims(run: JobContext, *, user_id: UUID) -> dict[str, Any] | None:
    """Give back whatever a person held at the desk."""
    with run.transaction(last=True) as session:
        run.result = {"released": claims.release_claims(session, user_id=user_id)}
    return None


@job("market.move_listings", timeout=3600)
def move_listings(run: JobContext, *, from_id: UUID, to_id: UUID, then_delete: bool) -> dict[str, Any] | None:
    """Put the listings of one category into another, a few hundred at a time; then delete the emptied one if asked."""
    with run.transaction() as session:
        left = category_tree.count_listings(session, category_ids=[from_id])[from_id]
        # Who said where the listings go answers for it, whatever became of them since.
        mover = session.get(User, run.owner_id) if run.owner_id is not None else None
        actor = SYSTEM if mover is None else mover.actor
    moved = 0
    while True:
        run.progress("Moving listings", 95 * moved // max(left, moved + 1))
        with run.transaction() as session:
            step = category_tree.move_listings(session, from_id=from_id, to_id=to_id, actor=actor)
        moved += step
        if not step:
            break
    with run.transaction(last=True) as session:
        gone = then_delete and category_tree.delete_emptied(session, category_id=from_id, actor=actor)
        run.result = {"moved": moved, "deleted": gone}
    return None
