"""What speech costs: whole millionths of a currency unit, from prices per million characters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from studio.settings import Settings


@dataclass(frozen=True)
class SpeechPrices:
    """Prices by "<provider>/<model>" or "<provider>", in one currency; a million characters are the unit."""

    by_name: Mapping[str, Decimal]
    currency: str

    def cost_micro(self, provider: str, model: str, *, characters: int, is_local: bool = False) -> int | None:
        """The cost in millionths of the currency, rounded up; None where nobody said what it costs. Local speech is free."""
        if is_local:
            return 0
        price = self.by_name.get(f"{provider}/{model}", self.by_name.get(provider))
        # A price per million characters is the same number of millionths for each of them.
        return None if price is None else math.ceil(price * characters)


def prices_from(settings: Settings) -> SpeechPrices:
    """What the settings say that speech costs."""
    return SpeechPrices(settings.speech_prices, settings.language_currency)
