"""Jobs of the media: the sizes of a picture that screens use."""

from typing import Any
from uuid import UUID

from jobs.registry import JobContext, job
from studio.media import files, variants


@job("media.make_variants", max_attempts=3)
def make_variants(run: JobContext, *, file_id: UUID) -> dict[str, Any] | None:
    """Make the avatar, the card and the cover of one portrait; those that exist are left as they are."""
    run.progress("Making smaller pictures", 20)
    with run.transaction(last=True) as session:
        made = variants.make(session, file_id=file_id, storage=run.resources.storage)
        run.result = {"made": len(made)}
    return None


@job("media.drop_bytes", queue="bulk", max_attempts=5)
def drop_bytes(run: JobContext, *, sha256: str) -> dict[str, int]:
    """Delete the bytes with this hash, if no file of anybody's holds them any more."""
    with run.transaction() as session:
        return {"objects": files.drop_unused(session, storage=run.resources.storage, hashes=[sha256])}
