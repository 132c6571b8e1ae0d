"""Purchases, what the payment provider said of them, and downloads as proof of a licence."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to, stored
from studio.market.models.listings import LicenseType

REASON_LENGTH = 500


class PurchaseStatus(StrEnum):
    """Where a purchase stands."""

    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DISPUTED = "disputed"
    REFUNDED = "refunded"
    LOST = "lost"


HELD = (PurchaseStatus.PAID, PurchaseStatus.DISPUTED)
"""The statuses in which the buyer holds the licence (a dispute alone takes nothing away)."""

CLOSED = (PurchaseStatus.FAILED, PurchaseStatus.CANCELLED)
"""The statuses of a purchase that came to nothing."""

GIVEN_UP = "given up by the buyer"
"""The reason of a purchase that its buyer gave up: a payment that comes afterwards goes back."""

TAKEN_DOWN = "the character was taken down"
"""The reason of a purchase whose character was taken down before its payment came, which goes back."""


class Purchase(Identified, Timestamped, RowVersioned, Base):
    """One person's purchase of one character under one licence: the terms as they were, whatever becomes of the listing.

    The seeds call the table `transactions`.
    """

    __tablename__ = "transactions"
    __table_args__ = (
        # A buyer who presses twice buys once.
        sa.UniqueConstraint("buyer_id", "idempotency_key", name="uq_transactions_buyer_id_idempotency_key"),
        # What the provider knows under one reference is one purchase.
        sa.UniqueConstraint("provider", "provider_reference", name="uq_transactions_provider_provider_reference"),
        sa.UniqueConstraint("provider", "payment_reference", name="uq_transactions_provider_payment_reference"),
        sa.CheckConstraint("price_minor BETWEEN 0 AND 1000000000", name="price_is_in_bounds"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_is_iso_4217"),
        sa.CheckConstraint("fee_bps BETWEEN 0 AND 10000", name="fee_is_a_share"),
        sa.CheckConstraint("fee_minor BETWEEN 0 AND price_minor", name="fee_is_part_of_the_price"),
        sa.CheckConstraint("(license_type = 'free') = (price_minor = 0)", name="free_costs_nothing"),
        # Nobody buys from themselves.
        sa.CheckConstraint("buyer_id <> creator_id", name="buyer_is_not_the_creator"),
        # Status and dates tell the same story.
        sa.CheckConstraint(
            "(status IN ('paid', 'disputed', 'refunded', 'lost')) = (paid_at IS NOT NULL)",
            name="paid_goes_with_paid_at",
        ),
        sa.CheckConstraint("(paid_at IS NULL) = (available_at IS NULL)", name="paid_has_an_end_of_its_hold"),
        sa.CheckConstraint("available_at >= paid_at", name="the_hold_ends_after_payment"),
        sa.CheckConstraint("released_at IS NULL OR released_at >= available_at", name="released_after_the_hold"),
        sa.CheckConstraint("(status = 'refunded') = (refunded_at IS NOT NULL)", name="refunded_goes_with_refunded_at"),
        sa.CheckConstraint(
            "status NOT IN ('disputed', 'lost') OR disputed_at IS NOT NULL", name="disputed_goes_with_disputed_at"
        ),
        sa.CheckConstraint(
            "(status IN ('failed', 'cancelled')) = (closed_at IS NOT NULL)", name="closed_goes_with_closed_at"
        ),
        # An exclusive has one buyer.
        sa.Index(
            "uq_transactions_character_id_exclusive",
            "character_id",
            unique=True,
            postgresql_where=sa.text("license_type = 'exclusive' AND status IN ('pending', 'paid', 'disputed')"),
        ),
        # A person buys a character once, with all its minor versions.
        sa.Index(
            "uq_transactions_buyer_id_character_id_held",
            "buyer_id",
            "character_id",
            unique=True,
            postgresql_where=sa.text("status IN ('pending', 'paid', 'disputed')"),
        ),
        sa.Index("ix_transactions_buyer_id_created_at_id", "buyer_id", "created_at", "id"),
        sa.Index("ix_transactions_creator_id_created_at_id", "creator_id", "created_at", "id"),
        sa.Index("ix_transactions_created_at_id", "created_at", "id"),
        # What the hold keeps back, by when it ends.
        sa.Index(
            "ix_transactions_available_at_unreleased",
            "available_at",
            "id",
            postgresql_where=sa.text("status = 'paid' AND released_at IS NULL"),
        ),
        # Refunds that were asked for and have not come.
        sa.Index(
            "ix_transactions_refund_asked_at_open",
            "refund_asked_at",
            "id",
            postgresql_where=sa.text("refund_asked_at IS NOT NULL AND refunded_at IS NULL"),
        ),
        sa.Index(
            "ix_transactions_expires_at_pending", "expires_at", "id", postgresql_where=sa.text("status = 'pending'")
        ),
        at_most("reason", REASON_LENGTH),
    )

    buyer_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT", index=False)
    creator_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT", index=False)
    publication_id: Mapped[UUID] = refers_to("character_publications.id", ondelete="RESTRICT")
    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="RESTRICT")
    version_number: Mapped[int]
    title: Mapped[str]
    license_type: Mapped[LicenseType] = mapped_column(stored(LicenseType, "license_type"))
    price_minor: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    fee_bps: Mapped[int] = mapped_column(sa.BigInteger)
    fee_minor: Mapped[int] = mapped_column(sa.BigInteger)
    status: Mapped[PurchaseStatus] = mapped_column(stored(PurchaseStatus, "status"), default=PurchaseStatus.PENDING)
    idempotency_key: Mapped[str]
    provider: Mapped[str]
    provider_reference: Mapped[str | None]
    # What the provider calls the payment itself, once there is one: refunds and disputes name it.
    payment_reference: Mapped[str | None]
    # Where the buyer pays, while there is something to pay.
    pay_url: Mapped[str | None]
    expires_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    available_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    refund_asked_at: Mapped[datetime | None]
    refunded_at: Mapped[datetime | None]
    disputed_at: Mapped[datetime | None]
    dispute_count: Mapped[int] = mapped_column(default=0, server_default="0")
    closed_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="", server_default="")

    @property
    def was_paid_too_late(self) -> bool:
        """Whether the money came when the purchase was over: it goes back, and the buyer never had the licence."""
        return self.refund_asked_at is not None and self.paid_at in {None, self.refund_asked_at}


class EventOutcome(StrEnum):
    """What became of what a provider told us."""

    APPLIED = "applied"
    IGNORED = "ignored"
    WAITING = "waiting"
    """It came before what it is about, and is applied after that."""
    PROBLEM = "problem"
    """A person must look at it."""


class PaymentEvent(Base):
    """What a payment provider told us, once: the same event told twice, or in another order, finds its row here."""

    __tablename__ = "payment_events"
    __table_args__ = (
        sa.Index("ix_payment_events_received_at_event_id", "received_at", "event_id"),
        # What staff must look at.
        sa.Index(
            "ix_payment_events_problem",
            "received_at",
            postgresql_where=sa.text("outcome = 'problem' AND settled_at IS NULL"),
        ),
        sa.CheckConstraint("settled_at IS NULL OR outcome = 'problem'", name="only_problems_are_settled"),
        sa.Index("ix_payment_events_waiting", "payment_reference", postgresql_where=sa.text("outcome = 'waiting'")),
    )

    provider: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    purchase_id: Mapped[UUID | None] = refers_to("transactions.id", ondelete="RESTRICT")
    # Reference, amount, currency: what was said, without anything about cards or people.
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    payment_reference: Mapped[str | None]
    outcome: Mapped[EventOutcome] = mapped_column(stored(EventOutcome, "outcome"))
    problem: Mapped[str] = mapped_column(default="", server_default="")
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    # When staff said that they have seen to the problem; the audit log knows who.
    settled_at: Mapped[datetime | None]


class CharacterDownload(Identified, Base):
    """Proof that a person holds a licence for one version, and that they fetched it: counted once."""

    __tablename__ = "character_downloads"
    __table_args__ = (
        # A person, a character, a version: one row, however often they fetch it.
        sa.UniqueConstraint(
            "character_id", "user_id", "version_number", name="uq_character_downloads_character_id_user_id_version"
        ),
        sa.ForeignKeyConstraint(
            ["character_id", "version_number"],
            ["character_versions.character_id", "character_versions.version_number"],
            name="fk_character_downloads_version",
            ondelete="RESTRICT",
        ),
        sa.CheckConstraint(
            "downloaded_at IS NULL OR downloaded_at >= created_at", name="downloaded_after_it_was_allowed"
        ),
        sa.CheckConstraint("price_paid_minor >= 0", name="price_is_not_negative"),
        sa.Index("ix_character_downloads_user_id_created_at", "user_id", "created_at", "id"),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="RESTRICT", index=False)
    user_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT", index=False)
    version_number: Mapped[int]
    license_type: Mapped[LicenseType] = mapped_column(stored(LicenseType, "license_type"))
    price_paid_minor: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    purchase_id: Mapped[UUID] = refers_to("transactions.id", ondelete="RESTRICT")
    created_at: Mapped[datetime]
    # When the file was first fetched; a link that was asked for and never followed counts nothing.
    downloaded_at: Mapped[datetime | None]


class DownloadLink(Base):
    """A link that was made and may be followed once; the link itself is signed and stored nowhere."""

    __tablename__ = "download_links"
    __table_args__ = (
        sa.CheckConstraint("expires_at <= made_at + interval '10 minutes'", name="lives_ten_minutes_at_most"),
        sa.Index("ix_download_links_expires_at", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    download_id: Mapped[UUID] = refers_to("character_downloads.id", ondelete="CASCADE")
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
