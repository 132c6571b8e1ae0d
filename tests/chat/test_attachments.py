"""What messages carry: speech of their words, and one's own pictures."""

import pytest
import sqlalchemy as sa

from studio.chat import attachments
from studio.chat.errors import NotToBeDrawnError, NotToBeSpokenError, TooManyAttachmentsError
from studio.chat.models import ChatMessage, MediaKind, MessageState, MultimediaMessage
from studio.kit.errors import InvalidError, NotFoundError
from studio.media import files
from studio.media.generations import Wanted
from studio.media.models import MediaPurpose
from studio.providers import images
from studio.voices import speaking
from studio.voices.errors import NoVoiceError
from tests.factories.authoring import NOW
from tests.factories.chat import make_chat, make_message
from tests.factories.media import make_portrait, make_storage
from tests.factories.voices import TERMS, make_draft, make_speech, make_voice


@pytest.fixture
def message(session, creator, character):
    """What the character greets with."""
    chat = make_chat(session, owner=creator, character=character)
    return session.scalars(sa.select(ChatMessage).where(ChatMessage.session_id == chat.id, ChatMessage.is_chosen)).one()


def speak(session, actor, message):
    return attachments.speak(session, actor=actor, message_id=message.id, terms=TERMS, now=NOW)


def draw(session, actor, message, settings, *, prompt="a keeper of the tower"):
    provider = images.from_settings(settings)
    return attachments.draw(
        session,
        actor=actor,
        message_id=message.id,
        wanted=Wanted(prompt, count=4),
        provider=provider,
        estimate_micro=0,
        currency="USD",
        quota=0,
        now=NOW,
    )


def carried(session, message):
    return attachments.list_attachments(session, message_ids=[message.id]).get(message.id, [])


class TestSpeak:
    def test_attaches_speech_of_the_messages_words_by_the_voice_of_its_language(
        self, session, creator, character, message
    ):
        make_voice(session, owner=creator, character=character, draft=make_draft(language="zh-CN", voice_id="cmn"))
        english = make_voice(session, owner=creator, character=character)
        row = speak(session, creator, message)
        [one] = carried(session, message)
        assert (one.row.id, one.row.media_type, one.file) == (row.id, MediaKind.AUDIO, None)
        assert (one.speech.voice_configuration_id, one.speech.text) == (english.id, message.content)

    def test_twice_carries_it_once(self, session, creator, character, message):
        make_voice(session, owner=creator, character=character)
        assert speak(session, creator, message).id == speak(session, creator, message).id

    def test_has_at_once_what_was_spoken_before(self, session, creator, character, message, settings):
        make_voice(session, owner=creator, character=character)
        speech = make_speech(session, owner=creator, character=character, text=message.content, data=settings.data)
        assert speak(session, creator, message).media_file_id == speech.audio_file_id

    def test_is_deleted_and_leaves_its_audio_to_a_message_that_has_it_by_itself(
        self, session, creator, character, message, settings
    ):
        speech = make_speech(session, owner=creator, character=character, text="Hello.", data=settings.data)
        values = {"message_id": message.id, "media_file_id": speech.audio_file_id, "media_type": MediaKind.AUDIO}
        session.add(MultimediaMessage(**values, created_at=NOW))
        session.flush()
        speaking.forget(session, actor=creator, speech_id=speech.id)
        assert [one.file.id for one in carried(session, message)] == [values["media_file_id"]]

    def test_without_a_voice_says_to_choose_one(self, session, creator, message):
        with pytest.raises(NoVoiceError):
            speak(session, creator, message)

    def test_is_for_the_characters_words_alone_and_for_its_owner(self, session, creator, outsider, message):
        with pytest.raises(NotToBeSpokenError):
            speak(session, creator, make_message(session, owner=creator))
        with pytest.raises(NotFoundError):
            speak(session, outsider, message)


class TestDraw:
    def test_drafts_what_happens_in_the_message_and_how_the_character_looks(self, session, creator, message):
        message.content = "*She draws a long sword and steps into the rain.* You are late!"
        session.flush()
        character, prompt = attachments.draft_picture(session, actor=creator, message_id=message.id)
        assert prompt.startswith(f"{character.name}: She draws a long sword and steps into the rain")
        assert "You are late" not in prompt

    def test_waits_at_its_message_and_is_filled_when_the_picture_is_made(
        self, session, creator, outsider, message, settings
    ):
        row = draw(session, creator, message, settings)
        [one] = carried(session, message)
        assert (one.row.id, one.row.media_type, one.file) == (row.id, MediaKind.IMAGE, None)
        assert one.generation.picture_count == 1
        assert one.job.name == "media.generate_pictures"
        with pytest.raises(NotFoundError):
            attachments.get_attachment(session, actor=outsider, attachment_id=row.id)
        picture = make_portrait(session, actor=creator, storage=make_storage(settings.data))
        # The same bytes were attached by hand before: the message carries them once.
        attachments.attach_picture(session, actor=creator, message_id=message.id, file_id=picture.id, now=NOW)
        for _ in range(2):
            attachments.fill_picture(session, generation_id=one.generation.id, files=[picture], took_ms=12)
        session.expire_all()
        [one] = carried(session, message)
        assert (one.row.id, one.file.id, one.job) == (row.id, picture.id, None)

    def test_is_refused_where_nothing_could_come_of_it(self, session, creator, outsider, message, settings):
        with pytest.raises(NotFoundError):
            draw(session, outsider, message, settings)
        with pytest.raises(InvalidError):
            draw(session, creator, message, settings, prompt=" ")
        message.state = MessageState.STREAMING
        session.flush()
        with pytest.raises(NotToBeDrawnError):
            draw(session, creator, message, settings)


class TestPictures:
    def test_attach_ones_own_and_take_it_off_again(self, session, creator, outsider, message, settings):
        storage = make_storage(settings.data)
        picture = make_portrait(session, actor=creator, storage=storage)
        assert [file.id for file in attachments.list_pictures(session, actor=creator)] == [picture.id]
        given = {"message_id": message.id, "file_id": picture.id, "now": NOW}
        row = attachments.attach_picture(session, actor=creator, **given)
        assert attachments.attach_picture(session, actor=creator, **given).id == row.id
        with pytest.raises(NotFoundError):
            attachments.remove(session, actor=outsider, attachment_id=row.id)
        assert attachments.remove(session, actor=creator, attachment_id=row.id) == message.id
        assert carried(session, message) == []

    def test_of_others_and_files_that_are_none_are_not_found(self, session, creator, outsider, message, settings):
        storage = make_storage(settings.data)
        theirs = make_portrait(session, actor=outsider, storage=storage)
        card = files.keep(session, actor=creator, storage=storage, data=b"{}", purpose=MediaPurpose.CARD)
        for file in (theirs, card):
            with pytest.raises(NotFoundError):
                attachments.attach_picture(session, actor=creator, message_id=message.id, file_id=file.id, now=NOW)

    def test_are_not_more_than_a_message_carries(self, session, creator, message, settings, monkeypatch):
        monkeypatch.setattr(attachments, "MOST", 0)
        picture = make_portrait(session, actor=creator, storage=make_storage(settings.data))
        with pytest.raises(TooManyAttachmentsError):
            attachments.attach_picture(session, actor=creator, message_id=message.id, file_id=picture.id, now=NOW)
