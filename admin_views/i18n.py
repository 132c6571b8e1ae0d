"""The language and time zone of a page: the person's own, else their browser's."""

from typing import Any

from flask import Flask, g, has_request_context, request
from flask_babel import Babel, get_translations

from admin_views.session import current_person
from studio.settings import ROOT

LOCALES = {"en": "English", "zh_Hans": "简体中文"}
"""What the studio speaks, each in its own words."""

COOKIE = "locale"


def init_i18n(app: Flask) -> None:
    """Have every text and number follow the reader."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(ROOT / "studio" / "translations")
    app.config["BABEL_DEFAULT_LOCALE"] = "en"
    Babel(app, locale_selector=chosen_locale, timezone_selector=chosen_timezone)
    # A page has some hundred texts; Flask-Babel would look for the catalogue of each.
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=lambda text: _catalogue().ugettext(text),
        ngettext=lambda one, many, count: _catalogue().ungettext(one, many, count),
        pgettext=lambda context, text: _catalogue().upgettext(context, text),
        npgettext=lambda context, one, many, count: _catalogue().unpgettext(context, one, many, count),
        newstyle=True,
    )


def _catalogue() -> Any:
    if "catalogue" not in g:
        g.catalogue = get_translations()
    return g.catalogue


def chosen_locale() -> str:
    """The reader's language: from the account, a former choice, or the browser's wishes."""
    if not has_request_context():
        return "en"
    person = current_person()
    if person is not None and person.locale in LOCALES:
        return person.locale
    if request.cookies.get(COOKIE) in LOCALES:
        return request.cookies[COOKIE]
    for wish, _weight in request.accept_languages:
        language = wish.replace("_", "-").split("-")[0].lower()
        if language == "zh":
            return "zh_Hans"
        if language == "en":
            return "en"
    return "en"


def chosen_timezone() -> str:
    """The reader's time zone, UTC for who is not signed in."""
    person = current_person()
    return person.timezone if person is not None else "UTC"


def html_lang() -> str:
    """The `lang` of the page."""
    if "html_lang" not in g:
        g.html_lang = "zh-Hans" if chosen_locale() == "zh_Hans" else "en"
    lang: str = g.html_lang
    return lang
