"""The same card, or nearly the same text, already here."""

from collections.abc import Iterator

from studio.market.models import Severity
from studio.market.screening.checks.base import Check, Evidence, Finding, about, bounded
from studio.market.screening.checks.submission import Submission
from studio.market.screening.fingerprints import NEAR_COPY

_SAME = "The same card is already here, by somebody else."
_SAME_OWN = "The same creator already has this card."
_NEAR = "Nearly the same text is already here, by somebody else."
_NEAR_OWN = "The same creator already has a card with nearly the same text."
_ALIKE = "Much of the text is like that of another card."


def _twins(submission: Submission) -> Iterator[Evidence]:
    for twin in submission.same_card:
        message = _SAME_OWN if twin.is_same_owner else _SAME
        severity = Severity.INFO if twin.is_same_owner else Severity.SEVERE
        yield about("data", message, severity, text=twin.name, character_id=twin.character_id)
    same = {twin.character_id for twin in submission.same_card}
    for twin in submission.similar_texts:
        if twin.character_id in same:
            continue
        is_near = twin.similarity >= NEAR_COPY
        message = (_NEAR_OWN if twin.is_same_owner else _NEAR) if is_near else _ALIKE
        severity = Severity.WARNING if is_near and not twin.is_same_owner else Severity.INFO
        yield about(
            "data", message, severity, text=twin.name, character_id=twin.character_id, score=round(twin.similarity, 2)
        )


def _look(submission: Submission) -> Finding:
    return bounded(_twins(submission))


CHECK = Check("duplicates", 2, "The same card", _look)
