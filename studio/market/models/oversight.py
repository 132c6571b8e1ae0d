"""What brings listings before a moderator's eyes: flags, internal notes, and what people report."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, at_most, refers_to, stored
from studio.market.models.listings import COMMENT_LENGTH

DETAIL_LENGTH = 500
REPORT_LENGTH = 1_000


class FlagKind(StrEnum):
    """Why a listing is worth a look."""

    NEW_CREATOR = "new_creator"
    REPORTED = "reported"
    SCREENING = "screening"
    APPEAL = "appeal"
    CHANGED_AFTER_APPROVAL = "changed_after_approval"
    QUARANTINED = "quarantined"
    REQUEUED = "requeued"


class ReviewFlag(Identified, Base):
    """One reason to look at a listing, until a decision clears it."""

    __tablename__ = "review_flags"
    __table_args__ = (
        # A reason stands once.
        sa.Index(
            "uq_review_flags_publication_id_kind_open",
            "publication_id",
            "kind",
            unique=True,
            postgresql_where=sa.text("cleared_at IS NULL"),
        ),
        sa.Index("ix_review_flags_publication_id_created_at", "publication_id", "created_at"),
        sa.CheckConstraint("cleared_at >= created_at", name="cleared_after_it_was_raised"),
        at_most("detail", DETAIL_LENGTH),
    )

    publication_id: Mapped[UUID] = refers_to("character_publications.id", ondelete="CASCADE", index=False)
    kind: Mapped[FlagKind] = mapped_column(stored(FlagKind, "kind"))
    # A moderator's own words, or what was counted ("copyright 2"); never shown to the creator.
    detail: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]


class ReviewNote(Identified, Base):
    """What moderators tell one another about a listing; nobody else reads it."""

    __tablename__ = "review_notes"
    __table_args__ = (
        sa.Index("ix_review_notes_publication_id_created_at", "publication_id", "created_at"),
        sa.CheckConstraint("text <> ''", name="says_something"),
        at_most("text", COMMENT_LENGTH),
    )

    publication_id: Mapped[UUID] = refers_to("character_publications.id", ondelete="CASCADE", index=False)
    author_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT")
    text: Mapped[str]
    created_at: Mapped[datetime]


class ReportReason(StrEnum):
    """What people can say is wrong with a listing."""

    WRONG_RATING = "wrong_rating"
    MINORS = "minors"
    REAL_PERSON = "real_person"
    COPYRIGHT = "copyright"
    HATE = "hate"
    SELF_HARM = "self_harm"
    ADVERTISING = "advertising"
    MISLEADING = "misleading"
    OTHER = "other"


class ReportState(StrEnum):
    """Where a report stands."""

    OPEN = "open"
    ACTIONED = "actioned"
    """A moderator found that something was wrong."""
    DISMISSED = "dismissed"


class ListingReport(Identified, Base):
    """All that people reported of one listing for one reason: they merge into one row that counts them."""

    __tablename__ = "listing_reports"
    __table_args__ = (
        sa.UniqueConstraint("publication_id", "reason", name="uq_listing_reports_publication_id_reason"),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed_goes_with_state"),
        sa.CheckConstraint("reporter_count > 0", name="somebody_reported_it"),
        sa.CheckConstraint("reviewed_count BETWEEN 0 AND reporter_count", name="reviewed_are_some_of_them"),
        sa.CheckConstraint("last_at >= created_at", name="last_after_first"),
        sa.Index("ix_listing_reports_state_last_at_id", "state", "last_at", "id"),
        sa.Index("ix_listing_reports_last_at_id", "last_at", "id"),
    )

    publication_id: Mapped[UUID] = refers_to("character_publications.id", ondelete="CASCADE", index=False)
    reason: Mapped[ReportReason] = mapped_column(stored(ReportReason, "reason"))
    state: Mapped[ReportState] = mapped_column(stored(ReportState, "state"), default=ReportState.OPEN)
    reporter_count: Mapped[int] = mapped_column(default=1)
    # How many there were when a moderator last looked.
    reviewed_count: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[datetime]
    last_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT")


class ListingReporter(Identified, Base):
    """One person among those who reported a listing for one reason."""

    __tablename__ = "listing_reporters"
    __table_args__ = (
        # A person counts once.
        sa.UniqueConstraint("report_id", "reporter_id", name="uq_listing_reporters_report_id_reporter_id"),
        sa.Index("ix_listing_reporters_reporter_id_created_at", "reporter_id", "created_at"),
        at_most("comment", REPORT_LENGTH),
    )

    report_id: Mapped[UUID] = refers_to("listing_reports.id", ondelete="CASCADE", index=False)
    reporter_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT", index=False)
    comment: Mapped[str] = mapped_column(default="", server_default="")
    is_trusted: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    # Whether they count among those who bring the listing to the desk: not who was always wrong.
    is_heard: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    created_at: Mapped[datetime]
