"""What the provider tests share: a server, and a wrapper whose time is told instead of spent."""

import threading
from collections.abc import Callable, Iterator

import pytest

from studio.providers.embeddings.openai_compatible import OpenAICompatibleEmbeddings
from studio.providers.embeddings.wrapper import ReliableEmbeddings
from tests.fakes.openai_server import OpenAIServer

DIMENSIONS = 8


class Pauses:
    """Stands for the wrapper's clock: a pause takes no time, but the clock moves on, and all of them are on record."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.now = 1000.0

    def pause(self, stop: threading.Event, seconds: float) -> None:
        self.seconds.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(dimensions=DIMENSIONS) as running:
        yield running


Making = Callable[..., ReliableEmbeddings]


@pytest.fixture
def provider_at(pauses: Pauses) -> Iterator[Making]:
    """Return a maker of wrapped clients: `provider_at(server.url, attempts=3)`."""
    made: list[ReliableEmbeddings] = []

    def make(
        url: str, *, dimensions: int = DIMENSIONS, key: str = "sk-secret", **settings: object
    ) -> ReliableEmbeddings:
        client = OpenAICompatibleEmbeddings(base_url=url, key=key, model="fake-model", dimensions=dimensions)
        options = {"pause": pauses.pause, "clock": pauses.clock, "jitter": lambda ceiling: ceiling, "timeout": 10.0}
        made.append(ReliableEmbeddings(client, **{**options, **settings}))
        return made[-1]

    yield make
    for provider in made:
        provider.close()


@pytest.fixture
def provider(provider_at: Making, server: OpenAIServer) -> ReliableEmbeddings:
    return provider_at(server.url)
