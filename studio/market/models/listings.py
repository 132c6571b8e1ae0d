"""Categories, listings, screening and review."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to, stored
from studio.market.models.screening import CheckMode

TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 20_000
COMMENT_LENGTH = 4_000
TO_MODERATOR_LENGTH = 1_000
REASON_LENGTHS = {"title": 100, "title_zh": 100, "message": 1_000, "message_zh": 1_000, "field": 60}
APPEAL_LENGTH = 2_000


class PublicationStatus(StrEnum):
    """Where a listing stands."""

    DRAFT = "draft"
    PENDING = "pending"
    """Submitted: its checks run, or it waits for a moderator; the case says which."""
    SCHEDULED = "scheduled"
    """Approved, and live at `publish_at` if nothing changes before."""
    APPROVED = "approved"
    """Live."""
    UNLISTED = "unlisted"
    CHANGES_REQUESTED = "changes_requested"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    QUARANTINED = "quarantined"
    """Hidden at once, until somebody has looked again."""
    TAKEN_DOWN = "taken_down"


class Notice(StrEnum):
    """What happened to a listing by itself, or without a decision; its creator reads a sentence of it."""

    CHANGED = "changed"
    """It was not what the moderator had approved, so that approval is void and it waits again."""
    ARCHIVED = "archived"
    """Its character was archived, so it was withdrawn."""
    SOLD = "sold"
    """Its character was sold exclusively, so it was withdrawn."""
    QUARANTINED = "quarantined"
    REPORTED = "reported"
    """People reported it, so a moderator looks again; it stays live meanwhile."""
    RESTORED = "restored"
    """An appeal was upheld."""


class LicenseType(StrEnum):
    """What a person who gets the character may count on."""

    FREE = "free"
    PREMIUM = "premium"
    EXCLUSIVE = "exclusive"


class CaseState(StrEnum):
    """Where a review stands."""

    SCREENING = "screening"
    WAITING = "waiting"
    CLAIMED = "claimed"
    DECIDING = "deciding"
    """A decision is made that can still be undone, or that waits for a second person."""
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"


class Outcome(StrEnum):
    """What a moderator decided."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    REJECTED = "rejected"
    TAKEN_DOWN = "taken_down"


class UndoneReason(StrEnum):
    """Why a decision never took effect."""

    UNDONE = "undone"
    """Whoever made it took it back in time."""
    DECLINED = "declined"
    """The second person did not agree."""
    WITHDRAWN = "withdrawn"
    """The creator withdrew the listing before."""
    CHANGED = "changed"
    """The content was no longer what the moderator had seen."""
    ARCHIVED = "archived"
    SOLD = "sold"


class Severity(StrEnum):
    """How much a finding of the screening weighs."""

    INFO = "info"
    WARNING = "warning"
    SEVERE = "severe"


class CharacterCategory(Identified, Timestamped, RowVersioned, Base):
    """A shelf of the market; shelves stand in shelves, never in a circle (a trigger refuses it)."""

    __tablename__ = "character_categories"
    __table_args__ = (
        sa.CheckConstraint("parent_id <> id", name="is_not_its_own_parent"),
        at_most("name", 100),
        at_most("description", 2000),
        sa.Index("ix_character_categories_sort_order_id", "sort_order", "id"),
    )

    name: Mapped[str] = mapped_column(unique=True)
    # The name in Chinese where it differs; the screen falls back to `name`.
    name_zh: Mapped[str] = mapped_column(default="", server_default="")
    description: Mapped[str] = mapped_column(default="", server_default="")
    parent_id: Mapped[UUID | None] = refers_to("character_categories.id", ondelete="RESTRICT")
    icon: Mapped[str] = mapped_column(default="", server_default="")
    sort_order: Mapped[int] = mapped_column(default=0, server_default="0")
    is_active: Mapped[bool] = mapped_column(default=True, server_default=sa.true())


class CharacterPublication(Identified, Timestamped, RowVersioned, Base):
    """A listing: one version of a character, offered under a title, a price and a licence."""

    __tablename__ = "character_publications"
    __table_args__ = (
        sa.CheckConstraint("price_minor >= 0", name="price_is_not_negative"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_is_iso_4217"),
        # What is free has no price, and what has a price is not free.
        sa.CheckConstraint("(license_type = 'free') = (price_minor = 0)", name="free_costs_nothing"),
        # Status and dates tell the same story.
        sa.CheckConstraint("status <> 'approved' OR published_at IS NOT NULL", name="approved_has_published_at"),
        sa.CheckConstraint("status <> 'unlisted' OR published_at IS NOT NULL", name="unlisted_has_published_at"),
        sa.CheckConstraint("status <> 'scheduled' OR publish_at IS NOT NULL", name="scheduled_has_publish_at"),
        sa.CheckConstraint("status = 'draft' OR submitted_at IS NOT NULL", name="submitted_has_submitted_at"),
        sa.CheckConstraint("published_at >= submitted_at", name="published_after_it_was_submitted"),
        sa.CheckConstraint(
            "(status IN ('changes_requested', 'rejected', 'withdrawn', 'taken_down')) = (ended_at IS NOT NULL)",
            name="ended_goes_with_ended_at",
        ),
        sa.CheckConstraint(
            "(status = 'quarantined') = (quarantined_at IS NOT NULL)"
            " AND (status = 'quarantined') = (quarantined_from IS NOT NULL)",
            name="quarantined_goes_with_what_was_before",
        ),
        sa.CheckConstraint(
            "quarantined_from IN ('pending', 'scheduled', 'approved', 'unlisted')", name="can_come_out_of_quarantine"
        ),
        sa.CheckConstraint("featured_until IS NULL OR published_at IS NOT NULL", name="featured_was_published"),
        sa.CheckConstraint("NOT is_featured OR featured_until IS NOT NULL", name="featured_has_its_end"),
        sa.Index(
            "ix_character_publications_shop",
            "is_featured",
            "published_at",
            "id",
            postgresql_where=sa.text("status = 'approved'"),
        ),
        sa.CheckConstraint("(notice IS NULL) = (noticed_at IS NULL)", name="notice_goes_with_noticed_at"),
        # A character is live once.
        sa.Index(
            "uq_character_publications_character_id_live",
            "character_id",
            unique=True,
            postgresql_where=sa.text("status = 'approved'"),
        ),
        # And waits once, for review or for its time.
        sa.Index(
            "uq_character_publications_character_id_pending",
            "character_id",
            unique=True,
            postgresql_where=sa.text("status IN ('pending', 'scheduled')"),
        ),
        sa.Index(
            "ix_character_publications_publish_at_scheduled",
            "publish_at",
            "id",
            postgresql_where=sa.text("status = 'scheduled'"),
        ),
        at_most("title", TITLE_LENGTH),
        at_most("description", DESCRIPTION_LENGTH),
        at_most("to_moderator", TO_MODERATOR_LENGTH),
        sa.Index("ix_character_publications_publisher_id_created_at_id", "publisher_id", "created_at", "id"),
        sa.Index("ix_character_publications_status_created_at_id", "status", "created_at", "id"),
        sa.Index("ix_character_publications_created_at_id", "created_at", "id"),
        sa.ForeignKeyConstraint(
            ["character_id", "version_number"],
            ["character_versions.character_id", "character_versions.version_number"],
            name="fk_character_publications_version",
            ondelete="RESTRICT",
        ),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="RESTRICT")
    version_number: Mapped[int]
    publisher_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT", index=False)
    title: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="")
    tags: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    category_id: Mapped[UUID] = refers_to("character_categories.id", ondelete="RESTRICT")
    price_minor: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    license_type: Mapped[LicenseType] = mapped_column(stored(LicenseType, "license_type"))
    status: Mapped[PublicationStatus] = mapped_column(
        stored(PublicationStatus, "status"), default=PublicationStatus.PENDING
    )
    # What the moderator sees is what goes live: the hash of the version and of the listing's own texts.
    content_hash: Mapped[str]
    # What its creator says to who reviews it; nobody else reads it, and it goes live nowhere.
    to_moderator: Mapped[str] = mapped_column(default="", server_default="")
    submitted_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    featured_until: Mapped[datetime | None]
    # The shop begins with these. A column, since an order by the clock would shift between two pages.
    is_featured: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    # When it is to go live once it is approved; empty: at once.
    publish_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    quarantined_at: Mapped[datetime | None]
    quarantined_from: Mapped[PublicationStatus | None] = mapped_column(stored(PublicationStatus, "quarantined_from"))
    notice: Mapped[Notice | None] = mapped_column(stored(Notice, "notice"))
    noticed_at: Mapped[datetime | None]


class CarriedApproval(Identified, Base):
    """An approval that was carried over to what a listing became when staff moved it to another shelf. PostgreSQL keeps it."""

    __tablename__ = "carried_approvals"
    __table_args__ = (
        sa.CheckConstraint("from_hash <> to_hash", name="carries_to_something_else"),
        sa.Index("ix_carried_approvals_publication_id_to_hash", "publication_id", "to_hash"),
    )

    publication_id: Mapped[UUID] = refers_to("character_publications.id", ondelete="RESTRICT", index=False)
    # What was approved, or carried over before; and what the listing is since.
    from_hash: Mapped[str]
    to_hash: Mapped[str]
    # Who moved it; empty for what was moved before this was kept.
    by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT")
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class ReviewCase(Identified, RowVersioned, Base):
    """One listing's way over the desk: screened, waiting, claimed, decided."""

    __tablename__ = "review_cases"
    __table_args__ = (
        # A claim has a holder and an end; what is not claimed has neither.
        sa.CheckConstraint(
            "(state = 'claimed') = (claimed_by_id IS NOT NULL) AND (state = 'claimed') = (claim_expires_at IS NOT NULL)",
            name="claimed_goes_with_a_holder",
        ),
        sa.CheckConstraint(
            "(state IN ('decided', 'withdrawn')) = (closed_at IS NOT NULL)", name="closed_goes_with_state"
        ),
        # A listing is under one review at a time.
        sa.Index(
            "uq_review_cases_publication_id_open",
            "publication_id",
            unique=True,
            postgresql_where=sa.text("state IN ('screening', 'waiting', 'claimed', 'deciding')"),
        ),
        sa.CheckConstraint("risk_score BETWEEN 0 AND 100", name="risk_score_is_of_100"),
        sa.Index("ix_review_cases_queue", "due_at", "id", postgresql_where=sa.text("state IN ('waiting', 'claimed')")),
        # What the neighbours of still have to be looked for.
        sa.Index(
            "ix_review_cases_compared_at_missing",
            "opened_at",
            postgresql_where=sa.text("state IN ('waiting', 'claimed') AND compared_at IS NULL"),
        ),
    )

    publication_id: Mapped[UUID] = refers_to("character_publications.id", ondelete="CASCADE")
    state: Mapped[CaseState] = mapped_column(stored(CaseState, "state"), default=CaseState.SCREENING)
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime]
    claimed_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT")
    claim_expires_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    # How much speaks for a close look, and what of it: [{"name": "severe_findings", "weight": 30, "count": 1}, …].
    risk_score: Mapped[int] = mapped_column(sa.SmallInteger, default=0, server_default="0")
    risk_factors: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    # When the characters nearest in meaning were looked for; the embedding is made by another job and may be late.
    compared_at: Mapped[datetime | None]


class ScreeningResult(Identified, Base):
    """What one check of the screening found in one listing; a check that found nothing has a row too."""

    __tablename__ = "screening_results"
    __table_args__ = (
        # Screening twice equals screening once.
        sa.UniqueConstraint("case_id", "check_name", name="uq_screening_results_case_id_check_name"),
        # What could not be looked at has found nothing.
        sa.CheckConstraint("NOT (is_failed AND severity IS NOT NULL)", name="failed_has_no_severity"),
        sa.Index("ix_screening_results_checked_at", "checked_at"),
        # What a model could not look at is tried again.
        sa.Index("ix_screening_results_failed", "checked_at", postgresql_where=sa.text("is_failed")),
    )

    case_id: Mapped[UUID] = refers_to("review_cases.id", ondelete="CASCADE", index=False)
    check_name: Mapped[str]
    check_version: Mapped[int]
    severity: Mapped[Severity | None] = mapped_column(stored(Severity, "severity"))
    # [{"path": "data.description", "start": 3, "end": 9, "excerpt": "…", "message": "…"}], bounded by the screening.
    evidence: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    checked_at: Mapped[datetime]
    # As the check's switch stood when it looked; moderators see nothing of what is shadow.
    mode: Mapped[CheckMode] = mapped_column(
        stored(CheckMode, "mode"), default=CheckMode.ACTIVE, server_default=CheckMode.ACTIVE
    )
    # Which model looked ("omni-moderation-latest, at api.openai.com"); empty for rules on this machine.
    source: Mapped[str] = mapped_column(default="", server_default="")
    # The model did not answer: nothing is known, and a person has to look.
    is_failed: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    attempts: Mapped[int] = mapped_column(sa.SmallInteger, default=1, server_default="1")


class ReviewReason(Identified, RowVersioned, Base):
    """A reason that moderators can give, with the sentence that the creator reads.

    One that was given stays as long as the decision does: PostgreSQL refuses to delete it.
    """

    __tablename__ = "review_reasons"
    __table_args__ = tuple(at_most(name, most) for name, most in REASON_LENGTHS.items())

    code: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    title_zh: Mapped[str]
    message: Mapped[str]
    message_zh: Mapped[str]
    # What it is about as a rule; a moderator may tie it to another field.
    field: Mapped[str] = mapped_column(default="", server_default="")
    sort_order: Mapped[int] = mapped_column(default=0, server_default="0")
    is_severe: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    is_active: Mapped[bool] = mapped_column(default=True, server_default=sa.true())


class ReviewDecision(Identified, Base):
    """A decision: made, held back for ten seconds, then in effect or undone. PostgreSQL refuses to change what it says.

    Nobody but moderators sees one before it is in effect.
    """

    __tablename__ = "review_decisions"
    __table_args__ = (
        # A case is decided once, whoever presses first.
        sa.Index("ix_review_decisions_decided_at", "decided_at"),
        sa.Index("uq_review_decisions_case_id", "case_id", unique=True, postgresql_where=sa.text("undone_at IS NULL")),
        sa.Index("ix_review_decisions_case_id", "case_id"),
        # Whom an appeal overturned does not review that listing again.
        sa.Index(
            "ix_review_decisions_case_id_overturned",
            "case_id",
            postgresql_where=sa.text("overturned_at IS NOT NULL"),
        ),
        sa.Index(
            "ix_review_decisions_effective_at_held",
            "effective_at",
            "id",
            postgresql_where=sa.text("effected_at IS NULL AND undone_at IS NULL"),
        ),
        sa.CheckConstraint("effective_at >= decided_at", name="effective_after_it_was_made"),
        sa.CheckConstraint(
            "effected_at IS NULL OR (effective_at IS NOT NULL AND effected_at >= effective_at)",
            name="effected_after_its_time",
        ),
        sa.CheckConstraint("effected_at IS NULL OR undone_at IS NULL", name="undone_had_no_effect"),
        sa.CheckConstraint("(undone_at IS NULL) = (undone_reason IS NULL)", name="undone_has_a_reason"),
        # A severe takedown needs two people.
        sa.CheckConstraint("second_id <> moderator_id", name="second_is_somebody_else"),
        sa.CheckConstraint("(second_id IS NULL) = (seconded_at IS NULL)", name="second_goes_with_seconded_at"),
        sa.CheckConstraint(
            "NOT (outcome = 'taken_down' AND is_severe) OR effective_at IS NULL OR second_id IS NOT NULL",
            name="severe_takedown_needs_two",
        ),
        sa.CheckConstraint("overturned_at IS NULL OR effected_at IS NOT NULL", name="overturned_was_in_effect"),
        at_most("note", COMMENT_LENGTH),
    )

    case_id: Mapped[UUID] = refers_to("review_cases.id", ondelete="RESTRICT", index=False)
    moderator_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT")
    outcome: Mapped[Outcome] = mapped_column(stored(Outcome, "outcome"))
    # What the moderator had before their eyes.
    content_hash: Mapped[str]
    note: Mapped[str] = mapped_column(default="", server_default="")
    is_severe: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    decided_at: Mapped[datetime]
    # When its effects leave; empty while it waits for a second person.
    effective_at: Mapped[datetime | None]
    effected_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    undone_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT")
    undone_reason: Mapped[UndoneReason | None] = mapped_column(stored(UndoneReason, "undone_reason"))
    second_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT")
    seconded_at: Mapped[datetime | None]
    # An appeal against it was upheld.
    overturned_at: Mapped[datetime | None]


class FieldComment(Identified, Base):
    """One reason of one decision, tied to a field where it is about one, with the moderator's own words."""

    __tablename__ = "field_comments"
    __table_args__ = (at_most("comment", COMMENT_LENGTH),)

    decision_id: Mapped[UUID] = refers_to("review_decisions.id", ondelete="CASCADE")
    reason_id: Mapped[UUID] = refers_to("review_reasons.id", ondelete="RESTRICT")
    # A field of the card or of the listing ("description", "title"); empty: the whole.
    field: Mapped[str] = mapped_column(default="", server_default="")
    comment: Mapped[str] = mapped_column(default="", server_default="")


class AppealState(StrEnum):
    """Where an appeal stands."""

    OPEN = "open"
    UPHELD = "upheld"
    """The creator was right: the decision is overturned."""
    DISMISSED = "dismissed"


class Appeal(Identified, Base):
    """A creator's objection to a decision; somebody other than the one who decided answers it."""

    __tablename__ = "appeals"
    __table_args__ = (
        # A decision can be appealed against once.
        sa.UniqueConstraint("decision_id", name="uq_appeals_decision_id"),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_goes_with_state"),
        sa.CheckConstraint("(decided_by_id IS NULL) = (decided_at IS NULL)", name="decided_by_goes_with_decided_at"),
        at_most("text", APPEAL_LENGTH),
        at_most("answer", COMMENT_LENGTH),
        sa.Index("ix_appeals_state_created_at_id", "state", "created_at", "id"),
        # What waits for an answer is due; what is answered is not.
        sa.CheckConstraint("(state = 'open') = (due_at IS NOT NULL)", name="due_while_it_is_open"),
        sa.Index("ix_appeals_due_at_id", "due_at", "id"),
    )

    decision_id: Mapped[UUID] = refers_to("review_decisions.id", ondelete="RESTRICT", index=False)
    appellant_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT")
    text: Mapped[str]
    state: Mapped[AppealState] = mapped_column(
        stored(AppealState, "state"), default=AppealState.OPEN, server_default=AppealState.OPEN
    )
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    decided_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT")
    decided_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(default="", server_default="")
