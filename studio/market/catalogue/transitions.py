"""The steps of a listing in one table: which there are, from where, and to where. Pure; PostgreSQL holds the same table."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from studio.market.catalogue.errors import StepImpossibleError
from studio.market.models import CaseState, CharacterPublication, PublicationStatus

_S = PublicationStatus


class Step(StrEnum):
    """Something that happens to a listing."""

    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    APPROVE = "approve"
    KEEP = "keep"
    """A moderator looked again and found nothing wrong."""
    REQUEST_CHANGES = "request_changes"
    REJECT = "reject"
    TAKE_DOWN = "take_down"
    QUARANTINE = "quarantine"
    RELEASE = "release"
    """Out of quarantine, to where it was; withdrawn where it waited and can never be live."""
    PUBLISH = "publish"
    VOID = "void"
    """Its approval holds no longer, so it waits for review again."""
    UNLIST = "unlist"
    RELIST = "relist"
    RESTORE = "restore"
    """An appeal was upheld: back to the market, or to the queue where it was never on it and still can be."""


def _all(statuses: tuple[PublicationStatus, ...], to: PublicationStatus) -> dict[_S, frozenset[_S]]:
    return {status: frozenset({to}) for status in statuses}


REVIEWABLE = (_S.PENDING, _S.SCHEDULED, _S.APPROVED, _S.UNLISTED, _S.QUARANTINED)
"""What a moderator can decide on."""

VISIBLE = (_S.SCHEDULED, _S.APPROVED, _S.UNLISTED)
"""What was approved, and can be looked at again."""

OPEN_CASES = (CaseState.SCREENING, CaseState.WAITING, CaseState.CLAIMED, CaseState.DECIDING)
"""The states of a review that is not over."""

ENDED = frozenset({_S.CHANGES_REQUESTED, _S.REJECTED, _S.WITHDRAWN, _S.TAKEN_DOWN})
"""Where a listing is over, until an appeal is upheld."""

STEPS: Mapping[Step, Mapping[_S, frozenset[_S]]] = {
    Step.SUBMIT: _all((_S.DRAFT,), _S.PENDING),
    Step.WITHDRAW: _all((_S.DRAFT, _S.PENDING, _S.SCHEDULED), _S.WITHDRAWN),
    Step.APPROVE: {_S.PENDING: frozenset({_S.APPROVED, _S.SCHEDULED})},
    Step.KEEP: {status: frozenset({status}) for status in VISIBLE},
    Step.REQUEST_CHANGES: _all(REVIEWABLE, _S.CHANGES_REQUESTED),
    Step.REJECT: _all(REVIEWABLE, _S.REJECTED),
    Step.TAKE_DOWN: _all((*VISIBLE, _S.QUARANTINED), _S.TAKEN_DOWN),
    Step.QUARANTINE: _all((_S.PENDING, *VISIBLE), _S.QUARANTINED),
    Step.RELEASE: {_S.QUARANTINED: frozenset({_S.PENDING, *VISIBLE, _S.WITHDRAWN})},
    Step.PUBLISH: _all((_S.SCHEDULED,), _S.APPROVED),
    Step.VOID: _all((_S.SCHEDULED,), _S.PENDING),
    Step.UNLIST: _all((_S.APPROVED,), _S.UNLISTED),
    Step.RELIST: _all((_S.UNLISTED,), _S.APPROVED),
    Step.RESTORE: {
        _S.TAKEN_DOWN: frozenset({_S.APPROVED, _S.UNLISTED, _S.PENDING, _S.WITHDRAWN}),
        _S.REJECTED: frozenset({_S.PENDING, _S.UNLISTED, _S.WITHDRAWN}),
        _S.CHANGES_REQUESTED: frozenset({_S.PENDING, _S.UNLISTED, _S.WITHDRAWN}),
    },
}
"""Each step, from which status to which; what is not here cannot be done."""


def pairs() -> frozenset[tuple[PublicationStatus, PublicationStatus]]:
    """Every change of a status that some step makes; the trigger `keep_listing_steps` allows exactly these."""
    return frozenset(
        (before, after)
        for step in STEPS.values()
        for before, targets in step.items()
        for after in targets
        if before is not after
    )


def can(publication: CharacterPublication, step: Step) -> bool:
    """Whether the step is possible from where the listing stands."""
    return publication.status in STEPS[step]


def apply(
    publication: CharacterPublication, step: Step, *, now: datetime, to: PublicationStatus | None = None
) -> PublicationStatus:
    """The listing has taken the step, and its dates say so; returns where it stood before.

    `to` chooses where a step leads to several. Raises StepImpossibleError where the table has no such step; nothing
    else in the program sets a listing's status.
    """
    before = publication.status
    targets = STEPS[step].get(before, frozenset())
    if to is None and len(targets) == 1:
        (to,) = targets
    if to is None or to not in targets:
        raise StepImpossibleError
    publication.status = to
    publication.ended_at = now if to in ENDED else None
    is_quarantined = to is _S.QUARANTINED
    publication.quarantined_at = now if is_quarantined else None
    publication.quarantined_from = before if is_quarantined else None
    if to is _S.APPROVED and publication.published_at is None:
        publication.published_at = now
    return before
