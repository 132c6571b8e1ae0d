"""How much speaks for a close look at a listing: a sum of factors, each of which can be shown. It decides nothing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST = 100

HIGH = 50
"""From here on the queue marks a case."""

RAISED = 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a listing under review and of who submitted it."""

    severe: int = 0
    """Checks that found something severe."""
    warnings: int = 0
    """Checks whose weightiest finding is worth a look."""
    unscreened: int = 0
    """Checks that could not look."""
    copies_of_others: int = 0
    """Characters of other people with the same card, or nearly the same text."""
    pictures_of_others: int = 0
    """Characters of other people with nearly the same picture."""
    approved: int = 0
    rejected: int = 0
    taken_down: int = 0
    reports_upheld: int = 0
    open_reports: int = 0
    is_rated_explicit: bool = False
    has_live_version: bool = False


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing that speaks for or against a close look: its name, its weight, and what it counts (0: it does not count)."""

    name: str
    weight: int
    count: int = 0

    def to_json(self) -> dict[str, Any]:
        """The factor as `review_cases.risk_factors` keeps it."""
        return {"name": self.name, "weight": self.weight, "count": self.count}


@dataclass(frozen=True, slots=True)
class Risk:
    """The score, 0 to 100, and what it is the sum of, the weightiest first."""

    score: int
    factors: tuple[Factor, ...]


WHY: Mapping[str, str] = {
    "severe_findings": "Checks that found something severe.",
    "warnings": "Checks that found something to look at.",
    "unscreened": "Checks that were to look at the card and could not.",
    "copies": "Other people's characters that this is the same as, or nearly the same.",
    "pictures": "Other people's characters with nearly the same picture.",
    "open_reports": "Reports about it that nobody has answered yet.",
    "taken_down": "Listings of this creator that were taken down.",
    "reports_upheld": "Reports about this creator's listings that were right.",
    "new_creator": "Nothing of this creator was approved yet.",
    "rejections": "More than half of this creator's submissions were sent back.",
    "explicit": "The rating is explicit.",
    "good_record": "Earlier submissions of this creator were approved.",
    "known_version": "A former version of it was approved.",
}
"""The sentence behind each factor."""


def of(facts: Facts) -> Risk:
    """The risk of a listing: the factors that apply, their sum kept within 0 and 100."""
    factors = sorted((factor for factor in _factors(facts) if factor.weight), key=lambda one: (-one.weight, one.name))
    return Risk(max(0, min(MOST, sum(factor.weight for factor in factors))), tuple(factors))


def from_json(factors: Iterable[Mapping[str, Any]]) -> list[Factor]:
    """The factors as a case keeps them."""
    return [Factor(str(one["name"]), int(one["weight"]), int(one.get("count", 0))) for one in factors]


def _factors(facts: Facts) -> Iterator[Factor]:
    yield Factor("severe_findings", min(60, 30 * facts.severe), facts.severe)
    yield Factor("warnings", min(20, 5 * facts.warnings), facts.warnings)
    yield Factor("unscreened", 15 if facts.unscreened else 0)
    yield Factor(
        "copies", min(50, 30 + 10 * facts.copies_of_others) if facts.copies_of_others else 0, facts.copies_of_others
    )
    # One drawing serves many: a picture alone says less than a text.
    yield Factor("pictures", min(20, 10 * facts.pictures_of_others), facts.pictures_of_others)
    yield Factor("open_reports", min(40, 20 * facts.open_reports), facts.open_reports)
    yield Factor("taken_down", min(40, 20 * facts.taken_down), facts.taken_down)
    yield Factor("reports_upheld", min(30, 10 * facts.reports_upheld), facts.reports_upheld)
    decided = facts.approved + facts.rejected
    yield Factor("new_creator", 0 if facts.approved else 10)
    # One that was sent back once learned something; a habit is another matter.
    is_habit = facts.rejected > 1 and facts.rejected * 2 > decided
    yield Factor("rejections", min(20, 5 * facts.rejected) if is_habit else 0, facts.rejected)
    yield Factor("explicit", 5 if facts.is_rated_explicit else 0)
    # What was good before says little of a finding, so it takes little away.
    yield Factor("good_record", -min(15, 3 * facts.approved), facts.approved)
    yield Factor("known_version", -5 if facts.has_live_version else 0)
