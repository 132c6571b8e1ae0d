"""Jobs of the media: the sizes of a picture that screens use."""

from typing import Any
from uuid import UUID

from jobs.registry import JobContext, job
from studio.media import variants


@job("media.make_variants", max_attempts=3)
def make_variants(run: JobContext, *, file_id: UUID) -> dict[str, Any] | None:
    """Make the avatar, the card and the cover of one portrait; those that exist are left as they are."""
    run.progress("Making smaller pictures", 20)
    with run.transaction(last=True) as session:
        made = variants.make(session, file_id=file_id, storage=run.resources.storage)
        run.result = {"made": len(made)}
    return None
