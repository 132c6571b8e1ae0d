"""What messages of test chats carry: having an answer spoken or drawn, attaching a picture, taking one away."""

from typing import Any, ClassVar
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin_views.access import is_fragment
from admin_views.base import Permission, StudioView, expose
from admin_views.formats import hue
from admin_views.forms import sentence
from admin_views.listing import as_uuid
from admin_views.media import picture_states
from admin_views.media.files import portrait_url
from admin_views.media.labels import price_told
from admin_views.media.picture_forms import sizes_of
from admin_views.resources import Resources, request_session, resources
from admin_views.session import current_actor
from admin_views.voices import labels as voice_labels
from admin_views.voices.voices import terms_of
from studio.accounts.permissions import Actor
from studio.chat import attachments, queries
from studio.chat.attachments import Attachment
from studio.chat.models import ChatMessage
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, NotFoundError, StudioError
from studio.media import generations
from studio.media.generations import Wanted
from studio.media.models import MediaFile, MediaPurpose
from studio.media.prompting import NEGATIVE
from studio.operations import jobs
from studio.providers.images import price_of
from studio.voices import speaking
from studio.voices.errors import NoVoiceError
from studio.work.models import FINAL, JobRun

_P = Permission


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [ChatMediaView(resources, name="chat_media", endpoint="chat_media", url="/chat-media")]


def picture_url(file: MediaFile) -> str:
    """The address of a picture of one's own, small where a small one is made."""
    if file.purpose is MediaPurpose.PORTRAIT:
        return portrait_url(file.id, "card") or ""
    return url_for("media.file", file_id=file.id)


def helpers() -> dict[str, Any]:
    """What the part of a page calls these."""
    return {**voice_labels.helpers(), "picture_url": picture_url, "drawing_of": drawing_of}


def drawing_of(one: Attachment) -> dict[str, Any]:
    """How far the picture is that a message waits for, or why none came."""
    row, job = one.generation, one.job
    if row is None:
        return {}
    state = generations.state_of(row, job)
    is_open = state in picture_states.OPEN
    return {
        "is_open": is_open,
        "is_stopping": job is not None and job.cancel_requested_at is not None and job.state not in FINAL,
        "step": _step(job) if job is not None and is_open else "",
        "percent": job.percent if job is not None else 0,
        "why": picture_states.why_of(row, job, state),
        "can_again": picture_states.can_again(row, job, state),
    }


def _step(job: JobRun) -> str:
    return picture_states.step_of(request_session(), job, budget_micro=resources().settings.budget_micro)


class ChatMediaView(StudioView):
    """Files of messages; each change answers with the message's files as a part of the page."""

    permissions: ClassVar[dict[str, Any]] = {
        "index": _P.CHAT_TEST,
        "message": _P.CHAT_TEST,
        "speak": _P.SPEECH_MAKE,
        "pictures": _P.CHAT_TEST,
        "attach": _P.CHAT_TEST,
        "draw": _P.MEDIA_GENERATE,
        "drawn": _P.CHAT_TEST,
        "stop": _P.CHAT_TEST,
        "again": _P.MEDIA_GENERATE,
        "remove": _P.CHAT_TEST,
    }
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Files of messages are met in their chats."""
        return redirect(url_for("test_chat.index"))

    @expose("/messages/<uuid:message_id>")
    def message(self, message_id: UUID) -> ResponseReturnValue:
        """What the message carries; asked again while something of it is being made."""
        message = queries.get_message(self.session, actor=current_actor(), message_id=message_id)
        return self._part(message)

    @expose("/messages/<uuid:message_id>/speak", methods=("POST",))
    def speak(self, message_id: UUID) -> ResponseReturnValue:
        """Have the character's voice speak the message."""
        actor = current_actor()
        message = queries.get_message(self.session, actor=actor, message_id=message_id)
        try:
            attachments.speak(
                self.session, actor=actor, message_id=message_id, terms=terms_of(self.resources), now=utc_now()
            )
        except StudioError as error:
            if isinstance(error, NotFoundError) or not is_fragment():
                raise
            self.session.rollback()
            message = queries.get_message(self.session, actor=actor, message_id=message_id)
            return self._part(message, problem=sentence(error), needs_voice=isinstance(error, NoVoiceError))
        return self._part(message, plays=True)

    @expose("/messages/<uuid:message_id>/pictures")
    def pictures(self, message_id: UUID) -> ResponseReturnValue:
        """One's own newest pictures, to attach one."""
        actor = current_actor()
        message = queries.get_message(self.session, actor=actor, message_id=message_id)
        return self.render(
            "chat/_pictures.html" if is_fragment() else "chat/pictures.html",
            message=message,
            chat=queries.get_session(self.session, actor=actor, session_id=message.session_id),
            pictures=attachments.list_pictures(self.session, actor=actor),
            picture_url=picture_url,
        )

    @expose("/messages/<uuid:message_id>/attach", methods=("POST",))
    def attach(self, message_id: UUID) -> ResponseReturnValue:
        """The message carries the picture."""
        actor = current_actor()
        message = queries.get_message(self.session, actor=actor, message_id=message_id)
        file_id = as_uuid(request.form.get("picture"))
        if file_id is None:
            raise NotFoundError
        attachments.attach_picture(self.session, actor=actor, message_id=message.id, file_id=file_id, now=utc_now())
        return self._part(message)

    @expose("/messages/<uuid:message_id>/draw", methods=("GET", "POST"))
    def draw(self, message_id: UUID) -> ResponseReturnValue:
        """Have a picture made of what the message tells; its prompt is drafted, and changed before it is sent."""
        actor = current_actor()
        message = queries.get_message(self.session, actor=actor, message_id=message_id)
        if request.method == "GET":
            _character, prompt = attachments.draft_picture(self.session, actor=actor, message_id=message_id)
            return self._draw_form(message, prompt=prompt)
        try:
            self._draw(actor, message_id)
        except StudioError as error:
            if isinstance(error, NotFoundError):
                raise
            self.session.rollback()
            message = queries.get_message(self.session, actor=actor, message_id=message_id)
            told = error.fields if isinstance(error, InvalidError) else {}
            problem = " ".join(_(text) for text in told.values()) or sentence(error)
            return self._draw_form(message, prompt=request.form.get("prompt", ""), problem=problem)
        return self._part(message)

    def _draw(self, actor: Actor, message_id: UUID) -> None:
        character, _prompt = attachments.draft_picture(self.session, actor=actor, message_id=message_id)
        provider, settings = self.resources.images, self.resources.settings
        offered = [value for value, _label in sizes_of(provider)]
        size = request.form.get("size", "")
        width, _cross, height = (size if size in offered else offered[0]).partition("x")
        attachments.draw(
            self.session,
            actor=actor,
            message_id=message_id,
            wanted=Wanted(
                prompt=request.form.get("prompt", ""),
                negative_prompt=NEGATIVE,
                width=int(width),
                height=int(height),
                name=character.name,
                hue=hue(character.name),
            ),
            provider=provider,
            estimate_micro=price_of(settings, provider=provider).micro(),
            currency=settings.language_currency,
            quota=settings.media_quota * 1_000_000,
            now=utc_now(),
        )

    def _draw_form(self, message: ChatMessage, *, prompt: str, problem: str = "") -> ResponseReturnValue:
        resources = self.resources
        answer = self.render(
            "chat/_draw.html" if is_fragment() else "chat/draw.html",
            message=message,
            chat=queries.get_session(self.session, actor=current_actor(), session_id=message.session_id),
            prompt=prompt,
            problem=problem,
            sizes=sizes_of(resources.images),
            size=request.form.get("size", ""),
            is_local=resources.images.is_local,
            price=price_told(
                price_of(resources.settings, provider=resources.images), resources.settings.language_currency
            ),
        )
        if not problem:
            return answer
        if not is_fragment():
            return answer, 422
        # The form takes its own place again instead of the message's files.
        return answer, {"HX-Retarget": f"#draw-{message.id}", "HX-Reswap": "outerHTML"}

    @expose("/<uuid:attachment_id>/drawn")
    def drawn(self, attachment_id: UUID) -> ResponseReturnValue:
        """The picture that is being made, asked for again until it is there."""
        return self._carried(attachment_id)

    @expose("/<uuid:attachment_id>/stop", methods=("POST",))
    def stop(self, attachment_id: UUID) -> ResponseReturnValue:
        """Stop the drawing, at the provider too; the message says that it was stopped."""
        actor = current_actor()
        one = attachments.get_attachment(self.session, actor=actor, attachment_id=attachment_id)
        if one.job is not None and one.job.state not in FINAL:
            jobs.cancel(self.session, actor=actor, job_id=one.job.id, now=utc_now())
        return self._carried(attachment_id)

    @expose("/<uuid:attachment_id>/again", methods=("POST",))
    def again(self, attachment_id: UUID) -> ResponseReturnValue:
        """Have a picture that did not come drawn once more."""
        actor = current_actor()
        one = attachments.get_attachment(self.session, actor=actor, attachment_id=attachment_id)
        if one.job is not None and one.generation is not None:
            jobs.retry(self.session, actor=actor, job_id=one.job.id, now=utc_now())
            generations.reopen(self.session, generation_id=one.generation.id)
        return self._carried(attachment_id)

    @expose("/<uuid:attachment_id>/remove", methods=("POST",))
    def remove(self, attachment_id: UUID) -> ResponseReturnValue:
        """The message carries it no more."""
        actor = current_actor()
        message_id = attachments.remove(self.session, actor=actor, attachment_id=attachment_id)
        if not is_fragment():
            flash(_("Taken off the message. The file itself stays yours."), "success")
        return self._part(queries.get_message(self.session, actor=actor, message_id=message_id))

    def _carried(self, attachment_id: UUID) -> ResponseReturnValue:
        one = attachments.get_attachment(self.session, actor=current_actor(), attachment_id=attachment_id)
        message = queries.get_message(self.session, actor=current_actor(), message_id=one.row.message_id)
        if not is_fragment():
            return self._part(message)
        return self.render("chat/_carried.html", message=message, one=one, plays=False, **helpers())

    def _part(
        self, message: ChatMessage, *, plays: bool = False, problem: str = "", needs_voice: bool = False
    ) -> ResponseReturnValue:
        session = self.session
        if not is_fragment():
            chat = queries.get_session(session, actor=current_actor(), session_id=message.session_id)
            return redirect(url_for("test_chat.page", character_id=chat.character_id, session=chat.id), 303)
        carried = attachments.list_attachments(session, message_ids=[message.id]).get(message.id, [])
        for one in carried:
            if one.speech is not None:
                speaking.settle(session, one.speech)
        character_id = None
        if needs_voice:
            chat = queries.get_session(session, actor=current_actor(), session_id=message.session_id)
            character_id = chat.character_id
        return self.render(
            "chat/_media.html",
            message=message,
            carried=carried,
            plays=plays or "plays" in request.args,
            problem=problem,
            voices_of=character_id,
            **helpers(),
        )
