"""What stands in the place of a provider that has no key, or whose settings cannot be right: it says so."""

from collections.abc import Sequence
from typing import NoReturn

from studio.providers.errors import ProviderError
from studio.providers.speech.protocol import Alive, Spoken, Voice, Wanted


class NotConfigured:
    """A provider that nobody has set up; nothing is sent anywhere."""

    is_local = False
    is_configured = False

    def __init__(self, name: str, label: str, reason: ProviderError) -> None:
        self.name = name
        self.label = label
        self._reason = reason

    @property
    def reason(self) -> ProviderError:
        """What is to be done."""
        return self._reason.afresh()

    @property
    def missing(self) -> str:
        """What is to be done, as a sentence."""
        return str(self._reason)

    def speak(self, wanted: Wanted, *, timeout: float, time_limit: float, alive: Alive) -> Spoken:
        """Raise ProviderNotConfiguredError."""
        del wanted, timeout, time_limit, alive
        self._refuse()

    def voices(self, *, timeout: float, time_limit: float, alive: Alive) -> Sequence[Voice]:
        """Raise ProviderNotConfiguredError."""
        del timeout, time_limit, alive
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise self.reason
