"""No language model: the honest stand-in, which writes nothing and says why."""

from collections.abc import Iterator, Sequence

from studio.providers.errors import NoModelError, ProviderError
from studio.providers.language.protocol import Cancel, Event, Message
from studio.settings import Settings


class NoModel:
    """What answers where no model is set, or where its settings cannot be right: with that reason."""

    name = "none"
    model = ""
    is_configured = False
    label = "no model is configured"

    def __init__(self, reason: ProviderError | None = None) -> None:
        self.reason = reason

    def stream(
        self,
        messages: Sequence[Message],
        *,
        model: str,
        max_output: int,
        timeout: float,
        time_limit: float,
        cancel: Cancel,
    ) -> Iterator[Event]:
        """Raise NoModelError, or the reason why the settings cannot be right; nothing is sent anywhere."""
        del messages, model, max_output, timeout, time_limit, cancel
        if self.reason is not None:
            raise self.reason.afresh()
        raise NoModelError(
            "No language model is configured, so nothing can be written by one. Ask whoever runs this studio to set one up."
        )

    def close(self) -> None:
        """Nothing is held open."""


def from_settings(_settings: Settings) -> NoModel:
    """Return the stand-in, which has nothing to set."""
    return NoModel()
