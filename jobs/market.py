"""Jobs of the market: screening a listing, giving back what nobody works on any more, moving listings between shelves."""

from typing import Any
from uuid import UUID

from jobs.registry import JobContext, job
from studio.accounts.permissions import SYSTEM
from studio.market import category_tree, review, screening
from studio.market.checks import CHECKS


@job("market.screen_listing", timeout=120)
def screen_listing(run: JobContext, *, case_id: UUID) -> dict[str, Any] | None:
    """Run every check over the listing of a case; then the case waits in the queue."""
    run.progress("Reading the card", 2)
    with run.transaction() as session:
        submission = screening.prepare(session, case_id=case_id, storage=run.resources.storage)
    if submission is None:
        return {"screened": False}
    findings = {}
    for done, check in enumerate(CHECKS):
        run.progress(check.title, 5 + 90 * done // len(CHECKS))
        findings[check] = check.look(submission)
    with run.transaction(last=True) as session:
        run.result = screening.keep(session, case_id=case_id, findings=findings, now=run.now())
    return None


@job("market.release_stuck_screenings")
def release_stuck_screenings(run: JobContext) -> dict[str, Any] | None:
    """Put cases whose screening failed for good into the queue, with the failure in sight."""
    with run.transaction(last=True) as session:
        run.result = {"released": screening.release_stuck(session, now=run.now())}
    return None


@job("market.release_claims")
def release_claims(run: JobContext, *, user_id: UUID) -> dict[str, Any] | None:
    """Give back whatever a person held at the desk."""
    with run.transaction(last=True) as session:
        run.result = {"released": review.release_claims(session, user_id=user_id)}
    return None


@job("market.move_listings", timeout=3600)
def move_listings(run: JobContext, *, from_id: UUID, to_id: UUID, then_delete: bool) -> dict[str, Any] | None:
    """Put the listings of one category into another, a few hundred at a time; then delete the emptied one if asked."""
    with run.transaction() as session:
        left = category_tree.count_listings(session, category_ids=[from_id])[from_id]
    moved = 0
    while True:
        run.progress("Moving listings", 95 * moved // max(left, moved + 1))
        with run.transaction() as session:
            step = category_tree.move_listings(session, from_id=from_id, to_id=to_id, actor=SYSTEM)
        moved += step
        if not step:
            break
    with run.transaction(last=True) as session:
        gone = then_delete and category_tree.delete_emptied(session, category_id=from_id, actor=SYSTEM)
        run.result = {"moved": moved, "deleted": gone}
    return None
