"""Closing a person's account: what goes, what stays as proof, what keeps it from being closed, and closing it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import closing, queries, rules
from studio.accounts.models import AuditEntry, User
from studio.accounts.permissions import SYSTEM, Actor, Permission, RoleName
from studio.authoring.models import Character
from studio.chat.models import ChatSession
from studio.kit.errors import ConflictError, InvalidError
from studio.market import leaving as market
from studio.market.leaving import Blocker
from studio.market.models import (
    CharacterPublication,
    CreatorEarnings,
    Payout,
    PublicationStatus,
    Purchase,
    PurchaseStatus,
    ReviewDecision,
)
from studio.market.money.policy import Policy
from studio.media.models import ImageGeneration, MediaFile
from studio.operations import usage
from studio.voices.models import SpeechSynthesis
from studio.work import steering
from studio.work.errors import JobIsFinalError
from studio.work.models import JobRun, JobState
from studio.work.queries import OPEN

_HAD = (PurchaseStatus.PAID, PurchaseStatus.DISPUTED, PurchaseStatus.REFUNDED, PurchaseStatus.LOST)
_MOST_COUNTED = 10_000

OWN_JOBS = (
    "authoring.import_cards",
    "authoring.make_batch_variants",
    "authoring.undo_card_batch",
    "chat.run_test_prompts",
    "media.generate_pictures",
    "memory.embed_all",
    "operations.preview_bulk",
    "operations.remake_variants",
    "operations.run_bulk",
    "operations.write_export",
    "voices.speak",
    "voices.speak_greetings",
)
"""What is done for a person alone. What they asked for and others count on (a payout, a screening) goes on without them."""


class BlockedError(ConflictError):
    """Something of the account is not over; `blockers` say what, and what to do."""

    def __init__(self, blockers: Sequence[Blocker]) -> None:
        first = blockers[0]
        super().__init__(first.sentence, **first.params)
        self.blockers = blockers


class NotConfirmedError(InvalidError):
    """Whoever closes an account says whose it is, so that it is not somebody else's by a slip."""

    def __init__(self) -> None:
        sentence = "Type the e-mail address of the account, exactly as it stands above."
        super().__init__(sentence, fields={"email": sentence})


@dataclass(frozen=True, slots=True)
class Outlook:
    """What closing the account would do: what goes, what stays, and what keeps it from being closed.

    Numbers end at ten thousand.
    """

    live_listings: int
    characters_that_go: int
    chats: int
    speech: int
    picture_requests: int
    files: int
    file_bytes: int
    characters_that_stay: int
    sold: int
    bought: int
    statements: int
    payouts: int
    decisions: int
    entries: int
    blockers: Sequence[Blocker]

    @property
    def is_blocked(self) -> bool:
        """Whether even an admin cannot close it now."""
        return any(not one.is_small for one in self.blockers)


def outlook(session: Session, *, actor: Actor, user_id: UUID, policy: Policy) -> Outlook:
    """What closing the account would do; nothing is done. Raises ForbiddenError or NotFoundError."""
    if actor.user_id != user_id:
        actor.must(Permission.PERSON_WRITE)
    user = queries.get_user(session, actor=actor, user_id=user_id)
    own = Character.owner_id == user.id
    kept = (
        sa.select(MediaFile.size_bytes)
        .where(MediaFile.owner_id == user.id, MediaFile.source_id.is_(None))
        .limit(_MOST_COUNTED)
        .subquery()
    )
    files, size = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(kept.c.size_bytes), 0)).select_from(kept)
    ).one()
    on_market = (PublicationStatus.APPROVED, PublicationStatus.PENDING, PublicationStatus.SCHEDULED)
    return Outlook(
        live_listings=_count(
            session, CharacterPublication.publisher_id == user.id, CharacterPublication.status.in_(on_market)
        ),
        characters_that_go=_count(session, own, ~usage.is_proof(Character.id)),
        chats=_count(session, ChatSession.owner_id == user.id),
        speech=_count(session, SpeechSynthesis.user_id == user.id),
        picture_requests=_count(session, ImageGeneration.user_id == user.id),
        files=files,
        file_bytes=int(size),
        characters_that_stay=_count(session, own, usage.is_proof(Character.id)),
        sold=_count(session, Purchase.creator_id == user.id, Purchase.status.in_(_HAD)),
        bought=_count(session, Purchase.buyer_id == user.id, Purchase.status.in_(_HAD)),
        statements=_count(session, CreatorEarnings.creator_id == user.id),
        payouts=_count(session, Payout.creator_id == user.id),
        decisions=_count(session, ReviewDecision.moderator_id == user.id),
        entries=_count(session, AuditEntry.actor_id == user.id),
        blockers=market.blockers_of(session, user_id=user.id, policy=policy),
    )


def close(
    session: Session,
    *,
    actor: Actor,
    user_id: UUID,
    policy: Policy,
    now: datetime,
    password: str | None = None,
    email: str | None = None,
    reason: str | None = None,
    leaves_small: bool = False,
    row_version: int | None = None,
) -> User:
    """The account is closed: nobody signs in to it, nothing of it is on the market, and a job clears away the rest.

    People close their own with their `password`; an admin closes another's by its `email`, with a `reason`, and may let
    small sums be (`leaves_small`). All of it happens, or nothing. Raises what `closing.find_closable` raises,
    NotConfirmedError, MissingReasonError, or BlockedError.
    """
    user = closing.find_closable(session, actor=actor, user_id=user_id, password=password, row_version=row_version)
    is_own = actor.user_id == user.id
    if not is_own:
        if rules.one_line_email(email or "") != user.email.lower():
            raise NotConfirmedError
        reason = rules.clean_reason(reason or "")
    was_moderator = any(role.name is RoleName.MODERATOR for role in user.roles)
    # First off the market: whoever buys at this moment waits for that, or was there before, and is then found.
    market.take_all_off(session, actor=actor, user_id=user.id, now=now)
    found = market.blockers_of(session, user_id=user.id, policy=policy)
    left = [one for one in found if is_own or not (one.is_small and leaves_small)]
    if left:
        raise BlockedError(left)
    closing.anonymise(session, actor=actor, user=user, reason=reason if not is_own else None, now=now)
    market.forget_destination(session, user_id=user.id)
    cancel_jobs(session, user_id=user.id, now=now)
    if was_moderator:
        work.ask(session, "market.release_claims", about=("person", user.id), user_id=user.id)
    work.ask(
        session,
        "operations.clear_person",
        about=("person", user.id),
        queue="background",
        dedupe_key=f"operations.clear_person:{user.id}",
        now=now,
        user_id=user.id,
    )
    return user


def cancel_jobs(session: Session, *, user_id: UUID, now: datetime) -> int:
    """The person's jobs stop: at once what waits, at its next step what runs. Returns how many are still running."""
    jobs = session.scalars(
        sa.select(JobRun.id)
        .where(JobRun.asked_by_id == user_id, JobRun.state.in_(OPEN), JobRun.name.in_(OWN_JOBS))
        .order_by(JobRun.id)
    ).all()
    running = 0
    for job_id in jobs:
        # What ended meanwhile needs no stopping.
        with suppress(JobIsFinalError):
            running += steering.cancel(session, actor=SYSTEM, job_id=job_id, now=now).state is JobState.RUNNING
    return running


def _count(session: Session, *criteria: sa.ColumnElement[bool]) -> int:
    few = sa.select(sa.literal(1)).where(*criteria).limit(_MOST_COUNTED).subquery()
    return session.scalar(sa.select(sa.func.count()).select_from(few)) or 0
