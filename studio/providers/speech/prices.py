"""What speech costs: whole millionths of a currency unit, from prices per million characters, or per million tokens."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from studio.kit.text import is_cjk
from studio.providers import own_server
from studio.providers.speech import abilities
from studio.providers.speech.protocol import Usage
from studio.settings import Settings, SpeechTokenPrice

_RULES_TOKENS = 400
"""What a model that converses reads besides the text."""

_SPOKEN_TOKENS = 20
"""Tokens of a second of speech (one for 50 ms), as OpenAI counts them."""

_CJK_SECONDS, _OTHER_SECONDS = 0.28, 0.08
"""What a sign takes to say, rather too long than too short."""


@dataclass(frozen=True)
class SpeechPrices:
    """Prices by "<provider>/<model>" or "<provider>", in one currency.

    A number is for a million characters; a model that is billed by tokens has a price for each kind of them. What has
    none costs nothing where its server is the studio's `own`, and else counts as `assumed` for a million characters.
    """

    by_name: Mapping[str, Decimal | SpeechTokenPrice]
    currency: str
    assumed: Decimal | None = None
    own: frozenset[str] = frozenset()

    def cost_micro(
        self, provider: str, model: str, *, characters: int, usage: Usage | None = None, is_local: bool = False
    ) -> int | None:
        """The cost in millionths of the currency, rounded up; None where nobody said what it costs. Local speech is free.

        By tokens nothing is known where the provider did not say how many there were.
        """
        if is_local:
            return 0
        price = self._price(provider, model)
        # A price per million is the same number of millionths for each of them.
        if isinstance(price, SpeechTokenPrice):
            return None if usage is None else math.ceil(_cost(price, usage))
        if price is None:
            price = Decimal(0) if provider in self.own else self.assumed
        return None if price is None else math.ceil(price * characters)

    def is_assumed(self, provider: str, model: str, *, is_local: bool = False) -> bool:
        """Whether nobody said what it costs, and it does cost something."""
        return not is_local and provider not in self.own and self._price(provider, model) is None

    def estimate_micro(self, provider: str, model: str, *, text: str, is_local: bool = False) -> int | None:
        """What having `text` spoken is about to cost; as `cost_micro`, with tokens guessed from the text."""
        return self.cost_micro(provider, model, characters=len(text), usage=guessed(text), is_local=is_local)

    def _price(self, provider: str, model: str) -> Decimal | SpeechTokenPrice | None:
        found = self.by_name.get(f"{provider}/{model}")
        if found is None and not _is_by_tokens(provider, model):
            # What a provider's models cost by the character says nothing of one that is billed by the token.
            found = self.by_name.get(provider)
        return found


def guessed(text: str) -> Usage:
    """The tokens that reading `text` out is about to take."""
    signs = sum(1 for sign in text if is_cjk(sign))
    others = len(text) - signs
    written = signs + math.ceil(others / 4)
    seconds = signs * _CJK_SECONDS + others * _OTHER_SECONDS
    return Usage(text_in=_RULES_TOKENS + written, text_out=written, audio_out=math.ceil(seconds * _SPOKEN_TOKENS))


def _is_by_tokens(provider: str, model: str) -> bool:
    try:
        return abilities.of(provider, model=model).converses
    except KeyError:
        return False


def _cost(price: SpeechTokenPrice, usage: Usage) -> Decimal:
    cached = price.input if price.cached_input is None else price.cached_input
    return (
        price.input * usage.text_in
        + cached * usage.cached_in
        + price.output * usage.text_out
        + price.audio_output * usage.audio_out
    )


def prices_from(settings: Settings) -> SpeechPrices:
    """What the settings say that speech costs."""
    own = {"openai"} if own_server.is_own(settings.speech_openai_url or "") else set()
    return SpeechPrices(
        settings.speech_prices, settings.language_currency, assumed=settings.speech_unpriced, own=frozenset(own)
    )
