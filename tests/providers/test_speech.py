"""Speech: what every kind keeps, what servers do wrong, and how our settings become each provider's own."""

import io
import logging
import math
import traceback
import wave
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pydantic import SecretStr

from studio.providers import speech
from studio.providers.errors import (
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderNotConfiguredError,
    ProviderRefusedError,
    ProviderTooLargeError,
)
from studio.providers.speech import KINDS, Tuning, Voice, Wanted, abilities, espeak, mapping
from studio.providers.speech.local import HOW_TO_GET_IT
from studio.providers.speech.refusals import ContentRefusedError
from studio.providers.speech.wrapper import LONGEST_WAIT, ReliableSpeech
from studio.settings import Settings
from tests.fakes import speech_server as fake
from tests.fakes.speech_server import SpeechServer

KEY = "sk-very-secret"
REMOTE = [kind for kind in KINDS if kind != "local"]
VOICE_OF = {
    "local": "en-us",
    "elevenlabs": "el0",
    "azure": "zh-CN-XiaoxiaoNeural",
    "google": "cmn-CN-Wavenet-A",
    "openai": "nova",
}
TEXT = '你好 & <hello> "独孤求败"'


def made(server, **changes):
    given = {
        "speech_elevenlabs_key": SecretStr(KEY),
        "speech_elevenlabs_url": server.url,
        "speech_azure_key": SecretStr(KEY),
        "speech_azure_url": server.url,
        "speech_google_key": SecretStr(KEY),
        "speech_google_url": server.url,
        "speech_openai_key": SecretStr(KEY),
        "speech_openai_url": f"{server.url}/v1",
        "speech_attempts": 1,
        "speech_timeout": 0.25,
        "speech_time_limit": 0.6,
    }
    return speech.from_settings(Settings(_env_file=None, **{**given, **changes}))


def wanted(kind, text=TEXT, **tuning):
    # Those that converse have tests of their own (test_speech_realtime.py).
    models = [model for model in abilities.models_of(kind) if not abilities.of(kind, model=model).converses]
    return Wanted(
        text=text,
        language="zh-CN",
        voice_id=VOICE_OF[kind],
        model=models[0] if models else "",
        tuning=Tuning(**tuning),
    )


@pytest.fixture
def server():
    with SpeechServer() as running:
        yield running


@pytest.fixture(params=REMOTE)
def remote(request, server):
    return made(server)[request.param]


def speak(provider, text=TEXT):
    return provider.speak(wanted(provider.name, text))


class TestKinds:
    @pytest.mark.parametrize("kind", KINDS)
    def test_have_their_ranges_in_the_data(self, kind):
        can = abilities.of(kind)
        assert can.ranges["speed"].holds(1.0)
        assert can.most > 0
        assert set(can.ranges) <= set(abilities.NUMBERS)

    @pytest.mark.parametrize("kind", REMOTE)
    def test_without_a_key_say_which_setting_is_missing(self, kind):
        provider = speech.from_settings(Settings(_env_file=None))[kind]
        assert not provider.is_configured
        assert f"STUDIO_SPEECH_{kind.upper()}_KEY" in provider.missing
        with pytest.raises(ProviderNotConfiguredError):
            speak(provider)

    @pytest.mark.parametrize("key", ["has space", "schlüssel"])
    def test_with_a_key_that_is_none_say_so_and_send_nothing(self, server, key):
        provider = made(server, speech_elevenlabs_key=SecretStr(key))["elevenlabs"]
        assert not provider.is_configured
        assert key not in provider.missing
        assert not server.requests

    def test_of_azure_needs_a_region_and_finds_its_address(self, server):
        assert "STUDIO_SPEECH_AZURE_REGION" in made(server, speech_azure_url=None)["azure"].missing
        assert made(server, speech_azure_url=None, speech_azure_region="westeurope")["azure"].is_configured


class TestEveryRemoteKind:
    def test_speaks(self, remote, server):
        spoken = speak(remote)
        assert spoken.audio == fake.tone(1.0)
        assert spoken.characters > 0
        assert len(server.requests) == 1

    def test_lists_its_voices(self, remote):
        voices = remote.voices()
        assert VOICE_OF[remote.name] in {voice.id for voice in voices}
        assert all(Voice.from_json(voice.as_json()) == voice for voice in voices)

    @pytest.mark.parametrize(
        ("answer", "error", "words"),
        [
            (fake.Status(401), ProviderRefusedError, "does not accept the key"),
            (fake.Status(402), ProviderRefusedError, "no credit left"),
            (fake.Status(401, code="quota_exceeded"), ProviderRefusedError, "no credit left"),
            (fake.Status(429, code="insufficient_quota"), ProviderRefusedError, "no credit left"),
            (fake.Status(404), ProviderRefusedError, "knows no such voice"),
            (fake.Status(429, {"retry-after": "17"}), ProviderBusyError, "wait 17 seconds"),
            (fake.Status(429), ProviderBusyError, "Try again in a minute"),
            (fake.Status(500), ProviderBusyError, "failing just now"),
            (fake.Status(400, message="Blocked by our content policy"), ContentRefusedError, "declines to speak"),
            (fake.Status(400, code="max_character_limit_exceeded"), ProviderTooLargeError, "Shorten it"),
            (fake.Silence(), ProviderBusyError, "did not finish"),
            (fake.HangUp(), ProviderBusyError, "cannot be reached"),
            (fake.Stalls(), ProviderBusyError, "did not finish"),
            (fake.Trickles(), ProviderBusyError, "did not finish"),
            (fake.HalfBody(), ProviderBrokenError, "broke off"),
            (fake.Raw(b"{}"), ProviderBrokenError, "not what its documents promise"),
        ],
        ids=lambda value: type(value).__name__ if not isinstance(value, (str, type)) else None,
    )
    def test_tells_in_plain_words_what_went_wrong(self, remote, server, answer, error, words, caplog):
        caplog.set_level(logging.DEBUG)
        server.script(answer)
        with pytest.raises(error, match=words) as caught:
            speak(remote)
        # Neither key nor text stands in what is shown, nor in what a log would hold of the whole chain.
        told = "".join(traceback.format_exception(caught.value))
        assert KEY not in told + caplog.text
        assert "独孤求败" not in told + caplog.text

    def test_says_how_long_it_was_asked_to_wait(self, remote, server):
        server.script(fake.Status(429, {"retry-after": "17"}))
        with pytest.raises(ProviderBusyError) as caught:
            speak(remote)
        assert caught.value.retry_after == 17.0

    def test_stops_in_the_middle_where_nobody_wants_it_any_more(self, remote):
        class Gone(BaseException):
            pass

        def alive():
            raise Gone

        with pytest.raises(Gone):
            remote.speak(wanted(remote.name), alive=alive)


class TestWhatIsSent:
    def test_to_elevenlabs(self, server):
        made(server)["elevenlabs"].speak(wanted("elevenlabs", speed=1.1, stability=0.3, similarity=0.8, style=0.2))
        [asked] = server.requests
        assert (asked.path, asked.query) == ("/v1/text-to-speech/el0", {"output_format": ["mp3_44100_128"]})
        assert asked.headers["xi-api-key"] == KEY
        assert asked.json == {
            "text": TEXT,
            "model_id": "eleven_multilingual_v2",
            "voice_settings": {"speed": 1.1, "stability": 0.3, "similarity_boost": 0.8, "style": 0.2},
        }

    def test_to_elevenlabs_is_billed_as_its_header_says(self, server):
        assert made(server)["elevenlabs"].speak(wanted("elevenlabs")).characters == 7

    def test_to_azure_is_ssml_in_which_the_text_is_text(self, server):
        made(server)["azure"].speak(wanted("azure", speed=1.1, pitch=0.9, style=1.0, manner="cheerful"))
        [asked] = server.requests
        assert asked.headers["ocp-apim-subscription-key"] == KEY
        assert asked.headers["content-type"] == "application/ssml+xml"
        root = ET.fromstring(asked.body)
        voice = root.find("{*}voice")
        manner = voice.find("{http://www.w3.org/2001/mstts}express-as")
        prosody = manner.find("{*}prosody")
        assert voice.get("name") == "zh-CN-XiaoxiaoNeural"
        assert (manner.get("style"), manner.get("styledegree")) == ("cheerful", "2.0")
        assert (prosody.get("rate"), prosody.get("pitch")) == ("+10.00%", "-10.00%")
        assert "".join(root.itertext()) == TEXT

    def test_to_google_is_in_the_voices_own_language_and_in_semitones(self, server):
        made(server)["google"].speak(wanted("google", pitch=2.0, speed=1.5))
        [asked] = server.requests
        assert asked.headers["x-goog-api-key"] == KEY
        assert asked.query == {}
        assert asked.json == {
            "input": {"text": TEXT},
            "voice": {"languageCode": "cmn-CN", "name": "cmn-CN-Wavenet-A"},
            "audioConfig": {"audioEncoding": "MP3", "speakingRate": 1.5, "pitch": 12.0},
        }

    def test_to_openai_has_instructions_where_the_model_knows_them(self, server):
        provider = made(server)["openai"]
        provider.speak(wanted("openai", speed=2.0, instructions="Calm and low."))
        provider.speak(Wanted(TEXT, "zh-CN", "nova", "tts-1", Tuning(instructions="Calm and low.")))
        first, second = server.requests
        assert first.headers["authorization"] == f"Bearer {KEY}"
        assert first.json == {
            "input": TEXT,
            "model": "gpt-4o-mini-tts",
            "voice": "nova",
            "response_format": "mp3",
            "speed": 2.0,
            "instructions": "Calm and low.",
        }
        assert "instructions" not in second.json

    def test_of_elevenlabs_list_is_read_page_by_page(self, server):
        assert [voice.id for voice in made(server)["elevenlabs"].voices()] == ["el0", "el1", "el2"]
        assert len(server.requests) == 2


numbers = st.floats(-10, 10, allow_nan=False)
tunings = st.builds(
    Tuning,
    speed=numbers,
    pitch=numbers,
    stability=numbers,
    similarity=numbers,
    style=numbers,
    manner=st.sampled_from(["", "cheerful", '"><x']),
    instructions=st.sampled_from(["", "Low."]),
)


class TestMapping:
    @effort(max_examples=60, deadline=None)
    @given(tuning=tunings, kind=st.sampled_from(sorted(KINDS)), voice=st.sampled_from(["a", "en-US-Chirp3-HD-Kore"]))
    def test_sends_only_what_the_voice_uses_and_within_its_range(self, tuning, kind, voice):
        can = abilities.of(kind, voice=voice)
        chosen = mapping.used(tuning, can)
        for name, value in chosen.items():
            assert can.uses(name)
            if name in can.ranges:
                assert can.ranges[name].holds(value)

    @effort(max_examples=60, deadline=None)
    @given(text=st.text(max_size=80), tuning=tunings)
    def test_makes_ssml_that_is_xml_whatever_is_in_the_text(self, text, tuning):
        asked = Wanted(text, "zh-CN", "zh-CN-XiaoxiaoNeural", tuning=tuning)
        root = ET.fromstring(mapping.ssml(asked, mapping.used_by("azure", asked)))
        # A parser reads every line break as a line feed.
        told = "".join(root.itertext())
        assert told == mapping._NOT_XML.sub("", text).replace("\r\n", "\n").replace("\r", "\n")

    @effort(max_examples=60, deadline=None)
    @given(factor=st.floats(0.01, 100), share=st.floats(0, 1))
    def test_stays_within_what_providers_take(self, factor, share):
        assert -20 <= mapping.semitones(factor) <= 20
        degree = mapping.style_degree(share)
        assert (degree is None) == (share == 0)
        assert degree is None or 0.01 <= degree <= 2
        rate, pitch = mapping.espeak_parameters({"speed": factor, "pitch": factor})
        assert 80 <= rate <= 450
        assert 0 <= pitch <= 100

    def test_is_neutral_where_nothing_was_changed(self):
        assert mapping.semitones(1.0) == 0.0
        assert mapping.percent(1.0) == "+0.00%"
        assert mapping.espeak_parameters({}) == (175, 50)
        assert "prosody" not in mapping.ssml(wanted("azure"), mapping.used_by("azure", wanted("azure")))

    def test_turns_an_octave_into_twelve_semitones(self):
        assert mapping.semitones(2.0) == 12.0
        assert math.isclose(mapping.semitones(0.5), -12.0)

    def test_knows_what_some_voices_and_models_cannot(self):
        assert not abilities.of("google", voice="en-US-Chirp3-HD-Kore").uses("pitch")
        assert abilities.of("google", voice="cmn-CN-Wavenet-A").uses("pitch")
        assert not abilities.of("openai", model="tts-1").uses("instructions")
        assert not abilities.of("elevenlabs", model="eleven_flash_v2_5").uses("style")

    def test_of_azures_style_and_manner_only_together(self):
        for changes in ({"style": 0.7}, {"manner": "cheerful"}):
            assert mapping.used_by("azure", wanted("azure", **changes)) == mapping.used_by("azure", wanted("azure"))
        both = mapping.used_by("azure", wanted("azure", style=0.7, manner="cheerful"))
        assert (both["style"], both["manner"]) == (0.7, "cheerful")
        assert mapping.used_by("elevenlabs", wanted("elevenlabs", style=0.7))["style"] == 0.7

    def test_counts_a_chinese_sign_twice_for_azure(self):
        assert mapping.azure_characters("你好 ok") == 7


class TestWrapper:
    @pytest.fixture
    def pauses(self):
        return []

    @pytest.fixture
    def patient(self, server, pauses):
        client = made(server)["elevenlabs"]._client
        return ReliableSpeech(
            client, attempts=3, timeout=0.5, pause=pauses.append, jitter=lambda ceiling: ceiling, time_limit=2
        )

    def test_tries_again_what_may_pass(self, patient, server, pauses):
        server.script(fake.Status(500), fake.Status(429, {"retry-after": "2"}))
        assert speak(patient).audio
        assert len(server.requests) == 3
        assert math.isclose(sum(pauses), 0.5 + 2 + 1)

    def test_does_not_try_again_what_was_refused(self, patient, server):
        server.script(fake.Status(402))
        with pytest.raises(ProviderRefusedError):
            speak(patient)
        assert len(server.requests) == 1

    def test_does_not_keep_people_waiting_for_long(self, patient, server):
        server.script(fake.Status(429, {"retry-after": str(LONGEST_WAIT + 1)}))
        with pytest.raises(ProviderBusyError):
            speak(patient)
        assert len(server.requests) == 1

    def test_counts_what_broke_off_too_since_the_provider_bills_what_it_spoke(self, patient, server):
        server.script(fake.HalfBody())
        assert speak(patient).characters == len(TEXT) + 7  # The last one's is what the provider says.
        server.script(fake.HalfBody(), fake.Status(500), fake.Stalls())
        with pytest.raises(ProviderBusyError) as refusal:
            speak(patient)
        # Of what was turned away nothing was spoken.
        assert refusal.value.characters == 2 * len(TEXT)

    def test_gives_up_after_its_attempts(self, patient, server):
        server.script(*[fake.Status(500)] * 3)
        with pytest.raises(ProviderBusyError) as refusal:
            speak(patient)
        assert len(server.requests) == 3
        assert refusal.value.characters == 0


def seconds(audio):
    with wave.open(io.BytesIO(audio)) as file:
        return file.getnframes() / file.getframerate()


class TestLocal:
    @pytest.fixture
    def local(self):
        if espeak.where() is None:
            pytest.skip("espeak-ng is not here; `make test` brings it where there is a wheel of espeakng-loader")
        return speech.from_settings(Settings(_env_file=None))["local"]

    @pytest.mark.parametrize(
        ("voice", "text"),
        [("cmn", "你好，很高兴认识你。今晚的月色真美。"), ("en-us", "Hello, it is good to meet you tonight.")],
    )
    def test_speaks_mandarin_and_english_for_about_as_long_as_people_do(self, local, voice, text):
        spoken = local.speak(Wanted(text, "zh-CN", voice))
        assert 1.5 < seconds(spoken.audio) < 8
        slow = local.speak(Wanted(text, "zh-CN", voice, tuning=Tuning(speed=0.6)))
        assert seconds(slow.audio) > 1.3 * seconds(spoken.audio)

    def test_says_different_things_differently(self, local):
        first, second = (local.speak(Wanted(text, "zh-CN", "cmn")).audio for text in ("你好", "再见"))
        higher = local.speak(Wanted("你好", "zh-CN", "cmn", tuning=Tuning(pitch=1.6))).audio
        assert len({first, second, higher}) == 3

    def test_lists_voices_of_both_languages_under_their_usual_tags(self, local):
        languages = {language for voice in local.voices() for language in voice.languages}
        assert {"zh-CN", "zh-HK", "en-US", "en-GB"} <= languages

    def test_speaks_with_every_voice_of_its_list_for_the_studios_languages(self, local):
        listed = [voice for voice in local.voices() if {"zh-CN", "zh-HK", "en-US", "en-GB"} & set(voice.languages)]
        assert len(listed) >= 8
        for voice in listed:
            assert seconds(local.speak(Wanted("你好 hello", voice.languages[0], voice.id)).audio) > 0.3

    @pytest.mark.parametrize("voice", ["no-such-voice", "../../etc/passwd", "x y"])
    def test_refuses_a_voice_that_there_is_not(self, local, voice):
        with pytest.raises(ProviderError):
            local.speak(Wanted("Hello", "en-US", voice))

    def test_says_how_to_get_espeak_where_it_is_not_installed(self, monkeypatch):
        monkeypatch.setattr(espeak, "where", lambda: None)
        provider = speech.from_settings(Settings(_env_file=None))["local"]
        assert not provider.is_configured
        assert provider.missing == HOW_TO_GET_IT
        with pytest.raises(ProviderNotConfiguredError, match="not installed"):
            provider.speak(Wanted("Hello", "en-US", "en-us"))
