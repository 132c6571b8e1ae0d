"""What staff read of providers that cost money, have no price in the settings, and count in budgets all the same."""

from decimal import Decimal

from flask_babel import gettext as _

from admin_views.resources import Resources
from admin_views.work.labels import micro_label
from studio.providers import language, speech
from studio.providers.images import price_of
from studio.providers.speech import abilities


def unpriced_sentences(rooms: Resources) -> tuple[str, ...]:
    """What counts in budgets though the settings have no price for it: a sentence for pictures, speech and language each."""
    settings, told = rooms.settings, []

    def money(amount: Decimal) -> str:
        return micro_label(int(amount * 1_000_000), settings.language_currency)

    if price_of(settings, provider=rooms.images).is_assumed:
        told.append(
            _(
                "A picture of this model counts as %(price)s (STUDIO_IMAGES_UNPRICED), since STUDIO_IMAGES_PRICES does not name it.",
                price=money(settings.images_unpriced),
            )
        )
    spoken = speech.prices_from(settings)
    names = [
        one.label
        for name, one in rooms.speech.items()
        if one.is_configured
        and any(spoken.is_assumed(name, model, is_local=one.is_local) for model in (abilities.models_of(name) or ("",)))
    ]
    if names:
        told.append(
            _(
                "A million characters of %(names)s count as %(price)s (STUDIO_SPEECH_UNPRICED) where STUDIO_SPEECH_PRICES does not name the model.",
                names=", ".join(names),
                price=money(settings.speech_unpriced),
            )
        )
    written = language.prices_from(settings)
    models = [name for name in rooms.language.models if written.is_assumed(name)]
    if models:
        told.append(
            _(
                "In jobs, a million tokens of %(names)s count as %(price)s (STUDIO_LANGUAGE_UNPRICED), since STUDIO_LANGUAGE_PRICES does not name the model.",
                names=", ".join(models),
                price=money(settings.language_unpriced),
            )
        )
    return tuple(str(one) for one in told)
