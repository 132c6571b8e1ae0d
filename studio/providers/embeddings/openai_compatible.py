"""Embeddings from any server that speaks OpenAI's protocol, through the official SDK."""

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from studio.kit.clock import utc_now
from studio.providers import credentials
from studio.providers.embeddings.answers import vectors_from
from studio.providers.embeddings.protocol import Vectors
from studio.providers.embeddings.refusals import DimensionsRefusedError, error_from_response
from studio.providers.errors import (
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderNotConfiguredError,
)
from studio.providers.openai_client import ProcessClient
from studio.settings import Settings

OPENAI_URL = "https://api.openai.com/v1"
# The longest way to write a float32 as JSON, with its comma, has some room in this; so has what stands around a vector.
_BYTES_PER_NUMBER = 32
_BYTES_PER_ITEM = 1024
_BYTES_AROUND = 65_536


class OpenAICompatibleEmbeddings:
    """A server's embeddings; one instance may be used from many threads and survives a fork.

    The limits are OpenAI's: 2,048 texts and 300,000 tokens a request, 8,192
    tokens a text. A server that takes less says so, and the wrapper adapts.
    """

    name = "openai"
    is_local = False
    max_input_tokens = 8192
    max_batch_inputs = 2048
    max_batch_tokens = 300_000

    def __init__(self, *, base_url: str, key: str, model: str, dimensions: int) -> None:
        self.model = model
        self.dimensions = dimensions
        self._base_url = base_url
        self._asks_for_dimensions = True
        self._sdk = ProcessClient(base_url=base_url, key=key)

    @property
    def label(self) -> str:
        """The model and the host that it is asked of, for a screen."""
        return f"{self.model}, at {urlsplit(self._base_url).hostname}"

    def request(self, texts: Sequence[str], *, timeout: float) -> Vectors:
        """Return the server's vectors in the order of the texts.

        `timeout` holds for the whole exchange, so a server that answers in
        drops is left too; the worst case is one silence of that length more.
        Raises ProviderBusyError, ProviderRefusedError or ProviderBrokenError.
        """
        answer = self._ask(texts, timeout=timeout, with_dimensions=self._asks_for_dimensions)
        if isinstance(answer, DimensionsRefusedError) and self._asks_for_dimensions:
            # A model without shortened vectors refuses the parameter itself. Its own length may well be the one that
            # is set, and the check of the answer knows.
            self._asks_for_dimensions = False
            answer = self._ask(texts, timeout=timeout, with_dimensions=False)
        if isinstance(answer, ProviderError):
            raise answer
        return vectors_from(answer, count=len(texts), dimensions=self.dimensions)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._sdk.close()

    def _ask(self, texts: Sequence[str], *, timeout: float, with_dimensions: bool) -> bytes | ProviderError:
        """Return the body of a good answer, or what went wrong.

        Errors are returned here and raised by the caller: raised inside an
        `except`, they would keep the SDK's error, and with it the request and
        what the server quoted of it, for whoever logs the chain.
        """
        import httpx2
        import openai

        ends = time.monotonic() + timeout
        enough = len(texts) * (self.dimensions * _BYTES_PER_NUMBER + _BYTES_PER_ITEM) + _BYTES_AROUND
        body = bytearray()
        try:
            with self._sdk.get().embeddings.with_streaming_response.create(
                input=list(texts),
                model=self.model,
                dimensions=self.dimensions if with_dimensions else openai.omit,
                encoding_format="base64",
                timeout=timeout,
            ) as response:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > enough:
                        return ProviderBrokenError("The embeddings server answered far more than was asked for.")
                    if time.monotonic() > ends:
                        return _too_slow()
        except (openai.OpenAIError, httpx2.RequestError) as error:
            return _meaning(error, inputs=len(texts))
        return bytes(body)


def _meaning(error: Exception, *, inputs: int) -> ProviderError:
    """Return what the SDK's error, or the connection's while the answer was being read, amounts to."""
    import httpx2
    import openai

    match error:
        case openai.APIStatusError():
            return error_from_response(
                status=error.status_code,
                headers=error.response.headers,
                body=error.response.text,
                inputs=inputs,
                now=utc_now(),
            )
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return _too_slow()
        case openai.APIConnectionError():
            return ProviderBusyError("The embeddings server cannot be reached. It will be asked again.")
        case httpx2.RequestError():
            return ProviderBrokenError(
                "The embeddings server broke off in the middle of its answer.", is_transient=True
            )
    return ProviderBrokenError("The embeddings server's answer is not one of OpenAI's protocol.")


def from_settings(settings: Settings) -> OpenAICompatibleEmbeddings:
    """Return the client of the server that is set, OpenAI's own where only a key is; raises ProviderNotConfiguredError."""
    key = (
        credentials.checked_key(settings.embeddings_key.get_secret_value(), "STUDIO_EMBEDDINGS_KEY")
        if settings.embeddings_key
        else ""
    )
    url = (settings.embeddings_url or "").strip()
    if not key and not url:
        raise ProviderNotConfiguredError(
            "Embeddings from a server need STUDIO_EMBEDDINGS_KEY, or STUDIO_EMBEDDINGS_URL for a server without keys. "
            "Set one of them, or STUDIO_EMBEDDINGS_PROVIDER=local."
        )
    if url:
        url = credentials.checked_url(url, "STUDIO_EMBEDDINGS_URL")
    return OpenAICompatibleEmbeddings(
        base_url=url or OPENAI_URL,
        # Never empty: the SDK would then send whatever key its own environment variable holds to this server.
        key=key or "none",
        model=settings.embeddings_model,
        dimensions=settings.embeddings_dimensions,
    )


def _too_slow() -> ProviderBusyError:
    return ProviderBusyError("The embeddings server took too long to answer. It will be asked again.")
