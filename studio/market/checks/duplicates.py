"""The same card, already here."""

from studio.market.checks.base import Check, Finding, about, bounded
from studio.market.checks.submission import Submission
from studio.market.models import Severity

_SAME = "The same card is already here, by somebody else."
_SAME_OWN = "The same creator already has this card."


def _look(submission: Submission) -> Finding:
    return bounded(
        about(
            "data",
            _SAME_OWN if twin.is_same_owner else _SAME,
            Severity.INFO if twin.is_same_owner else Severity.SEVERE,
            text=twin.name,
            character_id=twin.character_id,
        )
        for twin in submission.same_card
    )


CHECK = Check("duplicates", 1, "The same card", _look)
