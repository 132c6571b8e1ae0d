"""The checks of the screening: one module each, one list; none of them decides anything."""

from studio.market.checks import (
    contacts,
    duplicates,
    hidden,
    injection,
    macros,
    missing,
    picture,
    rating,
    scripts,
    secrets,
)
from studio.market.checks.base import Check

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
"""In the order in which the desk shows them."""
