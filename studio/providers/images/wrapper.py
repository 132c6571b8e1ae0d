"""What every picture provider gets: retries where a request was turned away, limits, and a look at what came."""

import random
import time
from collections.abc import Callable, Sequence

from studio.providers.breaker import Breaker
from studio.providers.errors import ProviderBrokenError, ProviderBusyError, ProviderError, ProviderRestsError
from studio.providers.images import refusals
from studio.providers.images.protocol import ImageClient, Made, Picture, PictureRequest, Watch

FIRST_BACKOFF = 1.0
"""Seconds: the ceiling of the first wait; each further one doubles it."""

LONGEST_WAIT = 60.0
"""Seconds that are waited between attempts at most. A server that asks for longer is left."""

_LOOK = 0.25
_random = random.SystemRandom()


def _full_jitter(ceiling: float) -> float:
    """Return a wait anywhere up to the ceiling, so that those who failed together do not come back together."""
    return _random.uniform(0.0, ceiling)


class ReliableImages:
    """An ImageProvider around a client.

    A request that was turned away (429, 5xx, nobody there) is made again; one that broke off or fell silent is not,
    since it may have been drawn and paid for. `attempts` counts the first one; `sleep`, `jitter` and `clock` are given by tests
    only.
    """

    def __init__(
        self,
        client: ImageClient,
        *,
        attempts: int = 3,
        timeout: float = 120.0,
        time_limit: float = 900.0,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[float], float] = _full_jitter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._attempts = attempts
        self._timeout = timeout
        self._time_limit = time_limit
        self._sleep = sleep
        self._jitter = jitter
        self._breaker = Breaker(f"images:{client.name}", label=client.label, clock=clock)

    @property
    def name(self) -> str:
        """The kind, as in `STUDIO_IMAGES_PROVIDER`."""
        return self._client.name

    @property
    def model(self) -> str:
        """The model or checkpoint; empty where it is the server's own choice."""
        return self._client.model

    @property
    def label(self) -> str:
        """What a screen calls this provider."""
        return self._client.label

    @property
    def is_local(self) -> bool:
        """Whether it only draws placeholders on this machine."""
        return self._client.is_local

    @property
    def ignores(self) -> frozenset[str]:
        """Those of OPTIONS that it does not use."""
        return self._client.ignores

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """The sizes that it makes; empty where any will do."""
        return self._client.sizes

    @property
    def most_pictures(self) -> int:
        """How many pictures one request may ask for."""
        return self._client.most_pictures

    @property
    def tells_progress(self) -> bool:
        """Whether it says how far it is."""
        return self._client.tells_progress

    def make(self, request: PictureRequest, *, watch: Watch) -> Made:
        """Return pictures, at most as many as asked for; see the Protocol."""
        attempt = 0
        while True:
            attempt += 1
            try:
                with self._breaker.guarding():
                    made = self._client.make(request, timeout=self._timeout, time_limit=self._time_limit, watch=watch)
            except ProviderError as error:
                seconds = self._wait_before(attempt, error)
                if seconds is None:
                    raise
                self._pause(seconds, watch)
            else:
                return _bounded(made, request)

    def close(self) -> None:
        """Let connections go; the provider may be used again and then opens new ones."""
        self._client.close()

    def _pause(self, seconds: float, watch: Watch) -> None:
        left = seconds
        while left > 0:
            watch("The provider asks to wait", None)
            self._sleep(min(_LOOK, left))
            left -= _LOOK

    def _wait_before(self, attempt: int, error: ProviderError) -> float | None:
        """Return the seconds to wait after this many failed attempts, or None where the error stands."""
        if attempt >= self._attempts or not isinstance(error, ProviderBusyError):
            return None
        if isinstance(error, ProviderRestsError):
            return None
        if error.http_status is None and not isinstance(error, refusals.UnreachableError):
            return None
        asked = error.retry_after
        if asked is not None and asked > LONGEST_WAIT:
            return None
        # What the server asks for is a floor; the jitter goes on top, or all who were told the same come back at once.
        return (asked or 0.0) + self._jitter(min(FIRST_BACKOFF * 2 ** (attempt - 1), LONGEST_WAIT))


def _bounded(made: Made, request: PictureRequest) -> Made:
    pictures: list[Picture] = [one for one in made.pictures if one.data][: request.count]
    if not pictures:
        raise ProviderBrokenError("The picture server answered without a picture. Try again, or put it differently.")
    return Made(
        pictures=pictures,
        revised_prompt=made.revised_prompt[:8_000],
        request_id=made.request_id,
        cost_micro=made.cost_micro,
        notes=made.notes,
    )
