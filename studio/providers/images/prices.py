"""What a picture costs: by the settings' prices, nothing on a server of one's own, or what staff have it count as."""

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from studio.providers import own_server
from studio.providers.images import comfyui, openai_images, webui
from studio.providers.images.protocol import Described
from studio.settings import Settings

_MICRO = 1_000_000

_USUAL_URLS = {"openai": openai_images.OPENAI_URL, "webui": webui.USUAL_URL, "comfyui": comfyui.USUAL_URL}


class Basis(StrEnum):
    """How it is known what a picture costs."""

    LOCAL = "local"
    LISTED = "listed"
    OWN = "own"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Price:
    """What one picture counts in budgets, in units of the currency of all prices, and how that is known."""

    each: Decimal
    basis: Basis

    def micro(self, count: int = 1) -> int:
        """What so many count, in millionths, rounded up."""
        return math.ceil(self.each * count * _MICRO)

    @property
    def is_assumed(self) -> bool:
        """Whether nobody said what the model costs."""
        return self.basis is Basis.ASSUMED


def price_of(settings: Settings, *, provider: Described) -> Price:
    """What a picture of this provider counts; each has a price, or people's budgets would not hold.

    The longest priced name that begins the model's counts ("gpt-image-1" for "gpt-image-1-2025-04-23"). Without one, a server of
    the studio's own network costs nothing, and any other what `STUDIO_IMAGES_UNPRICED` says.
    """
    if provider.is_local:
        return Price(Decimal(0), Basis.LOCAL)
    names = [name for name in settings.images_prices if provider.model == name or provider.model.startswith(f"{name}-")]
    if names:
        return Price(settings.images_prices[max(names, key=len)], Basis.LISTED)
    if own_server.is_own((settings.images_url or "").strip() or _USUAL_URLS.get(provider.name, "")):
        return Price(Decimal(0), Basis.OWN)
    return Price(settings.images_unpriced, Basis.ASSUMED)
