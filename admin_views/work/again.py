"""Where a piece of work was asked for, so that it can be asked for again with other choices."""

from collections.abc import Callable, Mapping

from flask import current_app, url_for

from admin_views.session import current_actor
from studio.work.models import JobRun


def _is_own(job: JobRun) -> bool:
    """Whether the present person asked for it: nobody else may see what was asked."""
    return job.asked_by_id is not None and job.asked_by_id == current_actor().user_id


def _bulk_job(name: str) -> Callable[[JobRun], str]:
    return lambda job: url_for("bulk_jobs.page", name=name, anew="1" if job.arguments.get("is_anew") else "")


AGAIN: Mapping[str, tuple[str, Callable[[JobRun], str | None]]] = {
    "chat.run_test_prompts": (
        "test_chat.page",
        lambda job: url_for("test_chat.page", character_id=job.about_id) if job.about_id else None,
    ),
    "authoring.import_cards": ("batches.index", lambda _job: url_for("batches.index")),
    "media.generate_pictures": (
        "pictures.create_view",
        lambda job: url_for("pictures.create_view", again=job.about_id) if _is_own(job) and job.about_id else None,
    ),
    "memory.embed_all": ("bulk_jobs.page", _bulk_job("embeddings")),
    "operations.remake_variants": ("bulk_jobs.page", _bulk_job("variants")),
    "voices.speak_greetings": ("bulk_jobs.page", _bulk_job("greetings")),
}
"""By the job's name: the route of its form, and the form's address with what was chosen then."""


def again_url(job: JobRun) -> str | None:
    """The form in which this job's work is asked for, filled with what was chosen; None where it has none."""
    found = AGAIN.get(job.name)
    if found is None or found[0] not in current_app.view_functions:
        return None
    return found[1](job)
