"""What a person had spoken: the history, each text with its player, and the audio behind short signed links."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session

from admin_views import ui
from admin_views.access import is_fragment
from admin_views.base import Permission, StudioModelView, expose
from admin_views.listing import Column, Filter, as_uuid
from admin_views.media.files import file_response
from admin_views.resources import Resources, request_session, resources
from admin_views.session import current_actor
from admin_views.voices import labels as voice_labels
from admin_views.voices.labels import STATES, cost_told, duration, provider_name, state_badge
from admin_views.voices.voices import terms_of
from studio.accounts.permissions import Actor
from studio.authoring.models import Character
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError
from studio.kit.paging import Key
from studio.kit.text import excerpt
from studio.providers.speech import KINDS
from studio.secret_key import secret_key
from studio.voices import links, queries, speaking
from studio.voices.models import SpeechSynthesis

_MAKE = Permission.SPEECH_MAKE
_EXCERPT = 80
_MOST_SPEAKERS = 200


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [SpeechView(resources, SpeechSynthesis, name=_l("Speech"), endpoint="speech")]


def _provider_choices(_actor: Actor) -> list[tuple[str, Any]]:
    known = resources().speech
    return [(name, provider_name(name, known)) for name in KINDS]


def _speakers(actor: Actor) -> list[tuple[str, Any]]:
    """The characters that the person had speak; the list asks for them several times, and reads them once."""
    if "speaker_choices" not in g:
        found = queries.list_speakers(request_session(), actor=actor, limit=_MOST_SPEAKERS)
        g.speaker_choices = [(str(identity), name) for identity, name in found]
    return list(g.speaker_choices)


def _voice(row: SpeechSynthesis) -> str:
    return f"{row.voice_name or row.voice_id} · {row.language}"


def _cost(row: SpeechSynthesis) -> str:
    if row.characters is None:
        return "–"
    return str(_("nothing")) if row.cost_micro == 0 else cost_told(row)


class SpeechView(StudioModelView):
    """The present person's own speech, newest first."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": _MAKE,
        "details_view": _MAKE,
        "delete_view": _MAKE,
        "state": _MAKE,
        "again": _MAKE,
        "audio": _MAKE,
        "download": _MAKE,
    }
    menu_section = "studio"
    menu_icon = "microphone"
    menu_order = 45
    columns = (
        Column("text", _l("Text"), cell=lambda row: excerpt(row.text, _EXCERPT)),
        Column("character", _l("Character"), cell=lambda row: g.speakers.get(row.character_id, "–"), wide_only=True),
        Column("provider", _l("Voice"), cell=_voice, wide_only=True),
        Column(
            "duration_ms", _l("Length"), cell=lambda row: duration(row.duration_ms) or "–", numeric=True, wide_only=True
        ),
        Column("cost_micro", _l("Cost"), cell=_cost, numeric=True, wide_only=True),
        Column("state", _l("State"), cell=lambda row: state_badge(row.state)),
        Column("created_at", _l("Asked for"), cell=lambda row: ui.moment(row.created_at), sort="created"),
    )
    orders: ClassVar[dict[str, Any]] = {
        "created": (Key(SpeechSynthesis.created_at), Key(SpeechSynthesis.id)),
    }
    default_sort = ("created", True)
    filters = (
        Filter(
            "state",
            _l("State"),
            lambda value: SpeechSynthesis.state == value,
            choices=tuple((state.value, label) for state, label in STATES.items()),
            quick=True,
        ),
        Filter(
            "character",
            _l("Character"),
            lambda value: SpeechSynthesis.character_id == as_uuid(value),
            choices=_speakers,
        ),
        Filter(
            "provider",
            _l("Provider"),
            lambda value: SpeechSynthesis.provider == value,
            choices=_provider_choices,
        ),
    )
    search_columns = (SpeechSynthesis.text, SpeechSynthesis.voice_name)
    search_hint = _l("Text or voice")
    details_template = "voices/speech.html"
    empty_icon = "microphone"
    empty_title = _l("Nothing has been spoken yet")
    empty_text = _l("Open a character's voices and press “Listen”, or “Speak” below an answer of a test chat.")

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """One's own."""
        return queries.speech_owned_by(actor)

    def row_title(self, row: SpeechSynthesis) -> str:
        """Speech is called by its first words."""
        return excerpt(row.text, _EXCERPT)

    def list_context(self, rows: Sequence[SpeechSynthesis]) -> dict[str, Any]:
        """The names of the page's characters, read once; what nobody makes any more is settled."""
        for row in rows:
            speaking.settle(self.request_session, row)
        g.speakers = self._names([row.character_id for row in rows])
        return {}

    def details_context(self, row: SpeechSynthesis) -> dict[str, Any]:
        """The speech with its player; what nobody makes any more is settled."""
        speaking.settle(self.request_session, row)
        return {
            "speech": row,
            "character_name": self._names([row.character_id]).get(row.character_id),
            "spoken_by": provider_name(row.provider, self.resources.speech),
            **voice_labels.helpers(),
        }

    def do_delete(self, session: Session, *, actor: Actor, row: Any, row_version: int | None) -> None:
        """Have the speech forgotten with its audio."""
        del row_version
        speaking.forget(session, actor=actor, speech_id=row.id)

    @expose("/<uuid:row_id>/state")
    def state(self, row_id: UUID) -> ResponseReturnValue:
        """Where the speech stands, asked again by whoever waits for it."""
        found = queries.get_speech(self.request_session, actor=current_actor(), speech_id=row_id)
        row = speaking.settle(self.request_session, found)
        if not is_fragment():
            return redirect(url_for(".details_view", row_id=row.id))
        return self.render("voices/_speech.html", speech=row, plays="plays" in request.args, **voice_labels.helpers())

    @expose("/<uuid:row_id>/again", methods=("POST",))
    def again(self, row_id: UUID) -> ResponseReturnValue:
        """Have it made after all."""
        row = speaking.try_again(
            self.request_session,
            actor=current_actor(),
            speech_id=self.get_one(row_id).id,
            terms=terms_of(self.resources),
            now=utc_now(),
        )
        if is_fragment():
            return self.render("voices/_speech.html", speech=row, plays=True, **voice_labels.helpers())
        flash(_("It is being spoken."), "success")
        return redirect(url_for(".details_view", row_id=row.id), 303)

    @expose("/<uuid:row_id>/download")
    def download(self, row_id: UUID) -> ResponseReturnValue:
        """The audio to keep, by a link that is made anew for each click: a page may stand open for hours."""
        row = queries.get_speech(self.request_session, actor=current_actor(), speech_id=row_id)
        if row.audio_file_id is None:
            raise NotFoundError
        response = redirect(voice_labels.audio_url(row, save=1), 302)
        response.headers["Cache-Control"] = "private, no-store"
        return response

    @expose("/audio/<token>")
    def audio(self, token: str) -> ResponseReturnValue:
        """The audio that a link stands for, whole or in the parts that a player asks for; `?save` offers it as a file."""
        speech, file = links.follow(
            self.request_session,
            actor=current_actor(),
            token=token,
            secret=secret_key(self.resources.settings),
        )
        saves = "save" in request.args
        response = file_response(self.resources.storage, file, age=int(links.LASTS.total_seconds()), as_download=saves)
        if saves:
            words = re.sub(r"[\W_]+", "-", excerpt(speech.text, 40)).strip("-")
            suffix = file.original_name.rpartition(".")[2] or "audio"
            response.headers.set("Content-Disposition", "attachment", filename=f"{words or 'speech'}.{suffix}")
        return response

    def _names(self, ids: Sequence[UUID | None]) -> dict[UUID | None, str]:
        wanted = {identity for identity in ids if identity is not None}
        if not wanted:
            return {}
        rows = self.request_session.execute(sa.select(Character.id, Character.name).where(Character.id.in_(wanted)))
        return {row[0]: row[1] for row in rows}
