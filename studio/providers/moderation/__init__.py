"""Moderation: texts and pictures weighed by a model for what a person should look at, or by none, said honestly."""

from collections.abc import Callable, Mapping

from studio.providers import language
from studio.providers.errors import ProviderNotConfiguredError
from studio.providers.language import LanguageProvider
from studio.providers.moderation import none, openai_moderation
from studio.providers.moderation.protocol import ModerationClient, ModerationProvider, Weighed
from studio.providers.moderation.wrapper import ReliableModeration
from studio.settings import Settings

__all__ = ["KINDS", "ModerationProvider", "Weighed", "from_settings", "judge_from_settings"]

KINDS: Mapping[str, Callable[[Settings], ModerationClient]] = {
    "none": none.from_settings,
    "openai": openai_moderation.from_settings,
}
"""Every kind of moderation provider, by its name in `STUDIO_MODERATION_PROVIDER`."""


def from_settings(settings: Settings) -> ModerationProvider:
    """Return the provider that the settings name, ready to use; nothing is connected yet, and nothing raised.

    Where a setting cannot be right, what is returned refuses every request with that reason: listings then
    reach the desk with a mark that no model saw them. Keep what is returned for as long as the process lives.
    """
    client: ModerationClient
    try:
        client = KINDS[settings.moderation_provider](settings)
    except ProviderNotConfiguredError as error:
        client = none.NoModeration(error)
    return ReliableModeration(client, attempts=settings.moderation_attempts, timeout=settings.moderation_timeout)


def judge_from_settings(settings: Settings) -> LanguageProvider | None:
    """Return the language model that judges listings, or None where none is to."""
    if settings.judge_provider == "none":
        return None
    if settings.judge_provider == "language":
        return language.from_settings(settings)
    own = {
        "language_provider": "openai",
        "language_url": settings.judge_url,
        "language_key": settings.judge_key,
        "language_model": settings.judge_model,
        "language_models": "",
    }
    return language.from_settings(settings.model_copy(update=own))
