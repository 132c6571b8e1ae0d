"""Help with writing: a model's offer for a field of the editor, as a difference; nothing is written by it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar
from uuid import UUID

from flask import jsonify, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.base import Permission, StudioView, expose
from admin_views.chat import labels as chat_labels
from admin_views.chat import streams
from admin_views.chat.test_chat import limits_of, report_of
from admin_views.forms import sentence
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.authoring import queries as authoring
from studio.chat import assisting, queries
from studio.chat.answering import Report
from studio.chat.assist_prompts import CONTEXT_FIELDS, Wish
from studio.chat.assisting import Help, Offer
from studio.chat.models import AssistKind, AssistOutcome
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError
from studio.providers.language import Cancel, Delta, prices_from

_MOST_CONTEXT = 40_000
"""Characters of each other field that are looked at."""


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [AssistView(resources, name=_l("Help with writing"), endpoint="assist", url="/assist")]


class AssistView(StudioView):
    """Asked by `static/assist.js`, which shows the offer beside the field."""

    permissions: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("index", "words", "ask", "stop", "decide"), Permission.CHAT_ASSIST
    )
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The helps that one asked for: which field, what it cost, what became of it. The texts are not kept."""
        found = queries.list_assists(self.session, actor=current_actor())
        return self.render("chat/assists.html", assists=found, labels=chat_labels)

    @expose("/<uuid:character_id>/words")
    def words(self, character_id: UUID) -> ResponseReturnValue:
        """What the editor's script needs: where to ask, what is offered, and the words in the reader's language."""
        authoring.get_writable(self.session, actor=current_actor(), character_id=character_id)
        provider = self.resources.language
        told = _("No language model is configured.") + " "
        told += (
            _(
                "Set STUDIO_LANGUAGE_PROVIDER=openai and STUDIO_LANGUAGE_URL or STUDIO_LANGUAGE_KEY, then restart the studio."
            )
            if current_actor().may(Permission.HEALTH_READ)
            else _("Ask whoever runs this studio to set one up.")
        )
        return jsonify(
            ask=url_for(".ask", character_id=character_id),
            is_configured=provider.is_configured,
            label=chat_labels.provider_label(provider.label) if provider.is_configured else told,
            models=list(provider.models),
            kinds=[{"kind": kind.value, "label": str(label)} for kind, label in chat_labels.ASSISTS.items()],
            words={
                "open": _("AI assist"),
                "wish": _("What should be different? (optional)"),
                "working": _("The model is writing…"),
                "offer": _("The model's offer"),
                "accept": _("Accept"),
                "accept_parts": _("Accept what is ticked"),
                "reject": _("Reject"),
                "again": _("Try again"),
                "stop": _("Stop"),
                "close": _("Close"),
                "same": _("The model would change nothing."),
                "changed": _(
                    "The field was changed meanwhile. Accepting puts the offer in its place; undo brings it back."
                ),
                "accepted": _("Put into the field; not saved yet. Undo with Ctrl-Z."),
                "failed": _("That did not work. Try again."),
                "ticked": _("Take this change"),
                "reference": _("Reference"),
                "model": _("Model"),
            },
        )

    @expose("/<uuid:character_id>", methods=("POST",))
    def ask(self, character_id: UUID) -> ResponseReturnValue:
        """Stream an offer for one field; the form's present texts are what the model sees."""
        shared = self.resources
        shared.streams.refuse_full()
        authoring.get_writable(self.session, actor=current_actor(), character_id=character_id)
        kind = request.form.get("kind", "")
        if kind not in set(AssistKind):
            raise InvalidError("Choose one of the offered kinds of help.")
        card = {name: request.form.get(f"card_{name}", "")[:_MOST_CONTEXT] for name in CONTEXT_FIELDS}
        wanted = assisting.ask(
            self.session,
            actor=current_actor(),
            character_id=character_id,
            wish=Wish(
                AssistKind(kind),
                request.form.get("field", ""),
                request.form.get("text", ""),
                request.form.get("instruction", ""),
            ),
            card=card,
            limits=limits_of(shared),
            now=utc_now(),
        )
        urls = {
            "stop": url_for(".stop", assist_id=wanted.assist_id),
            "decide": url_for(".decide", assist_id=wanted.assist_id),
        }
        cancel = shared.streams.open(wanted.assist_id)
        asked_for = request.form.get("model", "")
        model = asked_for if asked_for in shared.language.models else ""
        lines = _lines(shared, wanted, cancel, report_of(shared), urls, streams.reader(), model=model)
        return streams.streamed(lines)

    @expose("/offers/<uuid:assist_id>/stop", methods=("POST",))
    def stop(self, assist_id: UUID) -> ResponseReturnValue:
        """Stop the model."""
        assist = queries.get_assist(self.session, actor=current_actor(), assist_id=assist_id)
        self.resources.streams.stop(assist.id)
        return "", 204

    @expose("/offers/<uuid:assist_id>/decide", methods=("POST",))
    def decide(self, assist_id: UUID) -> ResponseReturnValue:
        """Keep what became of an offer."""
        queries.get_assist(self.session, actor=current_actor(), assist_id=assist_id)
        outcome = request.form.get("outcome", "")
        if outcome not in set(AssistOutcome):
            raise InvalidError("An offer is accepted, accepted in part, or rejected.")
        assisting.decide(
            self.session, actor=current_actor(), assist_id=assist_id, outcome=AssistOutcome(outcome), now=utc_now()
        )
        return "", 204


def _lines(
    shared: Resources,
    wanted: Help,
    cancel: Cancel,
    report: Report,
    urls: dict[str, str],
    reading: Callable[[], AbstractContextManager[None]],
    *,
    model: str,
) -> Iterator[bytes]:
    shared.streams.begin(wanted.assist_id)
    try:
        yield streams.line("begin", **urls)
        for piece in assisting.stream(
            wanted,
            provider=shared.language,
            prices=prices_from(shared.settings),
            model=model,
            open_session=shared.own_session,
            report=report,
            cancel=cancel,
        ):
            if isinstance(piece, Delta):
                yield streams.line("delta", text=piece.text)
                continue
            with reading():
                line = (
                    _offer(piece)
                    if isinstance(piece, Offer)
                    else streams.line("refused", error=sentence(piece.error), reference=piece.reference)
                )
            yield line
    finally:
        shared.streams.close(wanted.assist_id)


def _offer(offer: Offer) -> bytes:
    count = offer.count
    return streams.line(
        "offer",
        text=offer.text,
        pieces=[[piece.change.value, piece.text] for piece in offer.pieces],
        facts=_(
            "%(model)s · %(tokens_in)s + %(tokens_out)s tokens · %(seconds)s · %(cost)s",
            model=count.model,
            tokens_in=count.tokens_in,
            tokens_out=count.tokens_out,
            seconds=chat_labels.milliseconds(offer.response_time_ms),
            cost=chat_labels.cost_label(count.cost_micro, count.currency),
        ),
    )
