"""Jobs of authoring: bulk imports and their undoing, and clearing away what nobody confirmed."""

from typing import Any
from uuid import UUID

from jobs.registry import JobContext, job
from studio.authoring import batch_endings, batch_run, batch_work, card_imports, dormancy
from studio.kit.errors import InvalidError
from studio.media import files, variants


@job("authoring.sweep_previews", queue="background")
def sweep_previews(run: JobContext) -> None:
    """Delete discarded imports and previews older than seven days, then the bytes that only they used."""
    swept = dropped = 0
    while True:
        with run.transaction() as session:
            count, hashes = card_imports.sweep_previews(session, now=run.now())
        # The rows are gone for good before their bytes go; a crash in between leaves bytes that harm nobody.
        with run.transaction() as session:
            dropped += files.drop_unused(session, storage=run.resources.storage, hashes=hashes)
        swept += count
        if not count:
            break
        run.progress("Clearing away old previews", 50)
    with run.transaction(last=True):
        run.result = {"imports": swept, "objects": dropped}


@job("authoring.import_cards", queue="bulk", timeout=6 * 3600)
def import_cards(run: JobContext, *, batch_id: UUID) -> None:
    """Unpack a batch's archives and make characters of its cards, a few at a time; what is settled stays settled."""

    def told(step: str, percent: float) -> None:
        run.progress(step, percent)
        run.make_way()

    batch_run.work_through(
        run.transaction, storage=run.resources.storage, batch_id=batch_id, progress=told, now=run.now
    )
    with run.transaction(last=True) as session:
        run.result = batch_work.finish(session, batch_id=batch_id, now=run.now())


@job("authoring.undo_card_batch", queue="bulk", timeout=3600)
def undo_card_batch(run: JobContext, *, batch_id: UUID) -> dict[str, Any]:
    """Archive the drafts that a batch made and nobody touched since."""
    after: UUID | None = None
    undone = 0
    while True:
        with run.transaction() as session:
            after, count = batch_endings.undo_some(session, batch_id=batch_id, after=after, now=run.now())
        undone += count
        if after is None:
            return {"archived": undone}
        run.progress("Archiving what the import made", 50)


@job("authoring.make_batch_variants", queue="bulk", timeout=6 * 3600)
def make_batch_variants(run: JobContext, *, batch_id: UUID) -> dict[str, Any]:
    """Make the sizes of all portraits that a batch brought; those that exist are left as they are."""
    after: UUID | None = None
    made = 0
    while True:
        with run.transaction() as session:
            portraits = batch_endings.portraits_of(session, batch_id=batch_id, after=after)
        for file_id in portraits:
            run.progress("Making smaller pictures", 50)
            run.make_way()
            try:
                with run.transaction() as session:
                    made += len(variants.make(session, file_id=file_id, storage=run.resources.storage))
            except InvalidError:
                # A picture that cannot be made smaller is shown as it is.
                continue
        if not portraits:
            return {"made": made}
        after = portraits[-1]


@job("authoring.sweep_card_batches", queue="background")
def sweep_card_batches(run: JobContext) -> dict[str, Any]:
    """Let go of the files that bulk imports don't need any more."""
    swept = dropped = 0
    while True:
        with run.transaction() as session:
            count, hashes = batch_endings.sweep(session, now=run.now())
        with run.transaction() as session:
            dropped += files.drop_unused(session, storage=run.resources.storage, hashes=hashes)
        swept += count
        if not count:
            return {"files": swept, "objects": dropped}
        run.progress("Clearing away old imports", 50)


@job("authoring.archive_dormant", queue="background")
def archive_dormant(run: JobContext) -> None:
    """Tell of drafts that nobody touched for eleven months, and archive those told of 30 days ago or more."""
    told = archived = 0
    while True:
        with run.transaction() as session:
            count = dormancy.tell(session, now=run.now())
        told += count
        if not count:
            break
        run.progress("Telling of drafts that lie still", 30)
    while True:
        with run.transaction() as session:
            looked, count = dormancy.archive_due(session, now=run.now())
        archived += count
        if not looked:
            break
        run.progress("Archiving drafts that lie still", 70)
    with run.transaction(last=True):
        run.result = {"told": told, "archived": archived}
