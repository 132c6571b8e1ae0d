"""What messages of test chats carry: having an answer spoken, attaching a picture, taking one away."""

from typing import Any, ClassVar
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin_views.access import is_fragment
from admin_views.base import Permission, StudioView, expose
from admin_views.forms import sentence
from admin_views.listing import as_uuid
from admin_views.media.files import portrait_url
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.voices import labels as voice_labels
from admin_views.voices.voices import terms_of
from studio.chat import attachments, queries
from studio.chat.models import ChatMessage
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError, StudioError
from studio.media.models import MediaFile, MediaPurpose
from studio.voices import speaking
from studio.voices.errors import NoVoiceError

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
    return {**voice_labels.helpers(), "picture_url": picture_url}


class ChatMediaView(StudioView):
    """Files of messages; each change answers with the message's files as a part of the page."""

    permissions: ClassVar[dict[str, Any]] = {
        "index": _P.CHAT_TEST,
        "message": _P.CHAT_TEST,
        "speak": _P.SPEECH_MAKE,
        "pictures": _P.CHAT_TEST,
        "attach": _P.CHAT_TEST,
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

    @expose("/<uuid:attachment_id>/remove", methods=("POST",))
    def remove(self, attachment_id: UUID) -> ResponseReturnValue:
        """The message carries it no more."""
        actor = current_actor()
        message_id = attachments.remove(self.session, actor=actor, attachment_id=attachment_id)
        if not is_fragment():
            flash(_("Taken off the message. The file itself stays yours."), "success")
        return self._part(queries.get_message(self.session, actor=actor, message_id=message_id))

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
