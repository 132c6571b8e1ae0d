"""The rows that routes are about: how one of somebody's is made, and who may see it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.models import AuditEntry, User
from studio.accounts.permissions import SYSTEM, Actor, RoleName
from studio.accounts.queries import audit_entry_visible_to, user_visible_to
from studio.authoring import lorebook_states, lorebook_trash
from studio.authoring.batch_queries import batch_visible_to
from studio.authoring.models import (
    CardBatch,
    CardDocument,
    Character,
    Lorebook,
    LorebookEntry,
    LorebookState,
    Story,
    TrashedLorebook,
)
from studio.authoring.queries import character_visible_to, document_visible_to, draft_visible_to, story_visible_to
from studio.chat import attachments
from studio.chat.models import (
    ChatMessage,
    ChatSession,
    MultimediaMessage,
    PromptRun,
    SavedTestPrompt,
    WritingAssist,
)
from studio.chat.queries import (
    assist_visible_to,
    message_visible_to,
    prompt_visible_to,
    run_visible_to,
    session_visible_to,
)
from studio.market.catalogue import listing_drafts
from studio.market.catalogue.listing_drafts import draft_visible_to as draft_of_listing_visible_to
from studio.market.catalogue.queries import category_visible_to, listing_visible_to
from studio.market.models import (
    Appeal,
    CharacterCategory,
    CharacterPublication,
    CreatorEarnings,
    ListingDraft,
    ListingReport,
    Payout,
    PayoutStatus,
    Purchase,
    ReviewCase,
    ReviewReason,
)
from studio.market.money.queries import payout_visible_to, purchase_visible_to, statement_visible_to
from studio.market.review.appeals import appeal_visible_to
from studio.market.review.queries import case_visible_to
from studio.market.review.reasons import reason_visible_to
from studio.market.review.reports import report_visible_to
from studio.media.models import ImageGeneration, MediaFile, MediaUpload
from studio.media.queries import file_visible_to, generation_visible_to, upload_visible_to
from studio.operations.budgets import budget_visible_to
from studio.operations.models import BulkRun, BulkState, ErrorGroup, ListExport
from studio.operations.queries import bulk_run_visible_to, error_visible_to, list_export_visible_to
from studio.voices.models import SpeechSynthesis, VoiceConfiguration
from studio.voices.queries import configuration_visible_to, speech_visible_to
from studio.work import budgets
from studio.work.models import JobRun, PersonBudget
from studio.work.queries import job_visible_to
from tests.factories import accounts, authoring, chat, lorebooks, market, media, money, voices, work


@dataclass
class World:
    """What rows are made with."""

    session: Session
    data: Path
    now: datetime
    moderator: Actor
    made: dict[tuple[str, UUID | None, bool], Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A kind of row that routes are about: how one of `owner`'s is made, and who may see it."""

    model: type[Any]
    visible_to: Callable[[Actor], sa.ColumnElement[bool]]
    make: Callable[[World, Actor, bool], Any]

    @property
    def key(self) -> sa.ColumnElement[Any]:
        return sa.inspect(self.model).primary_key[0]


def _character(world: World, owner: Actor, is_live: bool) -> UUID:
    if not is_live:
        return authoring.make_character(world.session, owner=owner, now=world.now).id
    return market.make_live_listing(world.session, owner=owner, moderator=world.moderator, now=world.now).character_id


def _listing(world: World, owner: Actor, is_live: bool) -> UUID:
    if not is_live:
        return market.make_listing(world.session, owner=owner, now=world.now).id
    return market.make_live_listing(world.session, owner=owner, moderator=world.moderator, now=world.now).id


def _error(world: World, _owner: Actor, _is_live: bool) -> str:
    group = ErrorGroup(
        fingerprint=uuid4().hex,
        error_type="ValueError",
        message="A walk's error.",
        count=1,
        first_seen_at=world.now,
        last_seen_at=world.now,
    )
    world.session.add(group)
    world.session.flush()
    return group.fingerprint


def _entry(world: World, owner: Actor, _is_live: bool) -> UUID:
    entry = audit.record(
        world.session, actor=owner, action="character.update", resource="character", resource_id=uuid4()
    )
    world.session.flush()
    return entry.id


def _bulk_run(world: World, owner: Actor, _is_live: bool) -> UUID:
    run = BulkRun(
        action="characters.archive", asked_by_id=owner.user_id, state=BulkState.PREVIEWED, created_at=world.now
    )
    world.session.add(run)
    world.session.flush()
    return run.id


def _export(world: World, owner: Actor, _is_live: bool) -> UUID:
    made = ListExport(asked_by_id=owner.user_id, list_name="characters", created_at=world.now)
    world.session.add(made)
    world.session.flush()
    return made.id


def _purchase(world: World, owner: Actor, is_live: bool) -> UUID:
    offer = money.make_offer(world.session, owner=accounts.make_actor(world.session, RoleName.CREATOR), now=world.now)
    do = money.buy if is_live else money.begin
    return do(world.session, buyer=owner, offer=offer, now=world.now).id


def _statement(world: World, owner: Actor, _is_live: bool) -> UUID:
    character = authoring.make_character(world.session, owner=owner, now=world.now)
    row = CreatorEarnings(
        creator_id=owner.user_id,
        character_id=character.id,
        character_name=character.name,
        creator_name=owner.name,
        period_start=date(2026, 10, 1),
        period_end=date(2026, 11, 1),
        currency="USD",
        downloads=0,
        line_count=1,
        gross_minor=1,
        fee_minor=0,
        net_minor=1,
        content_hash="0" * 64,
        closed_at=world.now,
    )
    world.session.add(row)
    world.session.flush()
    return row.id


def _payout(world: World, owner: Actor, is_live: bool) -> UUID:
    row = Payout(
        batch_key=uuid4().hex,
        creator_id=owner.user_id,
        # Nobody has two of one currency under way.
        currency="EUR" if is_live else "USD",
        amount_minor=1,
        status=PayoutStatus.HELD,
        provider="local",
    )
    world.session.add(row)
    world.session.flush()
    return row.id


def _in_visible_book(model: type[Any]) -> Callable[[Actor], sa.ColumnElement[bool]]:
    def visible_to(actor: Actor) -> sa.ColumnElement[bool]:
        book = sa.select(Lorebook.id).join(Character, Character.id == Lorebook.character_id)
        return model.lorebook_id.in_(book.where(draft_visible_to(actor)))

    return visible_to


def _lore_entry(world: World, owner: Actor, _is_live: bool) -> UUID:
    book = lorebooks.make_lorebook(world.session, owner=owner, entries=1)
    return world.session.scalars(sa.select(LorebookEntry.id).where(LorebookEntry.lorebook_id == book.id)).one()


def _lore_state(world: World, owner: Actor, _is_live: bool) -> UUID:
    book = lorebooks.make_lorebook(world.session, owner=owner, entries=1)
    return lorebook_states.keep(world.session, book, actor=owner, action="delete", now=world.now).id


def _trashed_book(world: World, owner: Actor) -> UUID:
    book = lorebooks.make_lorebook(world.session, owner=owner, entries=1)
    return lorebook_trash.put(
        world.session, actor=owner, character_id=book.character_id, row_version=book.row_version, now=world.now
    ).id


def _report(world: World, owner: Actor, _is_live: bool) -> UUID:
    live = market.make_live_listing(world.session, owner=owner, moderator=world.moderator, now=world.now)
    reporter = accounts.make_actor(world.session, RoleName.CREATOR)
    return market.make_report(world.session, reporter=reporter, publication=live, now=world.now).id


def _attachment(world: World, owner: Actor, _is_live: bool) -> UUID:
    message = chat.make_message(world.session, owner=owner)
    file = media.make_portrait(world.session, actor=owner, storage=media.make_storage(world.data))
    given = {"message_id": message.id, "file_id": file.id, "now": world.now}
    return attachments.attach_picture(world.session, actor=owner, **given).id


KINDS = (
    Kind(ListingReport, report_visible_to, _report),
    Kind(
        Appeal,
        appeal_visible_to,
        lambda world, owner, _: (
            market.make_appeal(world.session, owner=owner, moderator=world.moderator, now=world.now).id
        ),
    ),
    Kind(Purchase, purchase_visible_to, _purchase),
    Kind(CreatorEarnings, statement_visible_to, _statement),
    Kind(Payout, payout_visible_to, _payout),
    Kind(ReviewReason, reason_visible_to, lambda world, _owner, _: market.make_reason(world.session).id),
    Kind(Character, character_visible_to, _character),
    Kind(
        CardDocument,
        document_visible_to,
        lambda world, owner, _: (
            authoring.make_preview(world.session, actor=owner, storage=media.make_storage(world.data)).id
        ),
    ),
    Kind(CardBatch, batch_visible_to, lambda world, owner, _: authoring.make_batch(world.session, actor=owner).id),
    Kind(Story, story_visible_to, lambda world, _owner, _: authoring.make_story(world.session, staff=SYSTEM).id),
    Kind(CharacterPublication, listing_visible_to, _listing),
    Kind(
        ListingDraft,
        draft_of_listing_visible_to,
        lambda world, owner, _: (
            listing_drafts.begin(world.session, actor=owner, words=listing_drafts.Words(), now=world.now).id
        ),
    ),
    Kind(
        CharacterCategory,
        category_visible_to,
        lambda world, _owner, _: market.any_category(world.session),
    ),
    Kind(
        ReviewCase,
        case_visible_to,
        lambda world, owner, _: market.make_waiting_case(world.session, owner=owner, now=world.now).id,
    ),
    Kind(
        MediaFile,
        file_visible_to,
        lambda world, owner, _: (
            media.make_portrait(world.session, actor=owner, storage=media.make_storage(world.data)).id
        ),
    ),
    Kind(MediaUpload, upload_visible_to, lambda world, owner, _: media.make_upload(world.session, owner=owner).id),
    Kind(
        ImageGeneration,
        generation_visible_to,
        lambda world, owner, _: media.make_generation(world.session, owner=owner).id,
    ),
    Kind(
        JobRun,
        job_visible_to,
        lambda world, owner, _: work.make_failed_job(world.session, now=world.now, actor=owner).id,
    ),
    Kind(
        PersonBudget,
        budget_visible_to,
        lambda world, owner, _: (
            budgets.set_limit(world.session, user_id=owner.user_id, limit_micro=None, now=world.now).user_id
        ),
    ),
    Kind(BulkRun, bulk_run_visible_to, _bulk_run),
    Kind(ListExport, list_export_visible_to, _export),
    Kind(ChatSession, session_visible_to, lambda world, owner, _: chat.make_chat(world.session, owner=owner).id),
    Kind(ChatMessage, message_visible_to, lambda world, owner, _: chat.make_message(world.session, owner=owner).id),
    Kind(SavedTestPrompt, prompt_visible_to, lambda world, owner, _: chat.make_prompt(world.session, owner=owner).id),
    Kind(PromptRun, run_visible_to, lambda world, owner, _: chat.make_run(world.session, owner=owner).id),
    Kind(WritingAssist, assist_visible_to, lambda world, owner, _: chat.make_assist(world.session, owner=owner).id),
    Kind(MultimediaMessage, attachments.attachment_visible_to, _attachment),
    Kind(
        VoiceConfiguration,
        configuration_visible_to,
        lambda world, owner, _: voices.make_voice(world.session, owner=owner).id,
    ),
    Kind(
        SpeechSynthesis,
        speech_visible_to,
        lambda world, owner, _: voices.make_speech(world.session, owner=owner, data=world.data).id,
    ),
    Kind(LorebookEntry, _in_visible_book(LorebookEntry), _lore_entry),
    Kind(
        TrashedLorebook,
        lorebook_trash.trashed_visible_to,
        lambda world, owner, _: _trashed_book(world, owner),
    ),
    Kind(LorebookState, _in_visible_book(LorebookState), _lore_state),
    Kind(User, user_visible_to, lambda _world, owner, _: owner.user_id),
    Kind(AuditEntry, audit_entry_visible_to, _entry),
    Kind(ErrorGroup, error_visible_to, _error),
)

ARGUMENTS = {
    "attachment_id": MultimediaMessage,
    "batch_id": CardBatch,
    "configuration_id": VoiceConfiguration,
    "assist_id": WritingAssist,
    "message_id": ChatMessage,
    "prompt_id": SavedTestPrompt,
    "run_id": PromptRun,
    "session_id": ChatSession,
    "case_id": ReviewCase,
    "character_id": Character,
    "document_id": CardDocument,
    "entry_id": LorebookEntry,
    "file_id": MediaFile,
    "job_id": JobRun,
    "publication_id": CharacterPublication,
    "purchase_id": Purchase,
    "state_id": LorebookState,
    "upload_id": MediaUpload,
    "user_id": User,
}
"""What an id of this name is about; a `row_id` is about its view's model."""
