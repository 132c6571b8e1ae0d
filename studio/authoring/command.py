"""`studio import-cards`: a folder of cards as one bulk import, worked through by the command itself."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.orm import Session

from studio.accounts import queries as accounts
from studio.accounts.permissions import Actor
from studio.authoring import batch_queries, batch_run, batch_work, card_batches
from studio.authoring.models import CardBatch, CardBatchItem, ItemState, OnDuplicate
from studio.cards import packs
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.kit.errors import InvalidError, NotFoundError
from studio.providers.storage import Storage

_AT_ONCE = 50
_SHOWN = 20


def import_folder(
    engine: sa.Engine,
    *,
    storage: Storage,
    folder: Path,
    email: str,
    on_duplicate: OnDuplicate,
    console: Console,
) -> None:
    """Every file of the folder becomes a draft of that person's, or is told with the sentence why not.

    Running it again after an interruption leaves out what is there already. Raises InvalidError where there is no such folder or
    person, or what `card_batches` raises.
    """
    paths = _paths(folder)
    with session_scope(engine) as session:
        owner = accounts.find_by_email(session, email)
        if owner is None:
            raise NotFoundError("Nobody here has the address %(email)s.", email=email)
        actor = owner.actor
        batch = card_batches.open_batch(session, actor=actor, on_duplicate=on_duplicate, now=utc_now())
    with Progress(console=console) as shown:
        task = shown.add_task("Taking files", total=len(paths))
        for group in _groups(paths):
            _take(engine, storage=storage, actor=actor, batch=batch, folder=folder, group=group)
            shown.advance(task, len(group))
        with session_scope(engine) as session:
            card_batches.begin(session, actor=actor, batch_id=batch.id, now=utc_now())
        work = shown.add_task("Making characters", total=100)

        def transaction() -> AbstractContextManager[Session]:
            return session_scope(engine)

        batch_run.work_through(
            transaction,
            storage=storage,
            batch_id=batch.id,
            progress=lambda _step, percent: shown.update(work, completed=percent),
            now=utc_now,
        )
        shown.update(work, completed=100)
    with session_scope(engine) as session:
        counts = batch_work.finish(session, batch_id=batch.id, now=utc_now())
        query = batch_queries.items_of(batch.id, states=(ItemState.REFUSED,)).limit(_SHOWN)
        refused = [item for item, _ in session.execute(query)]
    console.print(", ".join(f"{count} {state}" for state, count in counts.items()) + ".", markup=False)
    for item in refused:
        console.print(f"  {item.name}: {_said(item)}", markup=False, highlight=False)
    if counts.get(ItemState.REFUSED.value, 0) > len(refused):
        console.print("  and more; the page of the import shows them all.")


def _paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InvalidError("There is no folder %(path)s.", path=folder)
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and not packs.is_junk(path.relative_to(folder).as_posix())
    ]
    if not found:
        raise InvalidError("The folder %(path)s holds no file.", path=folder)
    return found


def _groups(paths: list[Path]) -> Iterator[list[Path]]:
    """A few files at a time, large ones alone, so that memory does not grow with the folder."""
    group: list[Path] = []
    size = 0
    for path in paths:
        more = path.stat().st_size
        if group and (len(group) >= _AT_ONCE or size + more > card_batches.PART_BYTES):
            yield group
            group, size = [], 0
        group.append(path)
        size += more
    if group:
        yield group


def _take(
    engine: sa.Engine, *, storage: Storage, actor: Actor, batch: CardBatch, folder: Path, group: list[Path]
) -> None:
    size = group[0].stat().st_size
    if size <= card_batches.PART_BYTES:
        given = [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in group]
        with session_scope(engine) as session:
            card_batches.receive(session, actor=actor, storage=storage, batch_id=batch.id, given=given)
        return
    total = -(-size // card_batches.PART_BYTES)
    with group[0].open("rb") as file:
        for number in range(total):
            with session_scope(engine) as session:
                card_batches.receive_part(
                    session,
                    actor=actor,
                    storage=storage,
                    batch_id=batch.id,
                    path=group[0].relative_to(folder).as_posix(),
                    size=size,
                    number=number,
                    total=total,
                    data=file.read(card_batches.PART_BYTES),
                )


def _said(item: CardBatchItem) -> str:
    try:
        return item.message % item.params if item.params else item.message
    except (KeyError, TypeError, ValueError):
        return item.message
