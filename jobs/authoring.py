"""Jobs of authoring: clearing away imports that nobody confirmed."""

from jobs.registry import JobContext, job
from studio.authoring import card_imports
from studio.media import files


@job("authoring.sweep_previews", queue="bulk")
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
