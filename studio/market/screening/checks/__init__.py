"""The checks of the screening: one module each, one list; none of them decides anything."""

from studio.market.screening.checks import (
    contacts,
    duplicates,
    hidden,
    injection,
    judge,
    macros,
    missing,
    moderation,
    picture,
    rating,
    scripts,
    secrets,
)
from studio.market.screening.checks.base import Check
from studio.market.screening.checks.models import ModelCheck

CHECKS: tuple[Check, ...] = (
    secrets.CHECK,
    contacts.CHECK,
    scripts.CHECK,
    hidden.CHECK,
    injection.CHECK,
    macros.CHECK,
    missing.CHECK,
    rating.CHECK,
    duplicates.CHECK,
    picture.CHECK,
)
"""What runs on this machine, in the order in which the desk shows it."""

MODEL_CHECKS: tuple[ModelCheck, ...] = (moderation.CHECK, judge.CHECK)
"""What asks a model; each runs where one is set."""

ALL: tuple[Check | ModelCheck, ...] = (*CHECKS, *MODEL_CHECKS)
"""All that has a switch."""
