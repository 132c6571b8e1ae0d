"""What speaks for a close look at a case: the reasons that its row shows, and its risk, weighed from what is known."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from studio.authoring.models import CharacterVersion
from studio.market.catalogue import queries, records
from studio.market.models import (
    CaseMatch,
    CharacterPublication,
    CheckMode,
    ListingReport,
    LookReason,
    ReportState,
    ReviewCase,
    ReviewFlag,
    ScreeningResult,
    Severity,
)
from studio.market.screening import duplicates, risk


def assess(session: Session, *, case: ReviewCase) -> risk.Risk:
    """The case keeps its risk as the rows say it now, with the factors that it is the sum of."""
    found = risk.of(_facts(session, case))
    case.risk_score = found.score
    case.risk_factors = [factor.to_json() for factor in found.factors]
    session.flush()
    return found


def reason_columns() -> list[sa.ColumnElement[Any]]:
    """What a query over cases and their listings reads to know why each deserves a second look; see `reasons_from`."""
    former, approved = aliased(CharacterPublication), aliased(CharacterPublication)
    was_approved = sa.exists().where(
        former.character_id == CharacterPublication.character_id,
        former.id != CharacterPublication.id,
        former.published_at.is_not(None),
    )
    is_known = sa.exists().where(
        approved.publisher_id == CharacterPublication.publisher_id, approved.published_at.is_not(None)
    )
    is_held = sa.exists().where(
        ScreeningResult.case_id == ReviewCase.id,
        ScreeningResult.mode == CheckMode.ACTIVE,
        sa.or_(ScreeningResult.severity == Severity.SEVERE, ScreeningResult.is_failed),
    )
    flagged = (
        sa.select(sa.func.array_agg(sa.cast(ReviewFlag.kind, sa.Text)))
        .where(ReviewFlag.publication_id == CharacterPublication.id, ReviewFlag.cleared_at.is_(None))
        .correlate(CharacterPublication)
        .scalar_subquery()
    )
    return [~is_known, is_held, was_approved, flagged]


def reasons_from(values: Sequence[Any]) -> tuple[LookReason, ...]:
    """The reasons that a row of `reason_columns` says: what the rows show, and the flags that are up."""
    *applying, flagged = values
    order = (LookReason.NEW_CREATOR, LookReason.SCREENING, LookReason.CHANGED_AFTER_APPROVAL)
    found = {reason for reason, applies in zip(order, applying, strict=True) if applies}
    found |= {LookReason(kind) for kind in flagged or ()}
    return tuple(reason for reason in LookReason if reason in found)


def _facts(session: Session, case: ReviewCase) -> risk.Facts:
    publication = session.get_one(CharacterPublication, case.publication_id)
    is_seen = ScreeningResult.mode == CheckMode.ACTIVE
    severe, warnings, unscreened, looked = session.execute(
        sa.select(
            sa.func.count().filter(ScreeningResult.severity == Severity.SEVERE),
            sa.func.count().filter(ScreeningResult.severity == Severity.WARNING),
            sa.func.count().filter(ScreeningResult.is_failed),
            sa.func.array_agg(ScreeningResult.check_name),
        ).where(ScreeningResult.case_id == case.id, is_seen)
    ).one()
    kinds = duplicates.kinds_that_count(looked or ())
    found = session.scalars(sa.select(CaseMatch).where(CaseMatch.case_id == case.id))
    matches = [match for match in found if match.kind in kinds]
    rating = session.scalar(
        sa.select(CharacterVersion.studio["profile"]["content_rating"].astext).where(
            CharacterVersion.character_id == publication.character_id,
            CharacterVersion.version_number == publication.version_number,
        )
    )
    record = records.record_of(session, publisher_id=publication.publisher_id)
    return risk.Facts(
        severe=severe,
        warnings=warnings,
        unscreened=unscreened,
        copies_of_others=duplicates.copies_of_others(matches),
        pictures_of_others=duplicates.copies_of_others(matches, pictures=True),
        approved=record.approved,
        rejected=record.rejected,
        taken_down=record.taken_down,
        reports_upheld=record.reports_upheld,
        open_reports=session.scalar(
            sa.select(sa.func.count()).where(
                ListingReport.publication_id == publication.id, ListingReport.state == ReportState.OPEN
            )
        )
        or 0,
        is_rated_explicit=rating == "explicit",
        has_live_version=queries.find_last_approved(session, publication=publication) is not None,
    )
