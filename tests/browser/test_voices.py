"""A creator gives a character a voice, listens to it, and has it speak in a test chat; the voice is espeak-ng's, for real."""

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from studio.accounts.models import User
from studio.authoring.rules import Greetings
from studio.providers import storage
from studio.providers.speech import espeak
from studio.voices.models import SpeechSynthesis
from tests.factories.authoring import make_character
from tests.factories.media import make_portrait


@pytest.fixture(autouse=True)
def patience():
    """A list and a voice pass through a browser, a studio and a worker; on a busy machine that takes a while."""
    if espeak.where() is None:
        pytest.skip("espeak-ng is not here; `make test` brings it where there is a wheel of espeakng-loader")
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def character(stage, creator):
    with stage.session() as session:
        owner = session.get_one(User, creator.id).actor
        make_portrait(session, actor=owner, storage=storage.from_settings(stage.settings))
        return make_character(
            session, owner=owner, name="Dugu", language="zh", greetings=Greetings("好剑！你是来比剑的吗，{{user}}？")
        ).id


def heard(player):
    """How long the player's audio lasts, in seconds, once the browser has read it."""
    expect(player).to_be_visible()
    return player.evaluate(
        "audio => new Promise(done => audio.duration ? done(audio.duration)"
        " : audio.addEventListener('loadedmetadata', () => done(audio.duration)))"
    )


class TestVoices:
    def test_are_chosen_heard_saved_and_speak_in_a_chat(self, visit, stage, creator, character, shot):
        visitor = visit(creator)
        page = visitor.go(f"/voices/{character}")
        page.get_by_role("link", name="Choose a voice").click()

        # The list comes by a job; the voices of the character's language stand first.
        chooser = page.locator("#voice_id + .ts-wrapper")
        expect(page.get_by_text("The list of voices is being fetched…")).to_have_count(0)
        expect(chooser).to_be_visible()
        chooser.click()
        page.locator("#voice_id-ts-control").fill("mandarin")
        page.locator('.ts-dropdown [data-value="sit/cmn"]').click()
        expect(page.locator('#voice_id option[value="sit/cmn"]')).to_be_attached()
        expect(page.get_by_text("not used by this provider")).to_have_count(5)
        # A field that somebody drew larger has a style of its own; the form that comes anew must not carry it over.
        page.locator("#text").evaluate("field => { field.style.height = '12rem'; }")
        page.locator("#language").fill("zh-HK")
        with page.expect_response("**/new"):
            page.locator("#language").press("Tab")
        expect(page.locator('#voice_id option[value="sit/cmn"]')).to_be_attached()
        page.locator("#language").fill("zh-CN")
        with page.expect_response("**/new"):
            page.locator("#language").press("Tab")
        page.locator("#speed").fill("1.5")
        expect(page.locator("output[for=speed]")).to_have_text("1.50")

        page.locator("#text").fill("你好，很高兴认识你。")
        page.get_by_role("button", name="Listen").click()
        player = page.locator("#listened audio")
        assert 0.5 < heard(player) < 6
        page.locator("#listened [data-wave]").click()
        shot(page, "voice-form")
        page.get_by_role("button", name="Save", exact=True).click()

        page.wait_for_url(f"**/voices/{character}")
        expect(page.locator(".voice .mark-active").first).to_have_text("speaks")
        shot(page, "voices")
        with stage.session() as session:
            made = session.scalars(sa.select(SpeechSynthesis).where(SpeechSynthesis.character_id == character)).one()
            assert (made.cost_micro, made.tuning["speed"]) == (0, 1.5)

        page.goto(f"/test-chat/{character}")
        page.get_by_role("button", name="Begin").click()
        message = page.locator(".chat-message.is-assistant")
        message.get_by_role("button", name="Speak").click()
        assert heard(message.locator("audio")) > 0.5
        message.get_by_role("link", name="Attach a picture").click()
        message.locator(".picture-button").first.click()
        expect(message.locator(".chat-picture img")).to_be_in_viewport(ratio=0.9)
        shot(page, "chat-with-voice")

        page.goto("/speech/")
        expect(page.locator("tbody tr")).to_have_count(2)
