"""Tables of the desk: which checks screen, what cards are alike, and what was found alike to a listing under review."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, RowVersioned, refers_to, stored


class CheckMode(StrEnum):
    """Whether a check of the screening looks, and who sees what it finds."""

    OFF = "off"
    SHADOW = "shadow"
    """It looks, and only the page of the checks counts what it finds: for trying a check before people rely on it."""
    ACTIVE = "active"


class MatchKind(StrEnum):
    """In what another character is like the one under review."""

    EXACT = "exact"
    TEXT = "text"
    PICTURE = "picture"
    IDEA = "idea"


class LookReason(StrEnum):
    """Why a case deserves a second look."""

    NEW_CREATOR = "new_creator"
    REPORTED = "reported"
    SCREENING = "screening"
    APPEAL = "appeal"
    CHANGED_AFTER_APPROVAL = "changed_after_approval"
    QUARANTINED = "quarantined"
    REQUEUED = "requeued"


class ScreeningCheck(RowVersioned, Base):
    """The switch of one check. A check without a row is in the mode that it comes with."""

    __tablename__ = "screening_checks"

    name: Mapped[str] = mapped_column(primary_key=True)
    mode: Mapped[CheckMode] = mapped_column(stored(CheckMode, "mode"))
    changed_at: Mapped[datetime]
    changed_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT")


class CardFingerprint(Base):
    """By what a version of a character is found again: the hash of its card, and a MinHash of its text.

    Kept of the version that was submitted last, and of what is live, or is to be, while that is another.
    """

    __tablename__ = "card_fingerprints"
    __table_args__ = (
        # 128 numbers of 32 bits, or none where there is too little text to say anything.
        sa.CheckConstraint("octet_length(signature) = 512", name="signature_is_128_numbers"),
    )

    character_id: Mapped[UUID] = mapped_column(sa.ForeignKey("characters.id", ondelete="CASCADE"), primary_key=True)
    version_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content_hash: Mapped[str] = mapped_column(index=True)
    signature: Mapped[bytes | None]
    made_at: Mapped[datetime]


class FingerprintBand(Base):
    """One band of a fingerprint's signature: cards that share one may be near copies, all others hardly are."""

    __tablename__ = "card_fingerprint_bands"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["character_id", "version_number"],
            ["card_fingerprints.character_id", "card_fingerprints.version_number"],
            name="fk_card_fingerprint_bands_fingerprint",
            ondelete="CASCADE",
        ),
        sa.Index("ix_card_fingerprint_bands_character_id_version_number", "character_id", "version_number"),
    )

    key: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    character_id: Mapped[UUID] = mapped_column(primary_key=True)
    version_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class CaseMatch(Identified, Base):
    """Another character that was like the one under review when it was screened. A hint: nothing follows from it."""

    __tablename__ = "case_matches"
    __table_args__ = (
        sa.UniqueConstraint("case_id", "kind", "character_id", name="uq_case_matches_case_id_kind_character_id"),
        sa.CheckConstraint("similarity BETWEEN 0 AND 1", name="similarity_is_a_share"),
    )

    case_id: Mapped[UUID] = refers_to("review_cases.id", ondelete="CASCADE", index=False)
    kind: Mapped[MatchKind] = mapped_column(stored(MatchKind, "kind"))
    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE")
    # The version that is alike, which its character may have left behind since; empty: its draft.
    version_number: Mapped[int | None]
    # 1 is the same: Jaccard of 5-grams, share of equal bits of the pictures' hashes, cosine of the embeddings.
    similarity: Mapped[float]
    is_same_owner: Mapped[bool]
