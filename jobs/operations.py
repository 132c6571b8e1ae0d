"""Jobs of operations: what is done to many rows, long exports, and forgetting what has served its time."""

import tempfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from jobs.registry import JobContext, job
from studio import work
from studio.authoring import lorebook_trash, stories
from studio.kit.errors import InvalidError
from studio.media import files, regenerating
from studio.operations import bulk, clearing, error_log, exports, trash
from studio.operations.models import BulkRun
from studio.providers.storage import MissingObjectError, key_of
from studio.work import paid, steering, sweeping
from studio.work.figures import earlier_of

ERRORS_ARE_KEPT = timedelta(days=90)
JOBS_ARE_KEPT = timedelta(days=30)
_ANSWERS_ARE_HELD = timedelta(days=7)
_BATCH = 5_000
_NAMED = 20
_ONCE_MORE = timedelta(hours=1)


@job("operations.prune_errors", max_attempts=3)
def prune_errors(run: JobContext) -> dict[str, int]:
    """Delete errors older than 90 days, some thousand at a time."""
    gone = 0
    while True:
        run.progress("Deleting old errors", 0)
        with run.transaction() as session:
            count = error_log.prune(session, before=run.now() - ERRORS_ARE_KEPT, limit=_BATCH)
        gone += count
        if count < _BATCH:
            return {"deleted": gone}


@job("operations.prune_jobs", max_attempts=3)
def prune_jobs(run: JobContext) -> dict[str, int]:
    """Delete jobs that ended well more than 30 days ago, some thousand at a time; failed ones stay.

    What was paid for and nobody came to keep within a week goes too.
    """
    gone = answers = 0
    count = 1
    while count:
        run.progress("Deleting old jobs", 0)
        with run.transaction() as session:
            count = paid.forget_old(session, before=run.now() - _ANSWERS_ARE_HELD)
        answers += count
    while True:
        run.progress("Deleting old jobs", 0)
        with run.transaction() as session:
            count = sweeping.forget_old(session, before=run.now() - JOBS_ARE_KEPT, limit=_BATCH)
        gone += count
        if count < _BATCH:
            return {"deleted": gone + answers}


@job("operations.requeue_failed", max_attempts=5, timeout=3600)
def requeue_failed(run: JobContext, *, job_name: str, error_type: str, kind: str) -> dict[str, int]:
    """Have every job of this name done again that failed by this kind of error before this was asked for."""
    after: UUID | None = None
    again = 0
    while True:
        with run.transaction() as session:
            after, count = steering.requeue_failed(
                session,
                name=job_name,
                error_type=error_type,
                kind=kind,
                failed_before=run.asked_at,
                after=after,
                now=run.now(),
            )
        again += count
        if after is None:
            return {"again": again}
        run.progress("Putting failed jobs back into the queue", 50)


@job("operations.remake_variants", queue="background", max_attempts=5, timeout=24 * 3600)
def remake_variants(run: JobContext, *, is_anew: bool = False) -> dict[str, int]:
    """Make the sizes that pictures lack; with `is_anew` all of them again. A picture that cannot be read is passed over.

    One whose bytes the storage has lost is too: it is counted, and the first of them are named.
    """
    made_before = run.asked_at if is_anew else None
    # What failed before a pause is tried again, and counted then.
    before = pictures = run.done_earlier("pictures")
    failed = 0
    lost: list[str] = []
    after: UUID | None = None
    with run.transaction() as session:
        total = before + regenerating.count_to_make(session, made_before=made_before)
    while True:
        with run.transaction() as session:
            ids = regenerating.ids_to_make(session, made_before=made_before, after=after, size=50)
        if not ids:
            missing = {"lost": len(lost), "lost_files": lost[:_NAMED]} if lost else {}
            return {"pictures": pictures, "failed": failed, **missing, **earlier_of(before)}
        for file_id in ids:
            try:
                with run.transaction() as session:
                    _, old = regenerating.remake(
                        session, file_id=file_id, made_before=made_before, storage=run.resources.storage
                    )
                    run.note(session, {"pictures": pictures + 1, "failed": failed, **earlier_of(before)})
            except InvalidError:
                failed += 1
            except MissingObjectError:
                lost.append(str(file_id))
            else:
                pictures += 1
                if old:
                    with run.transaction() as session:
                        files.drop_unused(session, storage=run.resources.storage, hashes=old)
            run.progress("Making smaller pictures", min(99, 100 * (pictures + failed + len(lost)) / max(total, 1)))
            run.make_way()
        after = ids[-1]


@job("operations.collect_error_files", max_attempts=3)
def collect_error_files(run: JobContext) -> dict[str, int]:
    """Move the errors that were kept in a file while the database was away into the error log."""
    with run.transaction(last=True) as session:
        count = error_log.collect_files(session, data=run.settings.data, now=run.now())
        run.result = {"collected": count}
    return {"collected": count}


@job("operations.preview_bulk", queue="bulk", max_attempts=5, timeout=3600)
def preview_bulk(run: JobContext, *, run_id: UUID) -> None:
    """Say of each row what would become of it, some at a time; goes on where an earlier attempt ended."""
    while True:
        with Session(run.resources.engine, expire_on_commit=False) as scratch, run.transaction() as session:
            count = bulk.preview_some(session, scratch, run_id=run_id, now=run.now())
            percent = _share(session, run_id, is_preview=True)
        if not count:
            return
        run.progress("Trying it on every row, without effect", percent)
        run.make_way()


@job("operations.run_bulk", queue="bulk", max_attempts=5, timeout=3600)
def run_bulk(run: JobContext, *, run_id: UUID) -> dict[str, int]:
    """Do it to each row, some in one transaction; goes on where an earlier attempt ended."""
    while True:
        with run.transaction() as session:
            count = bulk.do_some(session, run_id=run_id, now=run.now())
            percent = _share(session, run_id)
            done = session.get(BulkRun, run_id)
            result = {} if done is None else {"changed": done.changed, "refused": done.refused}
        if not count:
            return result
        run.progress("Doing it to every row", percent)
        run.make_way()


def _share(session: Session, run_id: UUID, *, is_preview: bool = False) -> float:
    found = session.get(BulkRun, run_id)
    if found is None or not found.total:
        return 100
    done = (
        sum(bulk.forecast(session, run=found).values())
        if is_preview
        else found.changed + found.unchanged + found.refused
    )
    return 100 * done / found.total


@job("operations.write_export", queue="bulk", max_attempts=3, timeout=3600)
def write_export(run: JobContext, *, export_id: UUID) -> dict[str, int] | None:
    """Write a list into a file on this machine, then into the storage; memory does not grow with the list."""

    def told(rows: int) -> None:
        # How many there are in all would have to be counted, which takes as long as writing some of them.
        run.progress("Writing the rows", min(95, rows / 2_000))

    run.progress("Writing the rows", 0)
    with tempfile.TemporaryDirectory(prefix="greenroom-export-") as folder:
        path = Path(folder) / "list.csv"
        with Session(run.resources.engine) as reading:
            written = exports.write(reading, export_id=export_id, path=path, told=told)
        if written is None:
            return None
        run.progress("Putting the file into the storage", 97)
        storage, key = run.resources.storage, key_of(written.sha256)
        storage.put_file(key, path)
        run.result = {"rows": written.rows}
        with run.transaction(last=True) as session:
            # An older export with these very bytes may have been cleared away since, and its bytes with it. From here
            # on whoever would delete them waits, and then finds this one's row.
            files.lock_content(session, written.sha256)
            storage.put_file(key, path)
            exports.finish(session, export_id=export_id, written=written, now=run.now())
    return {"rows": written.rows}


@job("operations.sweep_exports", queue="background", max_attempts=3)
def sweep_exports(run: JobContext) -> dict[str, int]:
    """Delete exports that expired and the bytes that only they used, then the results of old bulk changes."""
    gone = runs = 0
    while True:
        run.progress("Clearing away old exports", 0)
        with run.transaction() as session:
            count, hashes = exports.sweep(session, now=run.now())
            forgotten = bulk.forget_old(session, now=run.now())
        # The rows are gone for good before their bytes go; a crash in between leaves bytes that harm nobody.
        with run.transaction() as session:
            exports.drop_unused(session, storage=run.resources.storage, hashes=hashes)
        gone, runs = gone + count, runs + forgotten
        if not count and not forgotten:
            return {"exports": gone, "runs": runs}


@job("operations.empty_trash", queue="background", max_attempts=3)
def empty_trash(run: JobContext) -> dict[str, int]:
    """Delete what was in the trash for thirty days, some at a time: lorebooks, characters, then stories."""
    gone, after = 0, None
    for empty in (lorebook_trash.empty, stories.empty_trash):
        count = 1
        while count:
            with run.transaction() as session:
                count = empty(session, now=run.now())
            gone += count
    while True:
        run.progress("Emptying the trash", 0)
        with run.transaction() as session:
            count, after = trash.empty(session, now=run.now(), after=after)
        gone += count
        if after is None:
            return {"deleted": gone}


@job("operations.clear_person", queue="background", max_attempts=20, timeout=6 * 3600)
def clear_person(run: JobContext, *, user_id: UUID, is_second: bool = False) -> dict[str, int] | None:
    """Clear away what goes with a closed account, some rows in each transaction; goes on where an earlier attempt ended.

    An hour later it is done once more: a request that was under way when the account was closed may have written since.
    """
    with run.transaction() as session:
        clearing.refuse_unready(session, user_id=user_id, now=run.now())
    counts: dict[str, int] = {}
    for place, step in enumerate(clearing.STEPS):
        count = 1
        while count:
            run.progress("Clearing away what goes with the account", 100 * place / len(clearing.STEPS))
            with run.transaction() as session:
                count = step.clear(session, user_id)
            counts[step.name] = counts.get(step.name, 0) + count
            run.make_way()
    told = {name: count for name, count in counts.items() if count}
    with run.transaction(last=True) as session:
        if not is_second:
            clearing.settle(session, user_id=user_id, counts=told, now=run.now())
            work.ask(
                session,
                "operations.clear_person",
                about=("person", user_id),
                queue="background",
                dedupe_key=f"operations.clear_person:{user_id}:again",
                run_after=run.now() + _ONCE_MORE,
                user_id=user_id,
                is_second=True,
            )
        run.result = {"cleared": sum(told.values())}
    return None
