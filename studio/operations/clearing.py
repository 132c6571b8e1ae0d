"""Clearing away what goes with a closed account, some rows at a time; every reference to a person has its place here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit, closing
from studio.accounts.models import User, UserStatus
from studio.accounts.permissions import SYSTEM
from studio.authoring.models import CardBatch, CardDocument, Character, CharacterStatus, UserFavorite
from studio.chat.models import ChatSession, PromptRun, SavedTestPrompt, UsageStat, WritingAssist
from studio.editing.models import Autosave, EarlierValues
from studio.kit.errors import UnavailableError
from studio.kit.orm import Base
from studio.market.models import ListingDraft
from studio.media import files, library, references
from studio.media.models import ImageGeneration, MediaFile, MediaUpload, MediaUploadPart
from studio.operations import leaving, trash, usage
from studio.operations.models import BulkRun, ErrorLog, ListExport
from studio.voices.models import SpeechSynthesis
from studio.work.models import PaidAnswer, PersonBudget

_ROWS = 200
_CHARACTERS = 20
_FILES = 50

GOES: Mapping[type[Base], str] = {
    CardBatch: "owner_id",
    Autosave: "user_id",
    ChatSession: "owner_id",
    SavedTestPrompt: "owner_id",
    PromptRun: "owner_id",
    WritingAssist: "owner_id",
    UsageStat: "user_id",
    ImageGeneration: "user_id",
    SpeechSynthesis: "user_id",
    BulkRun: "asked_by_id",
    ListingDraft: "publisher_id",
    UserFavorite: "user_id",
    PersonBudget: "user_id",
    PaidAnswer: "user_id",
}
"""Tables of which the person's rows go as they are, with the column that says whose they are."""

LOOSENED: Mapping[type[Base], str] = {EarlierValues: "saved_by_id", ErrorLog: "user_id"}
"""Tables that forget who it was."""

STAYS: Mapping[str, str] = {
    "audit_entries.actor_id": "what was done stays; the name goes",
    "appeals.appellant_id": "a decision's proof",
    "appeals.decided_by_id": "a decision's proof",
    "character_downloads.user_id": "the proof of a licence",
    "character_publications.publisher_id": "what was offered, and under which terms",
    "character_ratings.user_id": "an opinion that others read as part of a sum",
    "character_versions.created_by_id": "a version is proof",
    "carried_approvals.by_id": "a decision",
    "creator_earnings.creator_id": "a closed statement",
    "error_groups.resolved_by_id": "who mended something",
    "import_runs.asked_by_id": "what was brought in",
    "job_runs.asked_by_id": "what was done; jobs hold no texts, and go after thirty days",
    "ledger_accounts.owner_id": "books",
    "ledger_transactions.creator_id": "books",
    "listing_reporters.reporter_id": "a decision's proof",
    "listing_reports.closed_by_id": "a decision's proof",
    "lorebook_states.created_by_id": "it goes with its character",
    "payouts.creator_id": "books",
    "payouts.made_by_id": "books",
    "queue_pauses.paused_by_id": "who stopped a queue",
    "review_cases.claimed_by_id": "claims are given back by a job",
    "review_decisions.moderator_id": "a decision",
    "review_decisions.second_id": "a decision",
    "review_decisions.undone_by_id": "a decision",
    "review_notes.author_id": "a decision's proof",
    "screening_checks.changed_by_id": "who set it so",
    "spendings.user_id": "books",
    "stories.trashed_by_id": "who threw it away",
    "transactions.buyer_id": "books",
    "transactions.creator_id": "books",
    "trashed_lorebooks.trashed_by_id": "it goes with its character",
}
"""References to people that stay under the pseudonym, each with its reason."""

BY_STEPS = frozenset(
    {
        "card_documents.owner_id",
        "characters.owner_id",
        "characters.trashed_by_id",
        "list_exports.asked_by_id",
        "media_files.owner_id",
        "media_uploads.owner_id",
        "payout_accounts.user_id",
        "user_roles.user_id",
        "user_preferences.user_id",
        "user_subscriptions.user_id",
        "user_achievements.user_id",
        "oauth_accounts.user_id",
        "refresh_tokens.user_id",
    }
)
"""References that a step of its own, or closing the account, looks after."""


class StillAtWorkError(UnavailableError):
    """A job of the person's has not stopped yet, and could still write something."""

    def __init__(self) -> None:
        super().__init__("A job of this person's is still ending. Clearing begins when it has.")


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of thing that goes: what it is called in the log, and what clears some of it (0: there is no more)."""

    name: str
    clear: Callable[[Session, UUID], int]


def refuse_unready(session: Session, *, user_id: UUID, now: datetime) -> None:
    """Return if the account is closed and nothing writes for it; its jobs are told to stop. Raises StillAtWorkError."""
    if session.scalar(sa.select(User.status).where(User.id == user_id)) is not UserStatus.CLOSED:
        raise RuntimeError(f"{user_id} is no closed account")
    if leaving.cancel_jobs(session, user_id=user_id, now=now):
        raise StillAtWorkError


def settle(session: Session, *, user_id: UUID, counts: Mapping[str, int], now: datetime) -> None:
    """It is written down that everything is gone. May be repeated."""
    closing.settle(session, user_id=user_id, now=now)
    audit.record(
        session, actor=SYSTEM, action="person.clear", resource="person", resource_id=user_id, after=dict(counts)
    )


def _characters(session: Session, user_id: UUID) -> int:
    found = session.scalars(
        sa.select(Character)
        .where(Character.owner_id == user_id, ~usage.is_proof(Character.id))
        .order_by(Character.id)
        .limit(_CHARACTERS)
        .with_for_update(of=Character)
        .execution_options(populate_existing=True)
    ).all()
    for character in found:
        trash.erase(session, actor=SYSTEM, character=character)
    return len(found)


def _archive(session: Session, user_id: UUID) -> int:
    """What buyers have, and what was decided about, is shown to nobody any more."""
    found = session.scalars(
        sa.select(Character)
        .where(Character.owner_id == user_id, Character.status != CharacterStatus.ARCHIVED)
        .order_by(Character.id)
        .limit(_CHARACTERS)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    for character in found:
        character.status = CharacterStatus.ARCHIVED
    session.flush()
    return len(found)


def _rows_of(model: type[Base], column: str) -> Callable[[Session, UUID], int]:
    table: sa.Table = model.__table__  # type: ignore[assignment]
    keys = sa.tuple_(*table.primary_key.columns)

    def clear(session: Session, user_id: UUID) -> int:
        some = sa.select(*table.primary_key.columns).where(table.c[column] == user_id).limit(_ROWS)
        gone = session.execute(sa.delete(table).where(keys.in_(some)).returning(*table.primary_key.columns))
        return len(gone.all())

    return clear


def _loosen(model: type[Base], column: str) -> Callable[[Session, UUID], int]:
    table: sa.Table = model.__table__  # type: ignore[assignment]
    keys = sa.tuple_(*table.primary_key.columns)

    def clear(session: Session, user_id: UUID) -> int:
        some = sa.select(*table.primary_key.columns).where(table.c[column] == user_id).limit(_ROWS)
        changed = sa.update(table).where(keys.in_(some)).values({column: None}).returning(*table.primary_key.columns)
        return len(session.execute(changed).all())

    return clear


def _previews(session: Session, user_id: UUID) -> int:
    """Cards that were looked at and never became a character."""
    some = (
        sa.select(CardDocument.id)
        .where(CardDocument.owner_id == user_id, CardDocument.character_id.is_(None))
        .limit(_ROWS)
        .scalar_subquery()
    )
    return _deleted(session, sa.delete(CardDocument).where(CardDocument.id.in_(some)).returning(CardDocument.id))


def _uploads(session: Session, user_id: UUID) -> int:
    ids = session.scalars(sa.select(MediaUpload.id).where(MediaUpload.owner_id == user_id).limit(_ROWS)).all()
    parts = sa.delete(MediaUploadPart).where(MediaUploadPart.upload_id.in_(ids)).returning(MediaUploadPart.sha256)
    library.drop_bytes(session, session.scalars(parts).all())
    return _deleted(session, sa.delete(MediaUpload).where(MediaUpload.id.in_(ids)).returning(MediaUpload.id))


def _exports(session: Session, user_id: UUID) -> int:
    some = sa.select(ListExport.id).where(ListExport.asked_by_id == user_id).limit(_ROWS).scalar_subquery()
    gone = session.scalars(
        sa.delete(ListExport)
        .where(ListExport.id.in_(some))
        .returning(ListExport.sha256)
        .execution_options(synchronize_session=False)
    ).all()
    library.drop_bytes(session, [sha256 for sha256 in gone if sha256 is not None])
    return len(gone)


def _files(session: Session, user_id: UUID) -> int:
    """Files that nothing shows any more; what stays as proof (the portrait of a version that was sold) holds its own."""
    ids = session.scalars(
        sa.select(MediaFile.id)
        .where(MediaFile.owner_id == user_id, MediaFile.source_id.is_(None), ~references.is_used(MediaFile.id))
        .order_by(MediaFile.id)
        .limit(_FILES)
    ).all()
    session.execute(
        sa.update(MediaFile)
        .where(MediaFile.id.in_(ids))
        .values(is_kept=False)
        .execution_options(synchronize_session=False)
    )
    loose = files.loose(session, file_ids=ids)
    library.drop_bytes(session, files.forget(session, file_ids=loose))
    return len(loose)


def _names(session: Session, user_id: UUID) -> int:
    return closing.forget_names(session, user_id=user_id)


def _deleted(session: Session, statement: Any) -> int:
    return len(session.execute(statement.execution_options(synchronize_session=False)).all())


STEPS: Sequence[Step] = (
    # Batches, chats and histories hold files and speak of characters: they go before those.
    *(Step(str(model.__tablename__), _rows_of(model, column)) for model, column in GOES.items()),
    Step("card_previews", _previews),
    Step("characters", _characters),
    Step("archived_characters", _archive),
    Step("uploads", _uploads),
    Step("exports", _exports),
    *(Step(str(model.__tablename__), _loosen(model, column)) for model, column in LOOSENED.items()),
    Step("files", _files),
    Step("names", _names),
)
"""What goes, in an order in which nothing holds what comes later. Each is repeated until there is no more, and may be again."""
