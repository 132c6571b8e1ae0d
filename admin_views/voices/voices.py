"""Voices of a character: one for each language, chosen from a provider's list, tuned and listened to."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from flask import flash, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from admin_views import listing
from admin_views.access import is_fragment
from admin_views.base import Permission, StudioView, expose
from admin_views.forms import attach_errors, sent_version, sentence
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.voices import labels as voice_labels
from admin_views.voices.forms import (
    VoiceForm,
    can_of,
    chosen_voice,
    draft_from,
    fill_choices,
    leave_missing_voice,
    show,
    sliders,
    usual_language,
    voice_label,
)
from admin_views.voices.labels import models_of, successor_of, successors
from studio.authoring import queries as authoring
from studio.authoring.models import Character
from studio.kit.clock import utc_now
from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError, StudioError
from studio.providers.speech import KINDS, SpeechProvider, Voice, abilities
from studio.providers.speech.abilities import Abilities
from studio.voices import configurations, lists, queries, rules, speaking
from studio.voices.errors import NoProviderError
from studio.voices.models import VoiceConfiguration, VoiceList
from studio.voices.rules import VoiceDraft
from studio.voices.speaking import Terms

_P = Permission
_READ = (_P.CHARACTER_READ_OWN, _P.CHARACTER_READ_ANY)
_WRITE = (_P.CHARACTER_WRITE_OWN, _P.STORY_WRITE)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [VoicesView(resources, name=_l("Voices"), endpoint="voices")]


def terms_of(shared: Resources) -> Terms:
    """On what terms people have texts spoken, by the settings."""
    return speaking.terms_from(shared.settings, shared.speech)


class VoicesView(StudioView):
    """A character's voices."""

    permissions: ClassVar[dict[str, Any]] = {
        "index": _READ,
        "page": _READ,
        "create": _WRITE,
        "edit": _WRITE,
        "activate": _WRITE,
        "change_model": _WRITE,
        "change_models": _WRITE,
        "delete": _WRITE,
        "listen": _P.SPEECH_MAKE,
        "hear": _P.SPEECH_MAKE,
        "list_voices": _READ,
    }
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The voices by models that close, of all characters; all others are met with their characters."""
        closing, actor = successors(), current_actor()
        if not closing:
            return redirect(url_for("characters.index_view"))
        state = listing.ListState(
            after=request.args.get("after"),
            before=request.args.get("before"),
            exact_count=request.args.get("count") == "exact",
        )
        page = listing.fetch_page(
            self.session,
            lambda: queries.of_models(actor, closing.keys()),
            keys=queries.OF_MODELS,
            state=state,
            size=rules.CLOSING_PAGE,
            columns=(VoiceConfiguration, Character.name, VoiceConfiguration.id),
            asked=listing.Asked(),
            key=(),
        )
        if not page.rows:
            # The last of a later page were changed a moment ago.
            return redirect(url_for("characters.index_view" if not page.count else ".index"))
        rows = [(row[0], row[1]) for row in page.rows]
        return self.render(
            "voices/closing.html",
            rows=rows,
            page=page,
            address=lambda **place: url_for(".index", **place),
            is_all=page.after is None and page.before is None,
            can_change={
                row.id
                for row, _name in rows
                if rules.has_voice(row.provider, model=closing[row.provider, row.model], voice_id=row.voice_id)
            },
            **voice_labels.helpers(),
        )

    @expose("/change-models", methods=("POST",))
    def change_models(self) -> ResponseReturnValue:
        """All voices by models that close speak by what is named in their place, where it has them."""
        closing = successors()
        count = (
            configurations.change_models(self.session, actor=current_actor(), successors=closing, now=utc_now())
            if closing
            else 0
        )
        flash(
            ngettext(
                "%(num)d voice speaks by its new model now.", "%(num)d voices speak by their new model now.", count
            ),
            "success" if count else "info",
        )
        return redirect(url_for(".index"), 303)

    @expose("/<uuid:character_id>")
    def page(self, character_id: UUID) -> ResponseReturnValue:
        """The character's voices by language, and what the present person had it say."""
        actor, session = current_actor(), self.session
        character = authoring.get_draft(session, actor=actor, character_id=character_id)
        rows = queries.list_configurations(session, character_id=character.id)
        return self.render(
            "voices/page.html",
            character=character,
            rows=rows,
            groups=_by_language(rows),
            may_write=authoring.may_write(actor, character),
            speech=queries.list_speech(session, actor=actor, character_id=character.id),
            known=self.resources.speech,
            summaries={
                row.id: voice_labels.summary(row, configurations.draft_of(row).can)
                for row in rows
                if row.provider in KINDS
            },
            **voice_labels.helpers(),
        )

    @expose("/<uuid:character_id>/new", methods=("GET", "POST"))
    def create(self, character_id: UUID) -> ResponseReturnValue:
        """One more voice; another provider or voice shows the form anew, with what that one uses."""
        actor = current_actor()
        character = authoring.get_draft(self.session, actor=actor, character_id=character_id)
        if not authoring.may_write(actor, character):
            raise NotFoundError
        form = VoiceForm()
        if request.method == "GET":
            self._begin(form, character)
        elif request.form.get("do") == "save":
            return self._save(
                form,
                character,
                None,
                lambda draft, models: configurations.create(
                    self.session,
                    actor=actor,
                    character_id=character.id,
                    draft=draft,
                    models=models,
                    is_active=bool(form.is_active.data),
                    now=utc_now(),
                ),
            )
        return self._form(form, character, None)

    @expose("/configurations/<uuid:configuration_id>", methods=("GET", "POST"))
    def edit(self, configuration_id: UUID) -> ResponseReturnValue:
        """Change a voice."""
        actor = current_actor()
        row = queries.get_configuration(self.session, actor=actor, configuration_id=configuration_id)
        character = authoring.get_draft(self.session, actor=actor, character_id=row.character_id)
        if not authoring.may_write(actor, character):
            raise NotFoundError
        form = VoiceForm()
        if request.method == "GET":
            show(form, configurations.draft_of(row))
            form.is_active.data = row.is_active
            form.text.data = rules.sample_for(row.language)
            if request.args.get("model", "") in models_of(row.provider, self.resources.settings):
                form.model.data = request.args["model"]
        elif request.form.get("do") == "save":
            return self._save(
                form,
                character,
                row,
                lambda draft, models: configurations.update(
                    self.session,
                    actor=actor,
                    configuration_id=row.id,
                    row_version=sent_version(),
                    draft=draft,
                    models=models,
                    is_active=bool(form.is_active.data),
                    now=utc_now(),
                ),
            )
        return self._form(form, character, row)

    @expose("/configurations/<uuid:configuration_id>/activate", methods=("POST",))
    def activate(self, configuration_id: UUID) -> ResponseReturnValue:
        """The character speaks the language with this voice from now on."""
        row = configurations.activate(
            self.session, actor=current_actor(), configuration_id=configuration_id, now=utc_now()
        )
        flash(_("The character speaks %(language)s with this voice now.", language=row.language), "success")
        return redirect(url_for(".page", character_id=row.character_id), 303)

    @expose("/configurations/<uuid:configuration_id>/change-model", methods=("POST",))
    def change_model(self, configuration_id: UUID) -> ResponseReturnValue:
        """The voice speaks by the model that its provider names in the place of one that closes.

        Where that model does not have the voice, the form asks for another one.
        """
        actor = current_actor()
        row = queries.get_configuration(self.session, actor=actor, configuration_id=configuration_id)
        character_id, model = row.character_id, successor_of(row.provider, row.model)
        if not model:
            raise NotFoundError
        try:
            configurations.change_model(
                self.session,
                actor=actor,
                configuration_id=configuration_id,
                row_version=sent_version(),
                model=model,
                now=utc_now(),
            )
        except InvalidError:
            self.session.rollback()
            return redirect(url_for(".edit", configuration_id=configuration_id, model=model), 303)
        flash(
            _("This voice speaks by %(model)s now. Listen to it: it sounds a little different.", model=model), "success"
        )
        if request.form.get("back") == "all":
            return redirect(url_for(".index"), 303)
        return redirect(url_for(".page", character_id=character_id), 303)

    @expose("/configurations/<uuid:configuration_id>/delete", methods=("POST",))
    def delete(self, configuration_id: UUID) -> ResponseReturnValue:
        """Delete a voice; what it said stays."""
        character_id = configurations.delete(self.session, actor=current_actor(), configuration_id=configuration_id)
        flash(_("The voice is deleted. What it said stays in your history."), "success")
        return redirect(url_for(".page", character_id=character_id), 303)

    @expose("/<uuid:character_id>/listen", methods=("POST",))
    def listen(self, character_id: UUID) -> ResponseReturnValue:
        """Hear the form's text in the voice that the form describes, saved or not."""
        form = VoiceForm()
        voice = self._find_voice(form)
        try:
            draft = draft_from(form, voice=voice)
            if not draft.voice_id:
                self._must_have_provider()
            speech = speaking.ask(
                self.session,
                actor=current_actor(),
                character_id=character_id,
                draft=draft,
                text=form.text.data or rules.sample_for(draft.language),
                terms=terms_of(self.resources),
                models=models_of(draft.provider, self.resources.settings),
                now=utc_now(),
            )
        except StudioError as error:
            return self._refused(error)
        return self._heard(speech.id)

    @expose("/configurations/<uuid:configuration_id>/listen", methods=("POST",))
    def hear(self, configuration_id: UUID) -> ResponseReturnValue:
        """Hear a saved voice say a sentence."""
        actor = current_actor()
        row = queries.get_configuration(self.session, actor=actor, configuration_id=configuration_id)
        draft = configurations.draft_of(row)
        try:
            speech = speaking.ask(
                self.session,
                actor=actor,
                character_id=row.character_id,
                draft=draft,
                text=request.form.get("text", "") or rules.sample_for(row.language),
                terms=terms_of(self.resources),
                models=(row.model,) if row.model else (),
                configuration_id=row.id,
                now=utc_now(),
            )
        except StudioError as error:
            return self._refused(error)
        return self._heard(speech.id)

    @expose("/list/<string(maxlength=40):provider>/<string(maxlength=40):language>")
    def list_voices(self, provider: str, language: str) -> ResponseReturnValue:
        """The voices of a provider's kept list that match, for the field that is filled while typing."""
        if provider not in KINDS:
            raise NotFoundError
        found = _matching(
            queries.find_list(self.session, provider=provider),
            abilities.of(provider, model=request.args.get("model", "")),
            text=request.args.get("q", "")[:200],
            language=rules.language_tag(language),
        )
        return jsonify(items=[{"value": one.id, "text": voice_label(one)} for one in found])

    # What the routes share

    def _begin(self, form: VoiceForm, character: Character) -> None:
        known = self.resources.speech
        provider = next((name for name, one in known.items() if one.is_configured and not one.is_local), "local")
        asked = request.args.get("language", "")
        language = rules.language_tag(asked) or usual_language(character.language or "")
        models = models_of(provider, self.resources.settings)
        draft = VoiceDraft(provider=provider, voice_id="", language=language, model=models[0] if models else "")
        show(form, draft)
        form.text.data = rules.sample_for(language)
        form.is_active.data = True

    def _must_have_provider(self) -> None:
        """Raises NoProviderError where no voice could be chosen, since no provider is set up."""
        known = self.resources.speech
        if not any(one.is_configured for one in known.values()):
            is_told = current_actor().may(_P.HEALTH_READ)
            raise NoProviderError(how=voice_labels.missing_sentence(known["local"]) if is_told else "")

    def _find_voice(self, form: VoiceForm) -> Voice | None:
        chosen = chosen_voice(form)
        if not chosen or form.provider.data not in KINDS:
            return None
        return lists.find_voice(self.session, provider=form.provider.data, voice_id=chosen)

    def _save(
        self, form: VoiceForm, character: Character, row: VoiceConfiguration | None, save: Any
    ) -> ResponseReturnValue:
        """Save, and go to the character's voices; what is refused is shown beside its field, and nothing typed is lost."""
        try:
            draft = draft_from(form, voice=self._find_voice(form))
            if draft.provider in KINDS:
                lists.must_offer(self.session, provider=self.resources.speech[draft.provider], voice_id=draft.voice_id)
            save(draft, models_of(draft.provider, self.resources.settings))
        except StudioError as error:
            if isinstance(error, NotFoundError):
                raise
            self.session.rollback()
            if not (isinstance(error, InvalidError) and attach_errors(form, error)):
                form.form_errors = [*form.form_errors, sentence(error)]
            return self._form(form, character, row), error.status
        flash(_("The voice is saved."), "success")
        return redirect(url_for(".page", character_id=character.id), 303)

    def _form(self, form: VoiceForm, character: Character, row: VoiceConfiguration | None) -> str:
        """The form as its provider and voice want it; its list of voices is asked for where it is missing or old."""
        session, actor = self.session, current_actor()
        character_id, configuration_id = character.id, row.id if row is not None else None
        provider = form.provider.data if form.provider.data in KINDS else "local"
        known: Mapping[str, SpeechProvider] = self.resources.speech
        kept, is_fetching = None, False
        if known[provider].is_configured:
            kept = lists.ensure(session, actor=actor, provider=provider, now=utc_now())
            is_fetching = kept is None or (kept.fetched_at is None and kept.failure is None)
            if request.method == "POST" and request.form.get("do") == "fetch":
                lists.refresh(session, actor=actor, provider=provider, now=utc_now())
                is_fetching = True
        language = rules.language_tag(form.language.data or "")
        if request.method == "POST" and request.form.get("do") == "provider":
            # Another provider has other voices.
            form.voice_id.data = form.voice_other.data = form.manner.data = ""
        if rules.is_sample(form.text.data or ""):
            # Another language is heard by words of its own, as long as nobody wrote others.
            form.text.data = rules.sample_for(language)
        models = models_of(provider, self.resources.settings)
        leave_missing_voice(form, models=models)
        voice = self._find_voice(form)
        fill_choices(
            form,
            known=known,
            models=models,
            voices=_matching(kept, can_of(form), language=language),
            voice=voice,
        )
        address = (
            url_for(".edit", configuration_id=configuration_id)
            if configuration_id
            else url_for(".create", character_id=character_id)
        )
        return self.render(
            "voices/_form.html" if is_fragment() else "voices/form.html",
            form=form,
            character=session.get(Character, character_id),
            row=row,
            row_version=sent_version() if request.method == "POST" else row.row_version if row is not None else None,
            address=address,
            provider=known[provider],
            kept=kept,
            has_list=kept is not None and kept.fetched_at is not None,
            is_fetching=is_fetching,
            list_url=url_for(
                ".list_voices", provider=provider, language=language or "en", model=form.model.data or None
            ),
            sliders=sliders(form),
            can=can_of(form),
            languages=voice_labels.LANGUAGES,
            **voice_labels.helpers(),
        )

    def _refused(self, error: StudioError) -> ResponseReturnValue:
        """Why there is nothing to hear, where the player would stand; without JavaScript, as every refusal."""
        if not is_fragment() or isinstance(error, (NotFoundError, ForbiddenError)):
            raise error
        self.session.rollback()
        fields = error.fields if isinstance(error, InvalidError) else {}
        words = list(dict.fromkeys(_(text) for text in fields.values())) or [sentence(error)]
        return self.render("voices/_refused.html", words=words), 200

    def _heard(self, speech_id: UUID) -> ResponseReturnValue:
        if not is_fragment():
            return redirect(url_for("speech.details_view", row_id=speech_id), 303)
        speech = queries.get_speech(self.session, actor=current_actor(), speech_id=speech_id)
        return self.render("voices/_speech.html", speech=speech, plays=True, **voice_labels.helpers())


def _matching(kept: VoiceList | None, can: Abilities, *, language: str, text: str = "") -> list[Voice]:
    """The voices of a kept list that match, and that the model has."""
    return rules.matching(
        (one for one in lists.voices_of(kept) if one.id not in can.no_voices), text=text, language=language
    )


def _by_language(rows: Any) -> dict[str, list[VoiceConfiguration]]:
    found: dict[str, list[VoiceConfiguration]] = {}
    for row in rows:
        found.setdefault(row.language, []).append(row)
    return found
