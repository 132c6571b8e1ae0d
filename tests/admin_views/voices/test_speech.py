"""Speech as a creator listens to it."""

import re

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.chat.models import ChatMessage, MultimediaMessage
from studio.media.models import GenerationState
from studio.providers.errors import ProviderRefusedError
from studio.voices import speaking
from studio.voices.models import SpeechSynthesis
from studio.work.models import Hold, JobRun
from tests.admin_views.conftest import posted, signed_in
from tests.admin_views.voices.conftest import FIELDS, MODEL, PART, text_of
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character
from tests.factories.chat import make_chat
from tests.factories.media import make_portrait, make_storage
from tests.factories.voices import make_draft, make_speech, make_voice
from tests.fakes.speech_server import tone


class TestListen:
    def test_orders_what_the_form_says_and_shows_how_far_it_is(self, session, browser, character):
        part = text_of(
            posted(browser, f"/voices/{character.id}/listen", headers=PART, **{**FIELDS, "text": "Hello there."})
        )
        speech = session.scalars(sa.select(SpeechSynthesis)).one()
        assert (speech.text, speech.tuning["speed"]) == ("Hello there.", 1.25)
        assert f"/speech/{speech.id}/state" in part
        assert "Being spoken" in part

    def test_says_what_is_wrong_in_the_part_of_the_page(self, browser, character):
        part = text_of(posted(browser, f"/voices/{character.id}/listen", headers=PART, **{**FIELDS, "voice_id": ""}))
        assert "Choose a voice." in part
        part = text_of(posted(browser, f"/voices/{character.id}/listen", headers=PART, **{**FIELDS, "text": "…"}))
        assert "nothing to speak" in part

    def test_says_that_no_voice_is_set_up_where_there_is_none_to_choose(
        self, app, session, browser, character, monkeypatch
    ):
        monkeypatch.setattr("studio.providers.speech.espeak.where", lambda: None)
        address, typed = f"/voices/{character.id}/listen", {**FIELDS, "voice_id": ""}
        part = text_of(posted(browser, address, headers=PART, **typed))
        assert "No voice is set up in this studio yet. Ask whoever runs it to set one up." in part
        assert "Choose a voice." not in part
        assert "make voices" not in part
        assert "No voice is set up" in text_of(posted(browser, address, **typed), status=409)
        # Whoever runs the studio reads how it is done, here and on the page of the voices.
        staff = signed_in(app.test_client(), make_user(session, RoleName.STAFF))
        assert "make voices" in text_of(staff.get(f"/voices/{character.id}"))
        part = text_of(posted(staff, address, headers=PART, **typed))
        assert "No voice is set up in this studio yet. The local voice needs espeak-ng" in part

    def test_says_in_the_part_of_the_page_that_there_is_no_room(self, settings, make_app, session, person, character):
        make_portrait(session, actor=person.actor, storage=make_storage(settings.data))
        row = make_voice(session, owner=person.actor, character=character)
        session.flush()
        browser = signed_in(make_app(settings.model_copy(update={"media_quota": 1})).test_client(), person)
        address = f"/voices/configurations/{row.id}/listen"
        part = text_of(posted(browser, address, headers=PART, text="Ten signs." * 30))
        assert "no room for this speech: you may keep 1 MB" in part
        assert "no room for this speech" in text_of(posted(browser, address, text="Ten signs." * 30), status=422)
        assert session.scalar(sa.select(sa.func.count()).select_from(SpeechSynthesis)) == 0

    def test_without_javascript_goes_to_the_speech(self, session, browser, character):
        answer = posted(browser, f"/voices/{character.id}/listen", **FIELDS)
        speech = session.scalars(sa.select(SpeechSynthesis)).one()
        assert (answer.status_code, answer.location) == (303, f"/speech/{speech.id}")

    def test_of_a_saved_voice_speaks_a_sentence_in_its_language(self, session, browser, person, character):
        draft = make_draft(language="zh-CN", voice_id="cmn")
        row = make_voice(session, owner=person.actor, character=character, draft=draft)
        session.flush()
        text_of(posted(browser, f"/voices/configurations/{row.id}/listen", headers=PART))
        assert "你好" in session.scalars(sa.select(SpeechSynthesis.text)).one()


class TestSpeech:
    def test_lists_ones_own_page_by_page_in_few_statements(self, session, browser, person, character, statements):
        for number in range(30):
            speech = make_speech(session, owner=person.actor, character=character, text=f"Sentence {number}.")
            speaking.fail(session, speech_id=speech.id, error=ProviderRefusedError("No."))
        other = make_user(session, RoleName.CREATOR)
        make_speech(session, owner=other.actor, text="Somebody else's words")
        session.flush()
        statements.clear()
        page = text_of(browser.get("/speech/"))
        assert len(statements) <= 8, statements
        assert page.count("<tr") == 26
        assert "Somebody else" not in page
        assert "Dugu" in page
        following = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")
        assert text_of(browser.get(following)).count("<tr") == 6

    def test_is_filtered_by_the_characters_that_spoke(self, session, browser, person, character):
        other = make_character(session, owner=person.actor, name="Ada")
        make_character(session, owner=person.actor, name="Silent")
        make_speech(session, owner=person.actor, character=character, text="Said by Dugu")
        make_speech(session, owner=person.actor, character=other, text="Said by Ada")
        theirs = make_user(session, RoleName.CREATOR).actor
        foreign = make_character(session, owner=theirs, name="Foreign")
        make_speech(session, owner=theirs, character=foreign)
        session.flush()
        page = text_of(browser.get(f"/speech/?character={other.id}"))
        assert "Said by Ada" in page
        assert "Said by Dugu" not in page
        options = re.search(r'<select[^>]+name="character".*?</select>', page, re.DOTALL)[0]
        assert [name for name in ("Ada", "Dugu", "Silent", "Foreign") if name in options] == ["Ada", "Dugu"]
        page = browser.get(f"/speech/?character={foreign.id}").get_data(as_text=True)
        assert "Foreign" not in page
        assert "Well met." not in page

    def test_says_that_it_waits_for_budget_and_asks_less_often(self, session, browser, person, character):
        speech = make_speech(session, owner=person.actor, character=character)
        session.get_one(JobRun, speech.job_id).held_for = Hold.BUDGET
        session.flush()
        part = text_of(browser.get(f"/speech/{speech.id}/state", headers=PART))
        assert "It waits for your budget" in part
        assert "every 15s" in part

    def test_shows_text_length_cost_waveform_and_download(self, session, browser, person, character, settings):
        speech = make_speech(session, owner=person.actor, character=character, data=settings.data, text="Well, met.")
        session.flush()
        page = text_of(browser.get(f"/speech/{speech.id}"))
        assert "Well, met." in page
        assert "0:01" in page
        assert 'class="wave"' in page
        assert "nothing" in page
        saved = browser.get(f"/speech/{speech.id}/download")
        assert f"/speech/{speech.id}/download" in page
        assert saved.headers["Cache-Control"] == "private, no-store"
        # Its name is its words, with one line for whatever stands between them.
        assert browser.get(saved.location).headers["Content-Disposition"] == "attachment; filename=Well-met.mp3"

    def test_says_why_there_is_none_and_tries_again(self, session, browser, person, character):
        speech = make_speech(session, owner=person.actor, character=character)
        speaking.fail(
            session,
            speech_id=speech.id,
            error=ProviderRefusedError(
                "%(provider)s does not accept the key. Check %(setting)s.", provider="X", setting="Y"
            ),
        )
        session.flush()
        # Whoever cannot mend the settings reads whom to tell.
        page = text_of(browser.get(f"/speech/{speech.id}"))
        assert "The staff of this studio must mend that" in page
        assert "Check Y" not in page
        assert "Being spoken" in text_of(posted(browser, f"/speech/{speech.id}/again", headers=PART))

    @pytest.mark.parametrize(
        ("cost_micro", "says"), [(20_960, "It cost $0.02096 (assumed)."), (None, "What it cost is not known")]
    )
    def test_says_what_was_paid_in_vain(self, session, browser, person, character, cost_micro, says):
        speech = make_speech(session, owner=person.actor, character=character)
        error = ProviderRefusedError("No.")
        speaking.fail(session, speech_id=speech.id, error=error, characters=9, cost_micro=cost_micro)
        speech.provider, speech.model = "openai", MODEL
        session.flush()
        page = text_of(browser.get(f"/speech/{speech.id}"))
        assert says in page
        assert "Characters spoken" in page
        assert ("$0.02096" if cost_micro else "price unknown") in text_of(browser.get("/speech/"))

    def test_is_deleted_after_a_page_that_asks(self, session, browser, person, character, settings):
        speech = make_speech(session, owner=person.actor, character=character, data=settings.data)
        session.flush()
        assert "Delete" in text_of(browser.get(f"/speech/{speech.id}/delete"))
        assert posted(browser, f"/speech/{speech.id}/delete").status_code == 303
        assert session.scalar(sa.select(sa.func.count()).select_from(SpeechSynthesis)) == 0


class TestAudio:
    @pytest.fixture
    def link(self, session, browser, person, character, settings):
        speech = make_speech(session, owner=person.actor, character=character, data=settings.data)
        session.flush()
        return re.search(r'<audio[^>]+src="([^"]+)"', text_of(browser.get(f"/speech/{speech.id}")))[1]

    def test_is_given_whole_and_in_parts(self, browser, link):
        whole = browser.get(link)
        sound = tone(1.0)
        assert (whole.status_code, whole.mimetype, whole.data) == (200, "audio/mpeg", sound)
        assert whole.headers["Accept-Ranges"] == "bytes"
        assert "sandbox" in whole.headers["Content-Security-Policy"]
        part = browser.get(link, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.data) == (206, sound[10:20])
        assert part.headers["Content-Range"] == f"bytes 10-19/{len(sound)}"
        assert browser.get(link, headers={"Range": f"bytes={len(sound)}-"}).status_code == 416
        assert browser.get(link, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304

    def test_is_saved_under_its_words(self, browser, link):
        saved = browser.get(f"{link}?save=1")
        assert saved.headers["Content-Disposition"] == "attachment; filename=Well-met.mp3"

    def test_is_nobody_elses(self, session, app, browser, link):
        other = make_user(session, *RoleName)
        session.flush()
        assert signed_in(app.test_client(), other).get(link).status_code == 404
        assert app.test_client().get(link).status_code == 302
        assert browser.get(f"{link}x").status_code == 404

    def test_is_not_served_as_a_file_of_the_library(self, session, browser, link):
        file_id = session.scalars(sa.select(SpeechSynthesis.audio_file_id)).one()
        assert browser.get(f"/media/{file_id}").status_code == 404


class TestChatMedia:
    @pytest.fixture
    def message(self, session, person, character):
        chat = make_chat(session, owner=person.actor, character=character)
        found = sa.select(ChatMessage).where(ChatMessage.session_id == chat.id, ChatMessage.is_chosen)
        return session.scalars(found).one()

    def test_speaks_an_answer_and_shows_it_in_the_chat(self, session, browser, person, character, message):
        part = text_of(posted(browser, f"/chat-media/messages/{message.id}/speak", headers=PART))
        assert "This character has no voice yet" in part
        assert f"/voices/{character.id}" in part
        make_voice(session, owner=person.actor, character=character)
        session.flush()
        part = text_of(posted(browser, f"/chat-media/messages/{message.id}/speak", headers=PART))
        assert "Being spoken" in part
        chat = text_of(browser.get(f"/test-chat/{character.id}"))
        assert "Being spoken" in chat
        assert session.scalars(sa.select(SpeechSynthesis.state)).one() is GenerationState.PENDING

    def test_attaches_and_takes_off_a_picture(self, session, browser, person, character, message, settings):
        address = f"/chat-media/messages/{message.id}"
        assert "You have no pictures yet" in text_of(browser.get(f"{address}/pictures", headers=PART))
        file = make_portrait(session, actor=person.actor, storage=make_storage(settings.data))
        session.flush()
        assert str(file.id) in text_of(browser.get(f"{address}/pictures"))
        part = text_of(posted(browser, f"{address}/attach", headers=PART, picture=str(file.id)))
        assert f"/media/{file.id}" in part
        row = session.scalars(sa.select(MultimediaMessage)).one()
        assert posted(browser, f"/chat-media/{row.id}/remove").location.startswith("/test-chat/")
        assert session.scalar(sa.select(sa.func.count()).select_from(MultimediaMessage)) == 0
        assert posted(browser, f"{address}/attach", headers=PART, picture="x").status_code == 404

    def test_makes_a_picture_of_a_message_and_shows_how_far_it_is(self, session, browser, person, character, message):
        address = f"/chat-media/messages/{message.id}/draw"
        assert f'hx-get="{address}"' in browser.get(f"/test-chat/{character.id}").text
        for headers in (PART, {}):
            assert character.name in browser.get(address, headers=headers).text
        refused = posted(browser, address, headers=PART, prompt=" ")
        assert "Say what the picture should show." in text_of(refused)
        assert refused.headers["HX-Retarget"] == f"#draw-{message.id}"
        assert "x" * 9_000 in posted(browser, address, prompt="x" * 9_000).text
        part = text_of(posted(browser, address, headers=PART, prompt="a tower in the rain", size="512x768"))
        assert "Stop" in part
        row = session.scalars(sa.select(MultimediaMessage)).one()
        assert (row.prompt_used, row.generation_params["width"]) == ("a tower in the rain", 512)
        assert "Stop" in text_of(browser.get(f"/test-chat/{character.id}"))
        assert "Stop" in text_of(browser.get(f"/chat-media/{row.id}/drawn", headers=PART))
        stopped = text_of(posted(browser, f"/chat-media/{row.id}/stop", headers=PART))
        assert "It was stopped before it was drawn." in stopped
        assert "Stop" in text_of(posted(browser, f"/chat-media/{row.id}/again", headers=PART))
        outsider = make_user(session, *RoleName)
        session.flush()
        stranger = signed_in(browser.application.test_client(), outsider)
        assert stranger.get(f"/chat-media/{row.id}/drawn").status_code == 404
        assert stranger.get(address).status_code == 404
