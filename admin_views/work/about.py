"""What a job is about, by name: the character, the picture, the story that whoever looks may see."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from admin_views.work.labels import job_label
from studio.accounts.permissions import Actor
from studio.authoring.models import Character
from studio.authoring.queries import draft_visible_to
from studio.kit.text import excerpt
from studio.media.models import ImageGeneration, MediaFile
from studio.media.queries import file_visible_to, generation_visible_to
from studio.work.models import JobRun

_LONGEST = 60


def names_about(session: Session, *, actor: Actor, jobs: Sequence[JobRun]) -> Mapping[UUID, str]:
    """What these jobs are about, by the jobs' ids; one statement for each kind of row that they are about."""
    found: dict[UUID, str] = {}
    for kind, query in _QUERIES.items():
        ids = {job.about_id for job in jobs if job.about_type == kind and job.about_id is not None}
        if not ids:
            continue
        names = dict(session.execute(query(actor, ids)).all())
        for job in jobs:
            if job.about_type == kind and job.about_id is not None and names.get(job.about_id):
                found[job.id] = excerpt(str(names[job.about_id]), _LONGEST)
    return found


def title_of(job: JobRun, about: Mapping[UUID, str]) -> str:
    """The job's name and what it is about: "Make pictures · Mei"."""
    name = about.get(job.id)
    return f"{job_label(job.name)} · {name}" if name else job_label(job.name)


def _characters(actor: Actor, ids: set[UUID]) -> sa.Select[UUID, Any]:
    return sa.select(Character.id, Character.name).where(draft_visible_to(actor), Character.id.in_(ids))


def _generations(actor: Actor, ids: set[UUID]) -> sa.Select[UUID, Any]:
    named = sa.func.coalesce(sa.func.nullif(ImageGeneration.details["name"].as_string(), ""), ImageGeneration.prompt)
    return sa.select(ImageGeneration.id, named).where(generation_visible_to(actor), ImageGeneration.id.in_(ids))


def _files(actor: Actor, ids: set[UUID]) -> sa.Select[UUID, Any]:
    return sa.select(MediaFile.id, MediaFile.original_name).where(file_visible_to(actor), MediaFile.id.in_(ids))


_QUERIES: Mapping[str, Any] = {"character": _characters, "image_generation": _generations, "media_file": _files}
