"""Words of young age and of sexual or cruel content against the rating: hints for a person, in English and Chinese."""

from dataclasses import replace

from studio.market.models import Severity
from studio.market.screening.checks.base import Check, Finding, Rule, bounded, search
from studio.market.screening.checks.submission import Submission
from studio.providers.moderation import words

_INFO, _WARNING, _SEVERE = Severity.INFO, Severity.WARNING, Severity.SEVERE
_YOUNG = "This tells of, or suggests, someone who is under age."

_YOUNG_RULES = tuple(Rule(pattern, _INFO, _YOUNG) for pattern in words.YOUNG)
_SEXUAL_RULES = tuple(Rule(pattern, _INFO, "This is, or points to, sexual content.") for pattern in words.SEXUAL)
_CRUEL_RULES = tuple(Rule(pattern, _INFO, "This is, or points to, cruelty.") for pattern in words.CRUEL)
_YOUNG_AND_SEXUAL = (
    "Words of young age in a card with sexual words or an adult rating: look closely before anything else."
)
_BEYOND_RATING = "This is more than the rating says."
_ADULT = {"mature", "explicit"}


def _look(submission: Submission) -> Finding:
    young = search(submission, _YOUNG_RULES).evidence
    sexual = search(submission, _SEXUAL_RULES).evidence
    cruel = search(submission, _CRUEL_RULES).evidence
    is_adult = submission.rating in _ADULT
    if young and (sexual or submission.rating == "explicit"):
        young = tuple(replace(item, severity=_SEVERE, message=_YOUNG_AND_SEXUAL, is_grave=True) for item in young)
    if not is_adult:
        sexual = tuple(replace(item, severity=_WARNING, message=_BEYOND_RATING) for item in sexual)
    if submission.rating == "general":
        cruel = tuple(replace(item, severity=_WARNING, message=_BEYOND_RATING) for item in cruel)
    return bounded([*young, *sexual, *cruel])


CHECK = Check("rating", 1, "Age and content rating", _look)
