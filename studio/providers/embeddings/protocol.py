"""What an embedding provider is to those who call it, and what a kind of provider must bring."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]
"""One row for each text, `dimensions` columns."""

Spend: TypeAlias = Callable[[int, int], None]
"""Told (texts, estimated tokens) before a batch goes out, in the caller's thread; raising keeps the batch at home."""

Progress: TypeAlias = Callable[[int, int], None]
"""Told (texts done, texts in all) after each batch, in the caller's thread; raising stops the work."""


class Described(Protocol):
    """What screens and stored rows say about where a vector came from."""

    @property
    def name(self) -> str:
        """The kind, as in `STUDIO_EMBEDDINGS_PROVIDER`."""

    @property
    def model(self) -> str:
        """The model's name; vectors of two models must never be compared."""

    @property
    def dimensions(self) -> int:
        """The length of every vector."""

    @property
    def is_local(self) -> bool:
        """Whether the texts stay on this machine."""

    @property
    def label(self) -> str:
        """What a screen calls this provider."""

    @property
    def max_input_tokens(self) -> int:
        """The length, in estimated tokens, at which a text is cut."""


class EmbeddingClient(Described, Protocol):
    """A kind of provider: makes one request as told; the wrapper does all the rest.

    A new kind implements this, gets a line in `embeddings.KINDS`, and is then
    held by the contract test.
    """

    @property
    def max_batch_inputs(self) -> int:
        """The most texts in one request."""

    @property
    def max_batch_tokens(self) -> int:
        """The most estimated tokens in one request."""

    def request(self, texts: Sequence[str], *, timeout: float) -> Vectors:
        """Return one row for each text, in order, within about `timeout` seconds; raise ProviderError otherwise."""

    def close(self) -> None:
        """Let connections go; a later request opens new ones."""


class EmbeddingProvider(Described, Protocol):
    """Turns texts into vectors, with batches, retries, limits and checks taken care of."""

    def embed(
        self,
        texts: Sequence[str],
        *,
        on_batch: Progress | None = None,
        spend: Spend | None = None,
        time_limit: float | None = None,
    ) -> Vectors:
        """Return an L2-normalised (len(texts), dimensions) array in the order of the texts.

        Nothing goes out where any text is empty (EmptyTextError). Raises
        ProviderError when the provider fails for good, or when `time_limit`
        seconds have passed.
        """

    def embed_batches(
        self, texts: Sequence[str], *, spend: Spend | None = None, time_limit: float | None = None
    ) -> Iterator[tuple[range, Vectors]]:
        """Yield (positions in `texts`, their vectors) as each batch arrives, in order of arrival.

        What has been yielded can be stored at once, so a crash pays for
        nothing twice. When a batch fails for good, those under way are still
        awaited and yielded; only then is the error raised. Close the iterator
        (or let it end) to stop: no request is left behind.
        """

    def close(self) -> None:
        """Let connections go; the provider may be used again and then opens new ones."""
