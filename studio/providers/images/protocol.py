"""What a maker of pictures is to those who call it, and what a kind of provider must bring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

Watch: TypeAlias = Callable[[str, float | None], None]
"""Told, at least twice a second, what is being done (a short English sentence) and how many per cent of it (None where
the provider does not say). What it raises ends the request at the provider too, and goes on to the caller."""

OPTIONS = ("negative_prompt", "steps", "guidance", "seed")
"""What some providers know and others ignore."""

MOST_PIXELS = 16_000_000


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """What is asked for; sizes in pixels, None where the provider's own is taken. A seed gives the first picture's."""

    prompt: str
    width: int = 1024
    height: int = 1024
    negative_prompt: str = ""
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    count: int = 1
    # For the local stand-in, which draws a name on the character's colour.
    name: str = ""
    hue: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """The bytes of one picture as they came, and the seed that makes it again (None where there are no seeds)."""

    data: bytes
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a request."""

    pictures: Sequence[Picture]
    # What the provider made of the prompt, where it says so.
    revised_prompt: str = ""
    request_id: str | None = None
    # In millionths of the currency that the provider names, where it tells.
    cost_micro: int | None = None
    # The size that was made, where it is another than the one asked for.
    notes: Sequence[str] = field(default=())


class Described(Protocol):
    """What screens and stored rows say about who makes pictures."""

    @property
    def name(self) -> str:
        """The kind, as in `STUDIO_IMAGES_PROVIDER`."""

    @property
    def model(self) -> str:
        """The model or checkpoint; empty where it is the server's own choice."""

    @property
    def label(self) -> str:
        """What a screen calls this provider."""

    @property
    def is_local(self) -> bool:
        """Whether it only draws placeholders on this machine."""

    @property
    def ignores(self) -> frozenset[str]:
        """Those of OPTIONS that it does not use."""

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """The sizes that it makes; empty where any will do."""

    @property
    def most_pictures(self) -> int:
        """How many pictures one request may ask for."""

    @property
    def tells_progress(self) -> bool:
        """Whether it says how far it is."""


class ImageClient(Described, Protocol):
    """A kind of provider: makes one request as told; the wrapper does all the rest.

    A new kind implements this, gets a line in `images.KINDS`, and is then held by the contract test.
    """

    def make(self, request: PictureRequest, *, timeout: float, time_limit: float, watch: Watch) -> Made:
        """Return the pictures; raise ProviderError otherwise.

        `timeout` is the longest silence and `time_limit` the longest request, in seconds. Where `watch` raises, the
        work is stopped at the provider and the error goes on.
        """

    def close(self) -> None:
        """Let connections go; a later request opens new ones."""


class ImageProvider(Described, Protocol):
    """Makes pictures, with retries, limits and checks taken care of."""

    def make(self, request: PictureRequest, *, watch: Watch) -> Made:
        """Return pictures that are pictures, at most as many as asked for. Raises ProviderError or what `watch` raises."""

    def close(self) -> None:
        """Let connections go; the provider may be used again and then opens new ones."""
