"""Everything that a decision needs of one case, read in few statements however much waits beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, undefer

from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.authoring.models import Character, CharacterVersion
from studio.authoring.queries import character_visible_to
from studio.kit.errors import NotFoundError
from studio.market.catalogue import flags, queries, records
from studio.market.models import (
    CaseMatch,
    CaseState,
    CharacterCategory,
    CharacterPublication,
    ListingReport,
    LookReason,
    MatchKind,
    PublicationStatus,
    ReviewCase,
    ReviewDecision,
    ReviewFlag,
    ReviewNote,
    ScreeningResult,
)
from studio.market.review import queries as review_queries
from studio.market.review import queue, rules
from studio.market.screening import assessing, duplicates, fingerprints

_MOST_SHOWN_ALIKE = 12
_KINDS = {kind: place for place, kind in enumerate(MatchKind)}
_AROUND = 4
_SENT_BACK = frozenset({PublicationStatus.CHANGES_REQUESTED, PublicationStatus.REJECTED})


@dataclass(frozen=True, slots=True)
class Alike:
    """Another character and all in which it is like the one under review."""

    character_id: UUID
    name: str
    portrait_id: UUID | None
    is_same_owner: bool | None
    """None where the screening did not look yet, and only the nearest in meaning are known."""
    kinds: dict[MatchKind, float]
    version_number: int | None = None
    """The version that is alike, whose name and portrait these are; None is the draft as it stands."""

    @property
    def is_copy(self) -> bool:
        """Whether this is nearly the same, and not merely near."""
        return (
            MatchKind.EXACT in self.kinds
            or self.kinds.get(MatchKind.TEXT, 0) >= fingerprints.NEAR_COPY
            or self.kinds.get(MatchKind.PICTURE, 0) >= duplicates.SAME_PICTURE
        )


@dataclass(frozen=True, slots=True)
class AlikeVersion:
    """The version of another character that was found alike, and whether it is live now."""

    version: CharacterVersion
    is_live: bool


@dataclass(frozen=True, slots=True)
class Former:
    """An earlier listing of the same character that the desk compares with, its version and its category."""

    publication: CharacterPublication
    version: CharacterVersion
    category: CharacterCategory


@dataclass(frozen=True, slots=True)
class Around:
    """Whether there is something around a case that has to be read; most cases have none of it, and cost no statement for it."""

    has_flags: bool = True
    has_notes: bool = True
    has_reports: bool = True
    was_undone: bool = True


@dataclass(frozen=True, slots=True)
class Dossier:
    """One case as the desk shows it; `next_id` is the case that would come next, for preparing its page."""

    case: ReviewCase
    publication: CharacterPublication
    version: CharacterVersion
    category: CharacterCategory
    creator_name: str
    holder_name: str | None
    next_id: UUID | None
    around: Around
    is_overturned: bool
    """Whether an appeal overturned the actor on this listing, so that somebody else reviews it."""
    reasons: tuple[LookReason, ...]
    results: Sequence[ScreeningResult]
    former: Former | None
    """What was approved last before."""
    sent_back: Former | None
    """What was sent back last, where this listing is the answer to that."""
    alike: Sequence[Alike]
    """Without the kinds of likeness whose check is off; see `missing_kinds`."""
    missing_kinds: frozenset[MatchKind]
    decisions: Sequence[review_queries.Decided]
    record: records.CreatorRecord

    @property
    def is_open(self) -> bool:
        """Whether it still waits for a decision."""
        return self.case.state in {CaseState.WAITING, CaseState.CLAIMED}


def load(session: Session, *, actor: Actor, case_id: UUID, now: datetime) -> Dossier:
    """The case with all that belongs to it, if the actor may see it: six statements. Raises NotFoundError."""
    creator, holder = aliased(User), aliased(User)
    ahead = queue.free(actor=actor, now=now, but=case_id).scalar_subquery()
    row = session.execute(
        sa.select(
            ReviewCase,
            CharacterPublication,
            CharacterVersion,
            CharacterCategory,
            creator.name,
            holder.name,
            ahead,
            *_around(),
            review_queries.is_overturned(actor),
            *assessing.reason_columns(),
        )
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .join(CharacterVersion, _is_version_of(CharacterPublication))
        .join(CharacterCategory, CharacterCategory.id == CharacterPublication.category_id)
        .join(creator, creator.id == CharacterPublication.publisher_id)
        .outerjoin(holder, holder.id == ReviewCase.claimed_by_id)
        .where(review_queries.case_visible_to(actor), queries.listing_visible_to(actor), ReviewCase.id == case_id)
        .options(undefer(CharacterVersion.card), undefer(CharacterVersion.studio))
    ).one_or_none()
    if row is None:
        raise NotFoundError
    case, publication, version, category, creator_name, holder_name, next_id, *more = row
    around, is_overturned, reasons = Around(*more[:_AROUND]), more[_AROUND], more[_AROUND + 1 :]
    former, sent_back = find_earlier(session, publication=publication)
    results = review_queries.list_screening(session, actor=actor, case_id=case.id)
    kinds = duplicates.kinds_that_count([one.check_name for one in results])
    return Dossier(
        case=case,
        publication=publication,
        version=version,
        category=category,
        creator_name=creator_name,
        holder_name=holder_name if rules.is_held(case, now=now) and publication.publisher_id != actor.user_id else None,
        next_id=next_id,
        around=around,
        is_overturned=is_overturned,
        reasons=assessing.reasons_from(reasons),
        results=results,
        former=former,
        sent_back=sent_back,
        alike=_in(kinds, list_alike(session, actor=actor, case_id=case.id)),
        missing_kinds=frozenset(MatchKind) - kinds,
        decisions=review_queries.list_decisions(session, actor=actor, character_id=publication.character_id),
        record=records.creator_record(session, actor=actor, publisher_id=publication.publisher_id),
    )


def _around() -> list[sa.ColumnElement[bool]]:
    """What `Around` says, in its order, as columns of a query over cases and their listings."""
    noted = aliased(CharacterPublication)
    return [
        # Of a flag without words its kind is all, and that stands among the reasons.
        sa.exists().where(
            ReviewFlag.publication_id == CharacterPublication.id,
            ReviewFlag.cleared_at.is_(None),
            flags.is_told(),
        ),
        sa.exists().where(
            ReviewNote.publication_id == noted.id, noted.character_id == CharacterPublication.character_id
        ),
        sa.exists().where(ListingReport.publication_id == CharacterPublication.id),
        sa.exists().where(ReviewDecision.case_id == ReviewCase.id, ReviewDecision.undone_at.is_not(None)),
    ]


def find_earlier(session: Session, *, publication: CharacterPublication) -> tuple[Former | None, Former | None]:
    """What was approved last before this listing, and what was sent back last if nothing but withdrawals came since.

    Each with its card; the desk compares with them. One statement.
    """
    approved = (
        sa.select(CharacterPublication.id)
        .where(queries.came_before(publication))
        .order_by(CharacterPublication.published_at.desc(), CharacterPublication.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    newest = (
        sa.select(CharacterPublication.id)
        .where(
            CharacterPublication.character_id == publication.character_id,
            CharacterPublication.id != publication.id,
            CharacterPublication.created_at <= publication.created_at,
            CharacterPublication.status.not_in([PublicationStatus.DRAFT, PublicationStatus.WITHDRAWN]),
        )
        .order_by(CharacterPublication.created_at.desc(), CharacterPublication.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(CharacterPublication, CharacterVersion, CharacterCategory, CharacterPublication.id == approved)
        .join(CharacterVersion, _is_version_of(CharacterPublication))
        .join(CharacterCategory, CharacterCategory.id == CharacterPublication.category_id)
        .where(sa.or_(CharacterPublication.id == approved, CharacterPublication.id == newest))
        .options(undefer(CharacterVersion.card), undefer(CharacterVersion.studio))
    ).all()
    former = sent_back = None
    for earlier, version, category, is_approved in rows:
        found = Former(earlier, version, category)
        if is_approved:
            former = found
        if earlier.status in _SENT_BACK:
            sent_back = found
    return former, sent_back


def list_alike(session: Session, *, actor: Actor, case_id: UUID) -> list[Alike]:
    """The characters that are alike and that the actor may see, in the version that is: copies first, then the nearest."""
    rows = session.execute(
        sa.select(CaseMatch, Character.name, Character.portrait_id, CharacterVersion.name, CharacterVersion.portrait_id)
        .join(Character, Character.id == CaseMatch.character_id)
        .join(ReviewCase, ReviewCase.id == CaseMatch.case_id)
        .outerjoin(CharacterVersion, _is_version_of(CaseMatch))
        .where(
            review_queries.case_visible_to(actor),
            character_visible_to(actor),
            CaseMatch.case_id == case_id,
            # What was kept when anything near counted is none.
            sa.or_(CaseMatch.kind != MatchKind.IDEA, CaseMatch.similarity >= duplicates.SAME_IDEA),
        )
        .order_by(CaseMatch.similarity.desc(), CaseMatch.id)
    ).all()
    found: dict[UUID, Alike] = {}
    # The same card first, then text, picture, idea: what says most says which version is shown.
    for match, name, portrait_id, version_name, version_portrait_id in sorted(
        rows, key=lambda row: _KINDS[row[0].kind]
    ):
        number = match.version_number
        if match.character_id not in found:
            shown = (name, portrait_id) if number is None else (version_name, version_portrait_id)
            found[match.character_id] = Alike(match.character_id, *shown, match.is_same_owner, {}, number)
        found[match.character_id].kinds[match.kind] = match.similarity
    ranked = sorted(found.values(), key=lambda one: (not one.is_copy, -max(one.kinds.values())))
    return ranked[:_MOST_SHOWN_ALIKE]


def _in(kinds: frozenset[MatchKind], alike: Sequence[Alike]) -> list[Alike]:
    shown = (replace(one, kinds={kind: how for kind, how in one.kinds.items() if kind in kinds}) for one in alike)
    return [one for one in shown if one.kinds]


def find_alike_version(session: Session, *, actor: Actor, alike: Alike) -> AlikeVersion | None:
    """The version that was found alike, with its card; None where that was the draft. `alike` is what the actor may see."""
    if alike.version_number is None:
        return None
    version = session.scalars(
        sa.select(CharacterVersion)
        .where(
            CharacterVersion.character_id == alike.character_id,
            CharacterVersion.version_number == alike.version_number,
        )
        .options(undefer(CharacterVersion.card))
    ).one()
    offered = queries.list_listings_of_versions(
        session, actor=actor, character_id=alike.character_id, numbers=[alike.version_number]
    )
    return AlikeVersion(version, is_live=any(one.status is PublicationStatus.APPROVED for one in offered))


def _is_version_of(publication: Any) -> sa.ColumnElement[bool]:
    return sa.and_(
        CharacterVersion.character_id == publication.character_id,
        CharacterVersion.version_number == publication.version_number,
    )
