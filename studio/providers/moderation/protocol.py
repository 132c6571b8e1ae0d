"""What a moderation provider is to those who call it, and what a kind of provider must bring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the model says of one text or picture: a score from 0 to 1 for each of its categories ("sexual/minors")."""

    is_flagged: bool
    scores: Mapping[str, float]


class Described(Protocol):
    """What screens and stored rows say about who weighed something."""

    @property
    def name(self) -> str:
        """The kind, as in `STUDIO_MODERATION_PROVIDER`."""

    @property
    def is_configured(self) -> bool:
        """Whether there is a model to ask, or there should be one and its settings are wrong."""

    @property
    def label(self) -> str:
        """The model and where it is, for a screen; empty where there is none."""

    @property
    def max_characters(self) -> int:
        """The longest text that is sent; who has more cuts it into pieces."""

    @property
    def max_picture_bytes(self) -> int:
        """The largest picture that is sent."""


class ModerationClient(Described, Protocol):
    """A kind of provider: makes one request as told; the wrapper does all the rest.

    A new kind implements this, gets a line in `moderation.KINDS`, and is then held by the contract test.
    """

    @property
    def max_inputs(self) -> int:
        """The most texts in one request."""

    def request(self, texts: Sequence[str], *, timeout: float) -> list[Weighed]:
        """Return one answer for each text, in order, within about `timeout` seconds; raise ProviderError otherwise."""

    def request_picture(self, data: bytes, *, media_type: str, timeout: float) -> Weighed:
        """Return the answer for a picture within about `timeout` seconds; raise ProviderError otherwise."""

    def close(self) -> None:
        """Let connections go; a later request opens new ones."""


class ModerationProvider(Described, Protocol):
    """Weighs texts and pictures, with requests of a bounded size, retries and a time limit taken care of."""

    def weigh(self, texts: Sequence[str], *, time_limit: float) -> list[Weighed]:
        """Return one answer for each text, in order.

        Raises ProviderError when the provider fails for good, or when `time_limit` seconds have passed.
        """

    def weigh_picture(self, data: bytes, *, media_type: str, time_limit: float) -> Weighed:
        """Return the answer for a picture; raises as `weigh` does."""

    def close(self) -> None:
        """Let connections go; the provider may be used again and then opens new ones."""
