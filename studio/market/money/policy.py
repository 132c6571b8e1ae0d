"""What whoever runs the studio decided about money: the platform's share, the hold, the least payout."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from studio.kit.money import EXPONENTS
from studio.settings import Settings

CHECKOUT_LASTS = timedelta(minutes=30)
"""For so long a buyer may take to pay, and an exclusive is kept for them."""

GRACE = timedelta(seconds=10)
"""For so long a payout waits before it leaves, in which whoever made it can call it off: as long as at the desk."""

_MINIMUMS: Mapping[str, int] = {
    "USD": 2_000,
    "EUR": 2_000,
    "GBP": 2_000,
    "CNY": 10_000,
    "HKD": 15_000,
    "TWD": 60_000,
    "JPY": 3_000,
    "KRW": 30_000,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that a sale or a payout is made under; a sale keeps its own for good."""

    fee_bps: int = 1_500
    hold: timedelta = timedelta(days=7)
    minimums: Mapping[str, int] = field(default_factory=lambda: dict(_MINIMUMS))

    def minimum(self, currency: str) -> int:
        """The least payout in a currency, in minor units; never nothing."""
        least = self.minimums.get(currency)
        return max(least if least is not None else int(10 ** (EXPONENTS.get(currency, 2) + 1)), 1)


def from_settings(settings: Settings) -> Policy:
    """The policy that the settings say."""
    return Policy(
        fee_bps=settings.platform_fee_bps,
        hold=timedelta(days=settings.payout_hold_days),
        minimums={**_MINIMUMS, **settings.payout_minimums},
    )
