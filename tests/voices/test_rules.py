"""What a voice may be, what is spoken of a text, and by which hash audio is found again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from studio.kit.errors import InvalidError
from studio.providers.speech import Tuning, Voice, abilities
from studio.voices import rules
from studio.voices.errors import LongTextError, NothingToSayError
from studio.voices.rules import VoiceDraft


def draft(provider="elevenlabs", **changes):
    tuning = Tuning(**changes.pop("tuning", {}))
    return VoiceDraft(
        provider=provider, voice_id=changes.pop("voice_id", "v1"), language="zh-cn", tuning=tuning, **changes
    )


class TestCleaned:
    def test_keeps_nothing_that_the_voice_does_not_use(self):
        given = {
            "pitch": 1.7,
            "stability": 0.9,
            "similarity": 0.1,
            "style": 0.8,
            "manner": "sad",
            "instructions": "Low.",
        }
        found = rules.cleaned(draft("openai", model="tts-1", tuning={"speed": 2.0, **given}), models=("tts-1",))
        assert found.tuning == Tuning(speed=2.0)

    def test_writes_the_language_as_it_is_usually_written(self):
        assert rules.cleaned(draft()).language == "zh-CN"

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"voice_id": " "}, "voice_id"),
            ({"voice_id": "x" * 201}, "voice_id"),
            ({"tuning": {"speed": 1.3}}, "speed"),
            ({"tuning": {"speed": float("nan")}}, "speed"),
            ({"tuning": {"style": -0.1}}, "style_exaggeration"),
            ({"provider": "nobody"}, "provider"),
        ],
    )
    def test_names_the_field_of_each_mistake(self, changes, field):
        with pytest.raises(InvalidError) as caught:
            rules.cleaned(draft(**changes))
        assert field in caught.value.fields

    def test_refuses_a_model_that_is_not_offered(self):
        with pytest.raises(InvalidError) as caught:
            rules.cleaned(draft(model="other"), models=("eleven_multilingual_v2",))
        assert "model" in caught.value.fields

    @pytest.mark.parametrize("text", ["", "中文", "x", "zh-", "en us", "e" * 50])
    def test_refuses_what_is_no_language(self, text):
        with pytest.raises(InvalidError) as caught:
            rules.cleaned(replace(draft(), language=text))
        assert "language" in caught.value.fields

    def test_refuses_a_voice_that_the_model_does_not_have(self):
        models = ("gpt-realtime-2.1-mini", "tts-1")
        wish = VoiceDraft("openai", "nova", "en-US", model="tts-1")
        assert rules.cleaned(wish, models=models).voice_id == "nova"
        with pytest.raises(InvalidError) as caught:
            rules.cleaned(replace(wish, model=models[0]), models=models)
        assert "no such voice" in caught.value.fields["voice_id"]


class TestCacheKey:
    def test_changes_with_everything_that_is_heard_and_with_nothing_else(self):
        base = rules.cleaned(draft())
        key = rules.cache_key("elevenlabs", base.wanted("Hello"))
        assert key == rules.cache_key("elevenlabs", replace(base, voice_name="Another name").wanted("Hello"))
        # ElevenLabs does not use a pitch.
        unheard = replace(base, tuning=replace(base.tuning, pitch=1.5))
        assert key == rules.cache_key("elevenlabs", unheard.wanted("Hello"))
        heard = [
            ("elevenlabs", base.wanted("Hello!")),
            ("azure", base.wanted("Hello")),
            ("elevenlabs", replace(base, voice_id="v2").wanted("Hello")),
            ("elevenlabs", replace(base, model="m").wanted("Hello")),
            ("elevenlabs", replace(base, language="en-US").wanted("Hello")),
            ("elevenlabs", replace(base, tuning=replace(base.tuning, speed=1.1)).wanted("Hello")),
        ]
        assert len({key, *(rules.cache_key(*one) for one in heard)}) == len(heard) + 1


class TestText:
    def test_is_spoken_without_marks_addresses_and_tags(self):
        text = '*She smiles.* **"Come in!"** <!-- note --> [the inn](https://x.example/a) ![](y.png)\n\n# Rain'
        assert rules.spoken_text(text) == 'She smiles. "Come in!" the inn\nRain'

    @effort(max_examples=50, deadline=None)
    @given(st.text(max_size=120))
    def test_gets_no_longer_by_being_spoken(self, text):
        found = rules.spoken_text(text)
        assert len(found) <= len(text) + 1
        assert rules.spoken_text(found) == found or "<" in found or "]" in found or "!" in found

    @pytest.mark.parametrize("text", ["", "  ", "…!?", "***"])
    def test_without_a_word_is_refused(self, text):
        with pytest.raises(NothingToSayError):
            rules.checked_text(text, abilities.of("local"))

    def test_is_measured_as_the_provider_counts(self):
        chinese = "月" * 1_700
        assert rules.checked_text(chinese, abilities.of("azure")) == chinese
        with pytest.raises(LongTextError, match="bytes"):
            rules.checked_text(chinese, abilities.of("google"))
        with pytest.raises(LongTextError, match="4096"):
            rules.checked_text("a" * 4_097, abilities.of("openai"))


class TestVoiceFor:
    voices = (draft(), replace(draft(), language="en-US"), replace(draft(), language="de-DE"))

    def test_is_the_one_of_the_texts_language(self):
        assert rules.voice_for("你好", active=self.voices).language == "zh-cn"
        assert rules.voice_for("Hello", active=self.voices).language == "en-US"
        assert rules.voice_for("Guten Tag", active=self.voices, language="de").language == "de-DE"

    def test_is_any_where_none_speaks_the_language_and_none_where_there_is_none(self):
        assert rules.voice_for("Hello", active=self.voices[:1]).language == "zh-cn"
        assert rules.voice_for("Hello", active=()) is None


class TestMatching:
    voices = (
        Voice("a", "Anna", ("de-DE",)),
        Voice("b", "晓晓", ("zh-CN",), "female", ("cheerful",)),
        Voice("c", "Yunxi", ("zh-TW",)),
        Voice("d", "Nova"),
    )

    def test_has_the_language_itself_before_its_relatives_and_those_that_speak_any(self):
        assert [one.id for one in rules.matching(self.voices, text="", language="zh-CN")] == ["b", "c", "d"]

    def test_finds_by_every_word(self):
        assert [one.id for one in rules.matching(self.voices, text="CHEERFUL 晓", language="en-US")] == ["b"]
        assert rules.matching(self.voices, text="cheerful anna", language="") == []

    def test_is_bounded(self):
        many = [Voice(str(number), "V") for number in range(500)]
        assert len(rules.matching(many, text="", language="en")) == rules.MOST_SHOWN_VOICES
