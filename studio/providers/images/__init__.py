"""Pictures from a prompt: OpenAI and its like, Stable Diffusion WebUI, ComfyUI, or placeholders that say what they are."""

from collections.abc import Callable, Mapping, Sequence

from studio.providers.errors import ProviderNotConfiguredError
from studio.providers.images import comfyui, local, openai_images, webui
from studio.providers.images.prices import Basis, Price, price_of
from studio.providers.images.protocol import (
    OPTIONS,
    ImageClient,
    ImageProvider,
    Made,
    Picture,
    PictureRequest,
    Watch,
)
from studio.providers.images.wrapper import ReliableImages
from studio.settings import Settings

__all__ = [
    "KINDS",
    "OPTIONS",
    "Basis",
    "ImageProvider",
    "Made",
    "Picture",
    "PictureRequest",
    "Price",
    "Watch",
    "from_settings",
    "price_of",
]

KINDS: Mapping[str, Callable[[Settings], ImageClient]] = {
    "local": local.from_settings,
    "openai": openai_images.from_settings,
    "webui": webui.from_settings,
    "comfyui": comfyui.from_settings,
}
"""Every kind of picture provider, by its name in `STUDIO_IMAGES_PROVIDER`."""


class Unusable:
    """What stands in where the settings cannot be right: each request is refused with that reason."""

    is_local = False
    ignores = frozenset(OPTIONS)
    sizes: Sequence[tuple[int, int]] = ()
    most_pictures = 1
    tells_progress = False

    def __init__(self, name: str, model: str, reason: ProviderNotConfiguredError) -> None:
        self.name, self.model, self.reason = name, model, reason
        self.label = "not configured"

    def make(self, request: PictureRequest, *, timeout: float, time_limit: float, watch: Watch) -> Made:
        """Raise ProviderNotConfiguredError; nothing is sent anywhere."""
        del request, timeout, time_limit, watch
        raise self.reason.afresh()

    def close(self) -> None:
        """Nothing is held open."""


def from_settings(settings: Settings) -> ImageProvider:
    """Return the provider that the settings name, ready to use; nothing is connected yet, and nothing raised.

    Where a setting cannot be right, what is returned refuses every request with that reason.
    """
    client: ImageClient
    try:
        client = KINDS[settings.images_provider](settings)
    except ProviderNotConfiguredError as error:
        client = Unusable(settings.images_provider, settings.images_model, error)
    return ReliableImages(
        client,
        attempts=settings.images_attempts,
        timeout=settings.images_timeout,
        time_limit=settings.images_time_limit,
    )
