"""No moderation model: the honest stand-in, which weighs nothing and says why."""

from collections.abc import Sequence

from studio.providers.errors import ProviderError, ProviderNotConfiguredError
from studio.providers.moderation.protocol import Weighed
from studio.settings import Settings


class NoModeration:
    """What answers where no model is set, or where its settings cannot be right: with that reason."""

    name = "none"
    label = ""
    max_characters = 10_000
    max_inputs = 32
    max_picture_bytes = 20_000_000

    def __init__(self, reason: ProviderError | None = None) -> None:
        self.reason = reason

    @property
    def is_configured(self) -> bool:
        """Whether somebody wanted a model here: what they set wrongly has to come to light."""
        return self.reason is not None

    def request(self, texts: Sequence[str], *, timeout: float) -> list[Weighed]:
        """Raise ProviderNotConfiguredError; nothing is sent anywhere."""
        del texts, timeout
        raise self._refusal()

    def request_picture(self, data: bytes, *, media_type: str, timeout: float) -> Weighed:
        """Raise ProviderNotConfiguredError; nothing is sent anywhere."""
        del data, media_type, timeout
        raise self._refusal()

    def close(self) -> None:
        """Nothing is held open."""

    def _refusal(self) -> ProviderError:
        if self.reason is not None:
            return self.reason.afresh()
        return ProviderNotConfiguredError("No moderation model is configured.")


def from_settings(_settings: Settings) -> NoModeration:
    """Return the stand-in, which has nothing to set."""
    return NoModeration()
