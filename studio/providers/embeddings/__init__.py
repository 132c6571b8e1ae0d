"""Embeddings: texts turned into vectors by a model on this machine or by any OpenAI-compatible server."""

from collections.abc import Callable, Mapping

from studio.providers.embeddings import local, openai_compatible
from studio.providers.embeddings.protocol import EmbeddingClient, EmbeddingProvider, Vectors
from studio.providers.embeddings.texts import text_hash
from studio.providers.embeddings.wrapper import ReliableEmbeddings
from studio.settings import Settings

__all__ = ["KINDS", "EmbeddingProvider", "Vectors", "from_settings", "text_hash"]

KINDS: Mapping[str, Callable[[Settings], EmbeddingClient]] = {
    "local": local.from_settings,
    "openai": openai_compatible.from_settings,
}
"""Every kind of embedding provider, by its name in `STUDIO_EMBEDDINGS_PROVIDER`."""


def from_settings(settings: Settings) -> EmbeddingProvider:
    """Return the provider that the settings name, ready to use; nothing is loaded or connected yet.

    Keep what is returned for as long as the process lives. Raises
    ProviderNotConfiguredError where a setting is missing or cannot be right.
    """
    client = KINDS[settings.embeddings_provider](settings)
    return ReliableEmbeddings(
        client,
        attempts=settings.embeddings_attempts,
        timeout=settings.embeddings_timeout,
        parallel=1 if client.is_local else settings.embeddings_parallel,
    )
