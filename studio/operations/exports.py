"""Lists that are too long to be written while a person waits: a job writes them to the storage, and they expire."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio import work
from studio.accounts.models import User, UserStatus
from studio.accounts.permissions import Actor
from studio.kit.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnavailableError
from studio.kit.orm import lock_row
from studio.media import files
from studio.operations.models import ListExport
from studio.operations.queries import list_export_visible_to
from studio.providers.storage import Storage, key_of

KEPT = timedelta(days=7)
MOST_OPEN = 3
"""So many exports of one person may wait or be written at once."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Line: TypeAlias = Sequence[Any]


class NotReadyError(ConflictError):
    """The file is not written yet."""

    def __init__(self) -> None:
        super().__init__("This export is not ready yet. Its page says how far it is.")


class ExpiredError(NotFoundError):
    """The file was deleted after its time."""

    def __init__(self) -> None:
        super().__init__("This export has expired. Ask for it again; it will hold the list as it is now.")


class ListSource(Protocol):
    """The studio's lists, as screens show them: what a job asks for the rows of one."""

    def open(
        self, *, person: User, list_name: str, arguments: str, locale: str, session: Session
    ) -> AbstractContextManager[Iterator[Line]]:
        """The titles, then the rows, of a list as this person may see it now; raises ForbiddenError, NotFoundError."""


_source: Callable[[], ListSource] | None = None


def set_source(make: Callable[[], ListSource] | None) -> None:
    """Have `make` give the lists from now on, in this process; set once by whoever composes the process."""
    global _source  # noqa: PLW0603 - As the nudge of jobs: a process has one.
    _source = make


def neutral(value: Any) -> str:
    """`value` as text that no spreadsheet takes for a formula; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (int, float)):
        return str(value)
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def as_csv(lines: Iterable[Line]) -> Iterator[str]:
    """The lines as CSV, one at a time, harmless in a spreadsheet."""
    # A byte order mark: spreadsheets otherwise misread Chinese.
    mark = "\ufeff"
    for line in lines:
        written = io.StringIO()
        csv.writer(written).writerow([neutral(value) for value in line])
        yield mark + written.getvalue()
        mark = ""


def ask(session: Session, *, actor: Actor, list_name: str, arguments: str, locale: str, now: datetime) -> ListExport:
    """A job writes the list as the actor sees it when it runs. Raises ForbiddenError, or InvalidError for too many."""
    if actor.user_id is None:
        raise ForbiddenError
    session.execute(sa.select(User.id).where(User.id == actor.user_id).with_for_update(key_share=True))
    waiting = session.scalar(
        sa.select(sa.func.count()).where(ListExport.asked_by_id == actor.user_id, ListExport.finished_at.is_(None))
    )
    if (waiting or 0) >= MOST_OPEN:
        raise InvalidError(
            "%(most)s of your exports are not written yet. Wait for them, or cancel one.", most=MOST_OPEN
        )
    made = ListExport(
        id=uuid7(),
        asked_by_id=actor.user_id,
        list_name=list_name,
        arguments=arguments,
        locale=locale,
        rows=0,
        created_at=now,
    )
    session.add(made)
    session.flush()
    work.ask(
        session,
        "operations.write_export",
        actor=actor,
        about=("list_export", made.id),
        queue="bulk",
        dedupe_key=f"operations.write_export:{made.id}",
        now=now,
        export_id=made.id,
    )
    return made


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written: how many rows it holds, its hash, its bytes."""

    rows: int
    sha256: str
    size: int


def write(session: Session, *, export_id: UUID, path: Path, told: Callable[[int], None]) -> Written | None:
    """Write the list to `path`, reading by the server's cursor; None where it was written before or is gone.

    `session` is only read by. `told` hears now and then how many rows there are. Raises ForbiddenError where the
    person may not see the list any more, UnavailableError where this process has no lists.
    """
    made = session.get(ListExport, export_id)
    if made is None or made.finished_at is not None:
        return None
    person = session.get(User, made.asked_by_id)
    if person is None or person.status is not UserStatus.ACTIVE:
        raise ForbiddenError("The account that asked for this export is suspended or gone.")
    if _source is None:
        raise UnavailableError("This process cannot write lists. Start workers by the studio's own command.")
    rows, digest, size = -1, hashlib.sha256(), 0
    with (
        path.open("wb") as file,
        _source().open(
            person=person, list_name=made.list_name, arguments=made.arguments, locale=made.locale, session=session
        ) as lines,
    ):
        for text in as_csv(lines):
            data = text.encode()
            digest.update(data)
            size += file.write(data)
            rows += 1
            if rows % 500 == 0:
                told(rows)
    return Written(rows=rows, sha256=digest.hexdigest(), size=size)


def finish(session: Session, *, export_id: UUID, written: Written, now: datetime) -> None:
    """The export can be fetched until it expires; its bytes lie in the storage already. May be repeated."""
    made = lock_row(session, ListExport, export_id, key_share=False)
    if made is None or made.finished_at is not None:
        return
    made.rows, made.sha256, made.size_bytes = written.rows, written.sha256, written.size
    made.finished_at, made.expires_at = now, now + KEPT
    session.flush()


def get_export(session: Session, *, actor: Actor, export_id: UUID) -> ListExport:
    """The actor's own export; raises NotFoundError."""
    made = session.scalar(sa.select(ListExport).where(list_export_visible_to(actor), ListExport.id == export_id))
    if made is None:
        raise NotFoundError
    return made


def file_of(session: Session, *, actor: Actor, export_id: UUID, now: datetime) -> tuple[ListExport, str]:
    """The export and its key in the storage; raises NotFoundError, NotReadyError or ExpiredError."""
    made = get_export(session, actor=actor, export_id=export_id)
    if made.sha256 is None or made.expires_at is None:
        raise NotReadyError
    if made.expires_at <= now:
        raise ExpiredError
    return made, key_of(made.sha256)


def delete(session: Session, *, actor: Actor, export_id: UUID) -> str | None:
    """The export is gone; returns the hash of bytes that nothing needs any more. Raises NotFoundError."""
    made = get_export(session, actor=actor, export_id=export_id)
    session.delete(made)
    session.flush()
    return made.sha256


def sweep(session: Session, *, now: datetime, limit: int = 100) -> tuple[int, list[str]]:
    """Delete exports that expired, or were never written, at most `limit`; how many, and whose bytes may be unused now."""
    old = sa.or_(
        ListExport.expires_at <= now, sa.and_(ListExport.finished_at.is_(None), ListExport.created_at < now - KEPT)
    )
    ids = sa.select(ListExport.id).where(old).order_by(ListExport.created_at).limit(limit)
    gone = session.scalars(
        sa.delete(ListExport)
        .where(ListExport.id.in_(ids.scalar_subquery()))
        .returning(ListExport.sha256)
        .execution_options(synchronize_session=False)
    ).all()
    return len(gone), [sha256 for sha256 in gone if sha256 is not None]


def drop_unused(session: Session, *, storage: Storage, hashes: Iterable[str]) -> int:
    """Delete the bytes of these hashes where no row has them any more; returns how many. May be repeated."""
    return files.drop_unused(session, storage=storage, hashes=hashes)
