"""Jobs of editing: drafts that nobody came back for, and starts of merges, are forgotten."""

from jobs.registry import JobContext, job
from studio.editing import autosaves, common_start


@job("editing.sweep", queue="background", max_attempts=3)
def sweep(run: JobContext) -> dict[str, int]:
    """Delete drafts that nobody touched for thirty days, and what fields said before older saves."""
    gone = {"drafts": 0, "starts": 0}
    for name, forget in (("drafts", autosaves.sweep), ("starts", common_start.sweep)):
        while True:
            run.progress("Deleting old drafts", 0)
            with run.transaction() as session:
                count = forget(session, now=run.now())
            gone[name] += count
            if not count:
                break
    return gone
