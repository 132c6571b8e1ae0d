"""Voices as a creator sets them."""

import html
import re
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
import time_machine
from pydantic import SecretStr

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.providers.speech import Tuning, Voice
from studio.voices import lists, rules
from studio.voices.models import VoiceConfiguration
from studio.voices.rules import VoiceDraft
from studio.work.models import JobRun
from tests.admin_views.conftest import posted, signed_in
from tests.admin_views.voices.conftest import FIELDS, MODEL, PART, text_of
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character
from tests.factories.voices import make_draft, make_speech, make_voice


class TestPage:
    def test_teaches_the_first_step_and_says_what_is_not_set_up(self, browser, character):
        page = text_of(browser.get(f"/voices/{character.id}"))
        assert "No voice yet" in page
        assert page.count("not set up") == 4
        assert "STUDIO_SPEECH" not in page

    def test_shows_each_language_with_the_voice_that_speaks_it_in_few_statements(
        self, session, browser, person, character, statements, settings
    ):
        for language in ("zh-CN", "en-US", "en-US"):
            make_voice(session, owner=person.actor, character=character, draft=make_draft(language=language, speed=1.5))
        for number in range(3):
            make_speech(session, owner=person.actor, character=character, text=f"Text {number}", data=settings.data)
        session.flush()
        statements.clear()
        page = text_of(browser.get(f"/voices/{character.id}"))
        # Who asks, the character, its voices, what was spoken, and the tray.
        assert len(statements) <= 8, statements
        assert page.count("mark-active") >= 2
        assert "Speed 1.5" in page
        assert page.count("<audio") == 3

    def test_is_read_by_moderators_without_buttons(self, session, app, character, person):
        make_voice(session, owner=person.actor, character=character)
        moderator = make_user(session, RoleName.MODERATOR)
        session.flush()
        page = text_of(signed_in(app.test_client(), moderator).get(f"/voices/{character.id}"))
        assert "Listen" not in page
        assert "Edit" not in page


class TestForm:
    def test_asks_for_the_list_and_then_offers_the_languages_own_voices(self, session, browser, character, voices):
        page = text_of(browser.get(f"/voices/{character.id}/new"))
        assert 'value="zh-CN"' in page
        assert "Mandarin" in page
        assert ">English ·" not in page

    def test_orders_the_list_where_there_is_none(self, session, browser, character):
        page = text_of(browser.get(f"/voices/{character.id}/new"))
        assert "being fetched" in page or "not installed" in page
        names = session.scalars(sa.select(JobRun.name)).all()
        assert ("voices.refresh_list" in names) == ("being fetched" in page)

    @pytest.mark.parametrize(
        ("provider", "model", "says"),
        [("openai", "tts-1", True), ("openai", MODEL, False), ("elevenlabs", "", False)],
    )
    def test_says_when_a_model_is_closed_by_its_provider_and_what_to_choose_instead(
        self, session, browser, character, person, provider, model, says
    ):
        fields = {"do": "show", "provider": provider, "model": model, "language": "en-US"}
        part = text_of(posted(browser, f"/voices/{character.id}/new", headers=PART, **fields))
        voice = make_voice(session, owner=person.actor, character=character)
        voice.provider, voice.model = provider, model
        session.flush()
        for shown in (part, text_of(browser.get(f"/voices/{character.id}"))):
            assert (f"closes this model on January 6, 2027. Change to {MODEL}" in shown) is says
            assert ("under a check" in shown or "holds conversations" in shown) is (model == MODEL)

    @pytest.mark.parametrize(("voice_id", "has_it"), [("sage", True), ("nova", False)])
    def test_changes_a_voice_to_the_model_that_stays_in_one_step(
        self, session, browser, character, person, voice_id, has_it
    ):
        draft = VoiceDraft("openai", voice_id, "en-US", model="tts-1", tuning=Tuning(speed=2.0))
        row = make_voice(session, owner=person.actor, character=character, draft=draft, models=("tts-1",))
        session.flush()
        address = f"/voices/configurations/{row.id}/change-model"
        assert address in text_of(browser.get(f"/voices/{character.id}"))
        answer = posted(browser, address, row_version="1")
        assert answer.status_code == 303
        session.expire_all()
        changed = session.get(VoiceConfiguration, row.id)
        if has_it:
            assert (changed.model, changed.voice_id, changed.speed) == (MODEL, "sage", 1.5)
            assert answer.location == f"/voices/{character.id}"
            # There is no model to change to any more.
            assert posted(browser, address, row_version="2").status_code == 404
        else:
            assert changed.model == "tts-1"
            page = text_of(browser.get(answer.location))
            assert f"{MODEL} has no voice “nova”. Choose another one." in page
            assert f'<option selected value="{MODEL}">' in page
            assert 'value="nova"' not in page

    def test_changes_all_voices_by_models_that_close_that_can_be(self, settings, make_app, session, person):
        for number in range(3):
            draft = VoiceDraft("openai", ("sage", "coral", "nova")[number], "en-US", model="tts-1")
            owned = make_character(session, owner=person.actor, name=f"Ada {number}")
            make_voice(session, owner=person.actor, character=owned, draft=draft, models=("tts-1",))
        stranger = make_user(session, RoleName.CREATOR)
        theirs = make_voice(session, owner=stranger.actor, draft=draft, models=("tts-1",))
        session.flush()
        own = settings.model_copy(update={"speech_openai_key": SecretStr("sk-key")})
        browser = signed_in(make_app(own).test_client(), person)
        assert "3 voices speak by a model that closes" in text_of(browser.get("/"))
        page = text_of(browser.get("/voices/"))
        assert page.count("closes this model on January 6, 2027") == 3
        assert "Change all 2 voices" in page
        assert posted(browser, "/voices/change-models").status_code == 303
        session.expire_all()
        rows = session.scalars(sa.select(VoiceConfiguration).where(VoiceConfiguration.id != theirs.id)).all()
        assert {row.voice_id: row.model for row in rows} == {"sage": MODEL, "coral": MODEL, "nova": "tts-1"}
        assert theirs.model == "tts-1"
        page = text_of(browser.get("/voices/"))
        assert "2 voices speak by their new model now." in page
        assert "has no voice “nova”" in page
        assert "Change all" not in page

    def test_pages_what_closes_and_changes_it_on_all_pages(
        self, settings, make_app, session, person, statements, monkeypatch
    ):
        monkeypatch.setattr(rules, "CLOSING_PAGE", 2)
        # Two that the new model does not have stand before all others, and keep none of them waiting.
        for number, voice in enumerate(("nova", "nova", "sage", "coral", "sage")):
            draft = VoiceDraft("openai", voice, "en-US", model="tts-1")
            owned = make_character(session, owner=person.actor, name=f"Ada {number}")
            make_voice(session, owner=person.actor, character=owned, draft=draft, models=("tts-1",))
        own = settings.model_copy(update={"speech_openai_key": SecretStr("sk-key")})
        browser = signed_in(make_app(own).test_client(), person)
        seen, address = [], "/voices/"
        while address:
            statements.clear()
            page = browser.get(address).text
            # person, roles, preferences; the page and its count.
            assert len(statements) <= 7, "\n".join(statements)
            seen.append(re.findall(r">(Ada \d)</a>", page))
            assert "Change all on all pages" in page
            following = re.search(r'rel="next" href="([^"]+)"', page)
            address = html.unescape(following[1]) if following else ""
        assert seen == [["Ada 0", "Ada 1"], ["Ada 2", "Ada 3"], ["Ada 4"]]
        back = html.unescape(re.search(r'rel="prev" href="([^"]+)"', page)[1])
        assert re.findall(r">(Ada \d)</a>", browser.get(back).text) == seen[1]
        assert browser.get("/voices/?after=made-up").status_code == 400
        assert posted(browser, "/voices/change-models").status_code == 303
        page = text_of(browser.get("/voices/"))
        assert "3 voices speak by their new model now." in page
        assert re.findall(r"Ada \d", page) == ["Ada 0", "Ada 1"]

    def test_says_after_the_day_that_the_model_cannot_speak_any_more(self, session, app, person, character):
        voice = make_voice(session, owner=person.actor, character=character)
        voice.provider, voice.model = "openai", "tts-1"
        session.flush()
        with time_machine.travel(datetime(2027, 1, 6, 8, tzinfo=UTC)):
            page = text_of(signed_in(app.test_client(), person).get(f"/voices/{character.id}"))
        assert f"OpenAI closed this model on January 6, 2027: it cannot speak any more. Change to {MODEL}" in page

    def test_has_no_page_of_what_closes_where_nothing_does(self, browser):
        assert browser.get("/voices/").location == "/characters/"

    def test_offers_no_voice_that_the_model_does_not_have(self, session, browser):
        lists.keep(session, provider="openai", voices=[Voice("nova", "Nova"), Voice("sage", "Sage")], now=utc_now())
        found = browser.get(f"/voices/list/openai/en-US?model={MODEL}&q=").get_json()
        assert [one["value"] for one in found["items"]] == ["sage"]
        assert len(browser.get("/voices/list/openai/en-US?model=tts-1").get_json()["items"]) == 2

    def test_fetches_the_list_anew_and_keeps_what_was_typed(self, session, browser, character, voices):
        part = text_of(
            posted(
                browser, f"/voices/{character.id}/new", headers=PART, do="fetch", provider="local", text="My own words"
            )
        )
        assert "My own words" in part
        assert ("being fetched" in part) == ("voices.refresh_list" in session.scalars(sa.select(JobRun.name)).all())

    def test_shows_what_another_provider_does_not_use(self, browser, character):
        part = text_of(
            posted(
                browser,
                f"/voices/{character.id}/new",
                headers=PART,
                do="provider",
                provider="elevenlabs",
                language="en-US",
                speed="2.5",
            )
        )
        assert part.count("not used by this provider") == 3
        # What was faster than ElevenLabs speaks stands at its end.
        assert re.search(r'name="speed" min="0.7" max="1.2" step="0.01" value="1.20"', part)

    def test_saves_and_shows_what_is_wrong_beside_its_field(self, session, browser, character, voices):
        address = f"/voices/{character.id}/new"
        page = text_of(posted(browser, address, **{**FIELDS, "voice_id": "", "speed": "fast"}), status=422)
        assert "Write a number, such as 1.1." in page
        page = text_of(posted(browser, address, **{**FIELDS, "voice_id": "", "language": "??"}), status=422)
        assert "Choose a voice." in page
        assert "Write the language as a tag" in page
        # All that this machine can speak with is known.
        page = text_of(posted(browser, address, **{**FIELDS, "voice_other": "nope-voice"}), status=422)
        assert "This machine has no such voice. Choose one of the list." in page
        answer = posted(browser, address, **FIELDS)
        assert (answer.status_code, answer.location) == (303, f"/voices/{character.id}")
        row = session.scalars(sa.select(VoiceConfiguration)).one()
        assert (row.voice_name, row.speed, row.is_active) == ("English", 1.25, True)

    def test_changes_a_voice_and_refuses_a_stale_save(self, session, browser, person, character, voices):
        row = make_voice(session, owner=person.actor, character=character)
        session.flush()
        address = f"/voices/configurations/{row.id}"
        assert 'name="row_version" value="1"' in text_of(browser.get(address))
        assert posted(browser, address, row_version="1", **FIELDS).status_code == 303
        page = text_of(posted(browser, address, row_version="1", **{**FIELDS, "speed": "1.5"}), status=409)
        assert "Someone else saved this" in page
        session.expire_all()
        assert session.get(VoiceConfiguration, row.id).speed == 1.25

    def test_finds_voices_while_typing(self, browser, voices):
        found = browser.get("/voices/list/local/en-US?q=mandarin").get_json()
        assert found == {"items": [{"value": "cmn", "text": "Mandarin · zh-CN · male"}]}
        assert browser.get("/voices/list/nobody/en-US").status_code == 404

    def test_never_shows_a_key(self, settings, make_app, session, person, character):
        own = settings.model_copy(update={"speech_elevenlabs_key": SecretStr("sk-hidden-key")})
        browser = signed_in(make_app(own).test_client(), person)
        assert "sk-hidden-key" not in text_of(browser.get(f"/voices/{character.id}"))
        assert "sk-hidden-key" not in text_of(browser.get(f"/voices/{character.id}/new"))
