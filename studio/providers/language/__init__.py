"""Language models: answers streamed from any OpenAI-compatible server, or none, said honestly."""

from collections.abc import Callable, Mapping

from studio.providers import own_server
from studio.providers.errors import ProviderNotConfiguredError
from studio.providers.language import none, openai_compatible
from studio.providers.language.prices import Prices
from studio.providers.language.protocol import (
    Cancel,
    Delta,
    Finish,
    LanguageClient,
    LanguageProvider,
    Message,
    Usage,
)
from studio.providers.language.wrapper import ReliableLanguage
from studio.settings import Settings

__all__ = [
    "KINDS",
    "Cancel",
    "Delta",
    "Finish",
    "LanguageProvider",
    "Message",
    "Prices",
    "Usage",
    "from_settings",
    "prices_from",
]

KINDS: Mapping[str, Callable[[Settings], LanguageClient]] = {
    "none": none.from_settings,
    "openai": openai_compatible.from_settings,
}
"""Every kind of language provider, by its name in `STUDIO_LANGUAGE_PROVIDER`."""


def from_settings(settings: Settings) -> LanguageProvider:
    """Return the provider that the settings name, ready to use; nothing is connected yet, and nothing raised.

    Where a setting cannot be right, what is returned refuses every request with that reason: a studio
    whose characters cannot chat is still a studio. Keep what is returned for as long as the process lives.
    """
    client: LanguageClient
    try:
        client = KINDS[settings.language_provider](settings)
    except ProviderNotConfiguredError as error:
        client = none.NoModel(error)
    return ReliableLanguage(
        client,
        models=settings.further_language_models if client.is_configured else (),
        attempts=settings.language_attempts,
        timeout=settings.language_timeout,
        time_limit=settings.language_time_limit,
        max_output=settings.language_max_output,
    )


def prices_from(settings: Settings) -> Prices:
    """Return what the settings say that models cost."""
    # On a server of the studio's own an answer takes no money.
    is_own = own_server.is_own(settings.language_url or "")
    return Prices(
        settings.language_prices, settings.language_currency, assumed=None if is_own else settings.language_unpriced
    )
