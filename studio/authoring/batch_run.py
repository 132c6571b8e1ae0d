"""A bulk import from its start to its last file, in transactions that whoever runs it gives: a job or a command."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from studio.authoring import batch_archives, batch_work
from studio.authoring.batch_archives import Archive
from studio.authoring.errors import StorageFullError, TooManyFilesError
from studio.cards.errors import CardError
from studio.kit.errors import StudioError
from studio.providers.storage import Storage


class Progress(Protocol):
    """Told what is being done and how far it is, in percent; may raise to stop the work."""

    def __call__(self, step: str, percent: float) -> None:
        """Show it."""


def work_through(
    transaction: Callable[[], AbstractContextManager[Session]],
    *,
    storage: Storage,
    batch_id: UUID,
    progress: Progress,
    now: Callable[[], datetime],
) -> None:
    """Every file of the batch has its outcome; what a run that broke off had settled stays as it is.

    `batch_work.finish` comes after it. Raises what `batch_work.take` raises.
    """
    while True:
        with transaction() as session:
            archive = batch_archives.next_archive(session, batch_id=batch_id)
        if archive is None:
            break
        _unpack(transaction, storage=storage, archive=archive, progress=progress, now=now)
    while True:
        with transaction() as session:
            step = batch_work.take(session, storage=storage, batch_id=batch_id, now=now())
        if not step.settled:
            break
        progress("Making characters of the cards", min(99, 100 * step.done // max(1, step.total)))


def _unpack(
    transaction: Callable[[], AbstractContextManager[Session]],
    *,
    storage: Storage,
    archive: Archive,
    progress: Progress,
    now: Callable[[], datetime],
) -> None:
    problem: StudioError | None = None
    is_card = False
    try:
        with batch_archives.opened(storage, archive) as file:
            is_card = not batch_archives.is_pack(file)
            for members in () if is_card else batch_archives.groups(file):
                progress("Unpacking an archive", 1)
                with transaction() as session:
                    batch_archives.keep(session, storage=storage, archive=archive, members=members)
    except (CardError, TooManyFilesError, StorageFullError) as error:
        problem = error
    with transaction() as session:
        batch_archives.close(session, archive=archive, problem=problem, is_card=is_card, now=now())
