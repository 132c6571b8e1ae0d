"""What an answer cost: whole millionths of a currency unit, from prices per million tokens."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from studio.settings import ModelPrice

MICRO = 1_000_000
"""Millionths in one unit of the currency: a price per million tokens is the same number of millionths per token."""


@dataclass(frozen=True)
class Prices:
    """The prices of some models, in one currency."""

    models: Mapping[str, ModelPrice]
    currency: str
    assumed: Decimal | None = None
    """What a million tokens of a model without a price count in budgets."""

    def cost_micro(self, model: str, *, tokens_in: int, tokens_out: int) -> int | None:
        """The cost in millionths of the currency, rounded up; None where nobody said what the model costs.

        A server may name a model with its date ("gpt-4.1-mini-2025-04-14"): the longest priced name that
        begins it counts.
        """
        known = [name for name in self.models if model == name or model.startswith(f"{name}-")]
        if not known:
            return None
        price = self.models[max(known, key=len)]
        cost: Decimal = Decimal(tokens_in) * price.input + Decimal(tokens_out) * price.output
        return math.ceil(cost)

    def budget_micro(self, model: str, *, tokens_in: int, tokens_out: int) -> int:
        """What it counts in budgets, in millionths: its cost, or what staff have models without a price count as."""
        cost = self.cost_micro(model, tokens_in=tokens_in, tokens_out=tokens_out)
        return math.ceil((self.assumed or 0) * (tokens_in + tokens_out)) if cost is None else cost

    def is_assumed(self, model: str) -> bool:
        """Whether nobody said what the model costs, and it counts something all the same."""
        return bool(self.assumed) and self.cost_micro(model, tokens_in=1, tokens_out=1) is None


def minor_of(cost_micro: int, *, exponent: int) -> int:
    """Millionths as whole minor units (cents), rounded up, for where money is kept in those."""
    unit: int = 10 ** (6 - exponent)
    return -(-cost_micro // unit)
